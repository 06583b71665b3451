"""`hivemind-client forget-server`: pin neither static key nor certificate for a hub any more."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from hivemind_client_cli.addresses import read
from hivemind_client_cli.bounds import PORT, bounded
from hivemind_client_cli.connection import read_identity
from hivemind_client_cli.help_sections import command
from hivemind_client_cli.options import identity_option
from hivemind_client_cli.output import Output
from hivemind_client_cli.output_options import reporting
from hivemind_client_cli.peer_text import who
from hivemind_client_cli.pins import pinned_endpoints, pinned_hubs
from hivemind_core_client.errors import IdentityNotSet, InvalidOption, Mend
from hivemind_core_client.errors import forget_server as forget
from hivemind_core_client.wire.keys import fingerprint

if TYPE_CHECKING:
    from hivemind_core_client.config.settings import Address
    from hivemind_core_client.identity import NodeIdentity


@command("forget-server", epilog="Example: hivemind-client forget-server hub.local:5678")
@click.argument("address", metavar="[HOST[:PORT]]", required=False)
@click.option("--host", metavar="HOST", help="Address of the hub [default: that of your connections].")
@bounded("--port", within=PORT, metavar="PORT", text="Port of the hub [default: that of your connections].")
@click.option("--certificate", is_flag=True, help="Forget its TLS certificate, and keep its static key.")
@identity_option
@reporting
def forget_server(
    output: Output,
    address: str | None,
    host: str | None,
    port: int | None,
    certificate: bool,
    identity_file: str | None,
) -> None:
    """Forget the pinned static key and TLS certificate of the hub at HOST.

    A hub of protocol version 3 is known by its static key. A hub with TLS is known by its certificate, unless the
    certificate verifies. Both are pinned at the first connection. From then on, others are refused.

    Forget them only if the owner of the hub says that it was set up anew, has a new certificate, or was set back to an
    older version. What the hub shows next is pinned instead. Until then, an offer without Noise is accepted.

    Without a port it is 5678. With http:// or https:// before HOST it is the pin of a client over HTTP, and the port is
    5679. Without HOST it is the hub that your connections use: --host and --port, then environment, profile and
    identity file. `hivemind-client trust list` shows the pins, and those that cannot be read.
    """
    if address is not None and (host is not None or port is not None):
        raise click.UsageError("give HOST[:PORT], or --host and --port")
    identity = read_identity(identity_file)
    hub = read(address) if address is not None else _hub_of(identity, host, port)
    key = identity.pinned_noise_keys.get(hub.pin_name)
    former = {
        "fingerprint": fingerprint(bytes.fromhex(key)) if key and not certificate else None,
        "certificate": identity.pinned_certificates.get(hub.endpoint),
    }
    gone = {"key"} if not certificate and identity.forget_noise_key(hub.pin_name) else set()
    gone |= {"certificate"} if identity.forget_certificate(hub.endpoint) else set()
    if not gone:
        raise _nothing(identity, hub, certificate)
    output.result({"file": identity.path, "hub": hub.pin_name, **former})
    for what, before in (("key", former["fingerprint"]), ("certificate", former["certificate"])):
        if what in gone:
            output.note(
                f"no {what} is pinned for {hub.pin_name} any more; it was {before or 'none that could be read'}"
            )


def _nothing(identity: NodeIdentity, hub: Address, certificate: bool) -> InvalidOption:
    if certificate:
        return InvalidOption(
            f"no certificate is pinned for {hub.endpoint}", _others(hub.endpoint, pinned_endpoints(identity))
        )
    pins = sorted({*pinned_hubs(identity), *pinned_endpoints(identity)})
    return InvalidOption(
        f"no key is pinned for {hub.pin_name}, and no certificate", _others(hub.pin_name, pins)
    )


def _hub_of(identity: NodeIdentity, host: str | None, port: int | None) -> Address:
    """The hub that a client of this identity has. Raises IdentityNotSet without one."""
    from hivemind_core_client.config.profiles import chosen_profile
    from hivemind_core_client.config.settings import given

    kept = chosen_profile().options
    address = given("host", host, kept.get("host") or identity.default_master)
    if not address:
        raise IdentityNotSet("host of a hub")
    return read(
        address,
        port,
        given("port", None, kept.get("port") or (None if kept.get("host") else identity.default_port)),
    )


def _others(hub: str, pins: list[str]) -> Mend:
    """What is pinned in place of this hub."""
    same = [pin for pin in pins if _host(pin) == _host(hub)]
    if len(same) == 1:
        return Mend("the pin of that host is for another port: ", forget(same[0]))
    return Mend(f"there are pins for: {', '.join(map(who, pins)) or 'none'}")


def _host(hub: str) -> str:
    return hub.rpartition(":")[0]
