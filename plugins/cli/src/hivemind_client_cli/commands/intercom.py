"""`hivemind-client intercom`: sealed messages from one satellite to another."""

from __future__ import annotations

import itertools
import os
from typing import TYPE_CHECKING

import click
from attrs import frozen

from hivemind_client_cli.answers import Dropped, Inbox, confirm_receipt
from hivemind_client_cli.arrival_queue import ArrivalQueue
from hivemind_client_cli.bounds import COUNT, bounded, seconds
from hivemind_client_cli.commands.trust import complete_alias, public_key, read_key_file
from hivemind_client_cli.connection import Connection, connected, prepared, read_identity
from hivemind_client_cli.group import group_of
from hivemind_client_cli.help_sections import group
from hivemind_client_cli.message_options import typed_message_options
from hivemind_client_cli.misuse import Misuse
from hivemind_client_cli.options import connection_options
from hivemind_client_cli.output import Output
from hivemind_client_cli.output_options import output_options, reporting
from hivemind_client_cli.ovos_messages import bus_message
from hivemind_client_cli.peer_text import described, fingerprint, plain
from hivemind_core_client.errors import Command, Mend, PluginError, QueryTimeout, Setting
from hivemind_core_client.message import HiveMessage, HiveMessageType
from hivemind_core_client.wire.json_text import Json
from hivemind_core_client.wire.json_text import json_object as read_object
from hivemind_core_client.wire.keys import same_key
from hivemind_core_client.wire.mends import ALLOW_PROPAGATE, INSTALL_INTERCOM, SHOW_PLUGINS

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from hivemind_core_client import HiveMessageBusClient
    from hivemind_core_client.identity import NodeIdentity

#: The key that has signed a message, in its context; the client takes it out of all other messages.
_VERIFIED = "hivemind_verified_source_peer"
#: What every OVOS bus says once more of each message.
_EVERY_MESSAGE = "message"
#: The plugin that seals, and what mends it in each state.
_PLUGIN = "intercom"
_MENDS = {
    "missing": Mend(INSTALL_INTERCOM, joint=": "),
    "blocked": Mend(
        "the plugin 'intercom' is installed, and blocked. Take it out of ",
        Setting("HIVEMIND_CLIENT_PLUGINS_BLOCK"),
        joint=": ",
    ),
    "not selected": Mend(
        "the plugin 'intercom' is installed, and not selected. Add it to ",
        Setting("HIVEMIND_CLIENT_PLUGINS"),
        joint=": ",
    ),
    "failed": Mend(
        "the plugin 'intercom' is installed, and failed to load. ", SHOW_PLUGINS, " shows why", joint=": "
    ),
}
_SEE_PLUGINS = Mend("see ", SHOW_PLUGINS, joint=": ")


@group(
    "intercom",
    no_args_is_help=False,
    epilog="""Example: hivemind-client intercom send --to attic --msg my.alarm --payload '{"door": "open"}'""",
)
@output_options
def intercom() -> None:
    """Send messages to one satellite, which no hub on the way can read."""


