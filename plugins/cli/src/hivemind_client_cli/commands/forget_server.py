"""`hivemind-client forget-server`: pin no static key for a hub any more."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from hivemind_client_cli.addresses import pin_name
from hivemind_client_cli.connection import read_identity
from hivemind_client_cli.help_sections import command
from hivemind_client_cli.options import identity_option
from hivemind_client_cli.output import Output
from hivemind_client_cli.output_options import reporting
from hivemind_client_cli.peer_text import who
from hivemind_client_cli.pins import pinned_hubs
from hivemind_core_client.errors import IdentityNotSet, InvalidOption, Mend
from hivemind_core_client.errors import forget_server as forget
from hivemind_core_client.wire.keys import fingerprint

if TYPE_CHECKING:
    from hivemind_core_client.identity import NodeIdentity


@command("forget-server", epilog="Example: hivemind-client forget-server hub.local:5678")
@click.argument("address", metavar="[HOST[:PORT]]", required=False)
@click.option("--host", metavar="HOST", help="Address of the hub [default: as a client has it].")
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    metavar="PORT",
    help="Port of the hub [default: as a client has it].",
)
@identity_option
@reporting
def forget_server(
    output: Output, address: str | None, host: str | None, port: int | None, identity_file: str | None
) -> None:
    """Forget the static key that is pinned for the hub at HOST, port 5678 unless given.

    A hub of protocol version 3 is known by its static key, which is pinned on first contact; another key is refused.
    Forget the pin only if the hub's owner says that the hub was set up anew, or set back to an older version: the key
    that it shows next is pinned in its place, and an offer without Noise is taken until then. With http:// or https://
    before HOST it is the pin of a client over HTTP, port 5679 unless given. `hivemind-client trust list` shows the
    pins, also one that cannot be read. Without HOST it is the hub of a client that is given --host and --port: what
    they leave out comes from the environment and the identity file.
    """
    if address is not None and (host is not None or port is not None):
        raise click.UsageError("give HOST[:PORT], or --host and --port")
    identity = read_identity(identity_file)
    hub = pin_name(address) if address is not None else _hub_of(identity, host, port)
    pinned = identity.pinned_noise_keys.get(hub)
    if not identity.forget_noise_key(hub):
        raise InvalidOption(f"no key is pinned for {hub}", _others(hub, sorted(pinned_hubs(identity))))
    shown = fingerprint(bytes.fromhex(pinned)) if pinned else None
    output.result({"file": identity.path, "hub": hub, "fingerprint": shown})
    output.note(f"no key is pinned for {hub} any more; it was {shown or 'none that could be read'}")


def _hub_of(identity: NodeIdentity, host: str | None, port: int | None) -> str:
    """The hub that a client of this identity has. Raises IdentityNotSet without one."""
    from hivemind_core_client.config.settings import given

    address = given("host", host, identity.default_master)
    if not address:
        raise IdentityNotSet("host of a hub")
    return pin_name(address, port, given("port", None, identity.default_port))


def _others(hub: str, pins: list[str]) -> Mend:
    """What is pinned in place of this hub."""
    same = [pin for pin in pins if _host(pin) == _host(hub)]
    if len(same) == 1:
        return Mend("the pin of that host is for another port: ", forget(same[0]))
    return Mend(f"there are pins for: {', '.join(map(who, pins)) or 'none'}")


def _host(hub: str) -> str:
    return hub.rpartition(":")[0]
