"""The hubs that an identity has pinned, also those whose entry is no key and has to go before anybody connects."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hivemind_core_client.wire.keys import fingerprint

if TYPE_CHECKING:
    from hivemind_core_client.identity import NodeIdentity

#: Shown in place of the fingerprint of a pin that is no key.
UNREADABLE = "unreadable"
#: Shown in place of an address if the whole entry of pins cannot be read.
_EVERY_HUB = "*"


def pinned_hubs(identity: NodeIdentity) -> dict[str, str | None]:
    """`host:port` → the fingerprint of the pinned key, None for one that cannot be read; `*` is every hub."""
    noted = identity.IDENTITY_FILE.get("pinned_noise_keys", {})
    if not isinstance(noted, dict):
        return {_EVERY_HUB: None}
    keys = identity.pinned_noise_keys
    return {hub: fingerprint(bytes.fromhex(keys[hub])) if hub in keys else None for hub in noted}


def pinned_endpoints(identity: NodeIdentity) -> list[str]:
    """The `host:port` of each hub with a pinned certificate, also of those that cannot be read."""
    noted = identity.IDENTITY_FILE.get("pinned_certificates", {})
    return sorted(noted) if isinstance(noted, dict) else [_EVERY_HUB]


def counted(pins: dict[str, str | None]) -> str:
    """How many hubs are pinned, and how many of the pins cannot be read."""
    broken = sum(pin is None for pin in pins.values())
    return f"{len(pins)}, of which {broken} {UNREADABLE}" if broken else str(len(pins))
