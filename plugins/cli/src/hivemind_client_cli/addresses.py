"""Addresses that no command can connect with, or that a pin is kept for."""

from __future__ import annotations

from hivemind_core_client.errors import InvalidOption, Mend

_HTTP = ("http://", "https://")


def is_http(address: str) -> bool:
    """Whether this is an address for HiveMindHTTPClient."""
    return address.strip().lower().startswith(_HTTP)


def refuse_http(host: str | None, variable: str | None = None) -> None:
    """Raises InvalidOption for an address of HTTP; `variable` names where in the environment it came from."""
    if host and is_http(host):
        source = f" (from the environment variable {variable})" if variable else ""
        raise InvalidOption(
            f"the hub's address {host!r} is one for HTTP{source}: HiveMindHTTPClient of the library speaks that, no "
            "command does",
            Mend("give the commands HOST, ws://HOST or wss://HOST"),
        )


def pin_name(address: str) -> str:
    """The `host:port` under which the hub at an address is pinned. Raises InvalidOption for what is no address."""
    from hivemind_core_client.config.settings import Address, HttpAddress

    kind = HttpAddress if is_http(address) else Address
    return str(kind.read(address)).partition("//")[2]
