"""`hivemind-client forget-server`: pin no static key for a hub any more."""

from __future__ import annotations

import click

from hivemind_client_cli.options import identity_option, read_identity, reporting
from hivemind_client_cli.output import Output
from hivemind_core_client.errors import InvalidOption


@click.command("forget-server", epilog="Example: hivemind-client forget-server hub.local:5678")
@click.argument("address", metavar="HOST[:PORT]")
@identity_option
@reporting
def forget_server(output: Output, address: str, identity_file: str | None) -> None:
    """Forget the static key that is pinned for the hub at HOST, port 5678 unless given.

    A hub of protocol version 3 is known by its static key, which is pinned on first contact; another key is refused.
    Forget the pin only if the hub was set up anew: the key that it shows next is pinned in its place.
    `hivemind-client trust list` shows the pins.
    """
    from hivemind_core_client.labels import fingerprint
    from hivemind_core_client.settings import Address

    identity = read_identity(identity_file)
    wanted = str(Address.read(address)).partition("//")[2]
    pinned = identity.hub_pins.get(wanted)
    if pinned is None or not identity.forget_hub(wanted):
        known = ", ".join(sorted(identity.hub_pins)) or "none"
        raise InvalidOption(f"no key is pinned for {wanted}. There are pins for: {known}")
    output.result({"file": identity.path, "hub": wanted, "fingerprint": fingerprint(bytes.fromhex(pinned))})
    output.note(f"no key is pinned for {wanted} any more; it was {fingerprint(bytes.fromhex(pinned))}")