def _complete_target(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete an alias; where none fits, the shell completes the name of a file."""
    from click.shell_completion import CompletionItem

    return complete_alias(ctx, param, incomplete) or [CompletionItem(incomplete, type="file")]


@intercom.command(
    "send",
    epilog="""Example: hivemind-client intercom send --to attic --msg my.alarm --payload '{"door": "open"}'""",
)
@click.option(
    "--to",
    "target",
    required=True,
    metavar="ALIAS|FILE",
    shell_complete=_complete_target,
    help="A trusted key, or a file with a public key.",
)
@typed_message_options
@connection_options
@reporting
@click.pass_context
def send(
    ctx: click.Context,
    output: Output,
    connection: Connection,
    target: str,
    msg_type: str,
    payload: Json,
) -> None:
    """Seal a message for one satellite, sign it, and send it through the hive.

    Nobody confirms an INTERCOM message. Exit code 0 means that the hub has it, not that it was delivered. The other
    satellite drops it unless it trusts the key of this satellite.
    """
    _require_plugin(ctx)
    key = _target_key(connection, target)
    with connected(output, connection) as client:
        inbox = Inbox(client)
        client.emit_intercom(bus_message(msg_type, payload), key)
        carrier = HiveMessage(HiveMessageType.PROPAGATE, bus_message(msg_type, payload))
        try:
            confirm_receipt(client, inbox, carrier, msg_type)
        except Dropped as error:
            raise Dropped(
                f"the hub dropped the connection on the INTERCOM message {msg_type!r}, and has hardly passed it on",
                Mend(
                    "hub 4.0.0 passes none on, and newer ones only for a satellite that may propagate (",
                    ALLOW_PROPAGATE,
                    ")",
                    joint=": ",
                ),
            ) from error
    output.result(
        {"sent": {"type": msg_type, "data": payload}, "to": target, "fingerprint": fingerprint(key)}
    )
    output.note(f"sent {msg_type} to {target}")


@intercom.command("listen", epilog="Example: hivemind-client intercom listen --count 1 --timeout 60 --json")
@bounded("--count", within=COUNT, metavar="N", text="Stop after N messages.")
@seconds("Stop after this time. Without it, listen until Ctrl-C.")
@connection_options
@reporting
@click.pass_context
def listen(
    ctx: click.Context, output: Output, connection: Connection, count: int | None, timeout: float | None
) -> None:
    """Print the INTERCOM messages for this satellite, and who signed them.

    Only messages with the signature of a trusted key are printed. --json prints one object on a line.

    Exit codes: 0 you pressed Ctrl-C or --timeout is over, 4 --timeout is over before --count messages came.
    """
    _require_plugin(ctx)
    printed = 0
    with prepared(output, connection) as client:
        # Not before: without credentials nothing is written.
        key = _own_key(client.identity)
        arrivals = _collect(output, client)
        client.connect(site_id=connection.site_id)
        try:
            _introduce(output, key, client.identity)
            for verified in itertools.islice(arrivals.items(timeout), count):
                _print(output, client, verified)
                printed += 1
        except KeyboardInterrupt:
            return
    if count is not None and printed < count:
        raise QueryTimeout(f"{printed} of {count} INTERCOM messages came within {timeout:g} s")


@frozen
class _VerifiedMessage:
    """An OVOS message, and the key whose signature over it was verified."""

    message: Json
    key: str


def _collect(output: Output, client: HiveMessageBusClient) -> ArrivalQueue[_VerifiedMessage]:
    """The verified messages that come to the internal bus from now on."""
    arrivals = ArrivalQueue[_VerifiedMessage](output, client)

    def arrived(text: str) -> None:
        message = read_object(text)
        key = (message.get("context") or {}).get(_VERIFIED)
        if isinstance(key, str) and isinstance(message.get("type"), str):
            arrivals.put(_VerifiedMessage(message, key))

    client.on_mycroft(_EVERY_MESSAGE, arrived)
    return arrivals


def _print(output: Output, client: HiveMessageBusClient, verified: _VerifiedMessage) -> None:
    alias, key = _signer(client, verified.key), fingerprint(verified.key)
    name = plain(alias) if alias is not None else str(key)
    message = verified.message
    text = described(message["type"], message.get("data") or {})
    output.result({"from": alias, "fingerprint": key, "message": message}, f"{name}: {text}")


def _signer(client: HiveMessageBusClient, key: str) -> str | None:
    """The alias under which this satellite trusts a key; `hub` for the hub's own."""
    alias = client.identity.get_trusted_alias(key)
    hub = client.hub
    if alias is None and hub is not None and same_key(key, hub.public_key):
        return "hub"
    return alias


def _own_key(identity: NodeIdentity) -> str:
    """The public key (PEM) of this satellite, which gets one, on the disk, where it has none."""
    from hivemind_core_client.config.rsa_keys import public_key_of

    private, public = identity.private_key_pem(), identity.public_key
    if private is None:
        identity.create_keys()
    elif not public:
        identity.public_key = public_key_of(private)
    if identity.public_key != public:
        identity.save()
    return identity.public_key or ""


def _introduce(output: Output, key: str, identity: NodeIdentity) -> None:
    """Say whose key this satellite's is, so that others can trust it."""
    if not identity.trusted_keys:
        output.remark(
            "No key is trusted here yet, so only the hub itself is heard: see 'hivemind-client trust add --help'."
        )
    output.remark(
        f"Listening. The key of this satellite is {fingerprint(key)}. 'hivemind-client trust show' prints it here; "
        "'hivemind-client trust add ALIAS FILE' trusts it there, and then 'hivemind-client intercom send --to ALIAS' "
        "sends to it."
    )


def _require_plugin(ctx: click.Context) -> None:
    """Raises PluginError where nothing handles INTERCOM: better now than after connecting."""
    plugins = group_of(ctx).plugins(ctx)
    handler = plugins.registry().plain(HiveMessageType.INTERCOM)
    if handler is None or handler.prepare is None:
        installed = next((info for info in plugins.report if info.name == _PLUGIN), None)
        state = installed.state if installed is not None else "missing"
        raise PluginError("no plugin seals INTERCOM messages", _MENDS.get(state, _SEE_PLUGINS))


def _target_key(connection: Connection, target: str) -> str:
    """The public key (PEM) that `--to` means: of a trusted alias, or in a file.

    Raises click.UsageError for neither, and InvalidOption for a file that cannot be read or holds no public key.
    """
    trusted = read_identity(connection.identity_file).trusted_keys
    if target in trusted:
        return trusted[target]
    path = os.path.expanduser(target)
    if os.path.isfile(path):
        return public_key(read_key_file(path))
    known = ", ".join(map(plain, trusted)) or "none"
    raise Misuse(
        f"--to {target}: no trusted key has this alias (there are: {known}), and there is no such file",
        Mend("see ", Command(("trust", "list"))),
    )
