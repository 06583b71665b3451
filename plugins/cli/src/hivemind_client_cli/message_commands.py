"""Commands that send one message, or none."""

from __future__ import annotations

import functools
import json
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click
from attrs import asdict

from hivemind_client_cli.answers import UTTERANCE, Dropped, Inbox, confirm_receipt, loss, no_answer
from hivemind_client_cli.completion import ovos_types
from hivemind_client_cli.options import (
    Connection,
    connected,
    connection_options,
    json_object,
    reporting,
    timeout_option,
)
from hivemind_client_cli.output import Output
from hivemind_client_cli.wire_text import handshake_of, who
from hivemind_core_client.errors import ConnectionLost, InvalidOption
from hivemind_core_client.message import HiveMessage, HiveMessageType
from hivemind_core_client.wire.json_text import Json

if TYPE_CHECKING:
    from hivemind_core_client import HiveMessageBusClient

Wrap = Callable[[HiveMessage], HiveMessage]


def message_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--msg`, `--payload`, `--wait` and `--timeout`, and those of a connection."""
    for option in (
        timeout_option(10.0, "How long to wait for the answer."),
        click.option(
            "--wait",
            metavar="TYPE",
            shell_complete=ovos_types,
            help="Wait for a message of this type and print it.",
        ),
        click.option(
            "--payload", callback=json_object, default="{}", metavar="JSON", help="Data of the message."
        ),
        click.option(
            "--msg",
            "msg_type",
            required=True,
            metavar="TYPE",
            shell_complete=ovos_types,
            help="Type of the message.",
        ),
    ):
        command = option(command)
    return command


site_option = click.option(
    "--site",
    metavar="SITE",
    help="Site of the satellites whose OVOS shall take it. Without it only listeners hear of it.",
)
#: How long, in seconds, an introduction waits for others, and then for one more.
_INTRODUCTION = 2.0
_SETTLED = 0.5

_EXAMPLE = """Example: hivemind-client {} --msg {} --payload '{}'"""
_UTTERANCE = (UTTERANCE, '{"utterances": ["what time is it"]}')


@click.command("send-mycroft", epilog=_EXAMPLE.format("send-mycroft", *_UTTERANCE) + " --wait speak")
@message_options
@connection_options
@reporting
def send_mycroft(
    output: Output,
    connection: Connection,
    msg_type: str,
    payload: dict[str, Any],
    wait: str | None,
    timeout: float,
) -> None:
    """Send a message to the OVOS bus of the hub."""
    _send(output, connection, msg_type, payload, wait, timeout, lambda message: message)


@click.command("escalate", epilog=_EXAMPLE.format("escalate", "my.alarm", '{"door": "open"}'))
@click.option("--site", metavar="SITE", help="Site of the hub whose OVOS shall take it.")
@message_options
@connection_options
@reporting
def escalate(
    output: Output,
    connection: Connection,
    msg_type: str,
    payload: dict[str, Any],
    wait: str | None,
    timeout: float,
    site: str | None,
) -> None:
    """Send a message up the hive: to the hub, its own hub, and on to the top."""
    wrap = functools.partial(_wrapped, HiveMessageType.ESCALATE, site)
    _send(output, connection, msg_type, payload, wait, timeout, wrap)


@click.command(
    "propagate", epilog=_EXAMPLE.format("propagate", "my.alarm", '{"door": "open"}') + " --site kitchen"
)
@site_option
@click.option(
    "--introduce",
    is_flag=True,
    help="Send a PING first. Each run of a command is a new session under a new name, and only from a PING in that "
    "session does a satellite that trusts this one's key know whose name it is.",
)
@message_options
@connection_options
@reporting
def propagate(
    output: Output,
    connection: Connection,
    msg_type: str,
    payload: dict[str, Any],
    wait: str | None,
    timeout: float,
    site: str | None,
    introduce: bool,
) -> None:
    """Send a message through the whole hive, up and down.

    A satellite's OVOS takes it where SITE is its site, and where it trusts the key of this satellite
    ('hivemind-client trust add', there) and knows, by --introduce, that the message is from here. Hub 4.0.0 knows no
    sites and no senders: it hands the bare message to everybody.
    """
    warn_without_site(output, site)
    wrap = functools.partial(_wrapped, HiveMessageType.PROPAGATE, site)
    first = functools.partial(_introduce, output) if introduce else None
    _send(output, connection, msg_type, payload, wait, timeout, wrap, first)


@click.command("test-identity", epilog="Example: hivemind-client test-identity --host hub.local")
@connection_options
@reporting
def test_identity(output: Output, connection: Connection) -> None:
    """Connect, say what was agreed on, and leave.

    Exit code 0 means that the hub took the key and that both sides have the same password.
    """
    with connected(output, connection) as client:
        hub, agreed = client.hub, client.negotiated
        data = {
            "connected": True,
            "protocol_version": agreed.version if agreed else None,
            "hub": asdict(hub) if hub else None,
            "negotiated": asdict(agreed) if agreed else None,
        }
        text = f"ok: hub {who(hub.node_id) if hub and hub.node_id else 'without a name'}"
        if agreed:
            text += f", {agreed.cipher}, {agreed.encoding}, handshake {handshake_of(agreed)}"
            text += f", protocol version {agreed.version}"
        output.result(data, text)


def bus_message(msg_type: str, data: dict[str, Any]) -> HiveMessage:
    """An OVOS message on its way to the hub."""
    return HiveMessage(HiveMessageType.BUS, {"type": msg_type, "data": data, "context": {}})


def warn_without_site(output: Output, site: str | None) -> None:
    """Say whom a message to all sites does not reach."""
    if site is None:
        output.warn(
            "without --site no satellite's OVOS takes this message, only listeners hear of it (such as "
            "'hivemind-client listen'). Hub 4.0.0 alone hands it to everybody"
        )


def _introduce(output: Output, client: HiveMessageBusClient) -> None:
    """Let the hive know whose the name of this session is.

    Raises InvalidOption for a satellite without a key, and Dropped when the hub hangs up on the PING.
    """
    if not client.identity.public_key:
        raise InvalidOption("this satellite has no key to be known by: 'hivemind-client reset-pgp' makes one")
    ended = threading.Event()
    client.on("close", ended.set)
    try:
        others = client.ping(timeout=_INTRODUCTION, settle=_SETTLED).others(client.peer)
        lost = client.last_error if ended.is_set() else None
    except ConnectionLost as error:
        lost = error
    if lost is not None or ended.is_set():
        raise Dropped(
            "the hub dropped the connection on the PING of --introduce, and nothing else was sent. Hub 4.0.0 takes no "
            "part in it: leave --introduce out there. Newer hubs do that when this satellite may not propagate "
            "('hivemind-core allow-propagate NODE_ID')"
        ) from lost
    if not others:
        output.warn(f"nobody answered the PING of --introduce within {_INTRODUCTION:g} s")


def _wrapped(wrapper: HiveMessageType, site: str | None, message: HiveMessage) -> HiveMessage:
    return HiveMessage(wrapper, message, target_site_id=site)


def _send(
    output: Output,
    connection: Connection,
    msg_type: str,
    payload: dict[str, Any],
    wait: str | None,
    timeout: float,
    wrap: Wrap,
    first: Callable[[HiveMessageBusClient], None] | None = None,
) -> None:
    with connected(output, connection) as client:
        if first is not None:
            first(client)
        sent = {"type": msg_type, "data": payload}
        inbox = Inbox(client, *([wait] if wait else []))
        packet = wrap(bus_message(msg_type, payload))
        client.emit(packet)
        if wait is None:
            confirm_receipt(client, inbox, packet, msg_type)
            output.result({"sent": sent, "answer": None})
            output.note(f"sent {msg_type}")
            return
        answer = _answer(inbox, packet, msg_type, timeout)
        if answer is None:
            raise no_answer(wait, msg_type, timeout)
        output.result({"sent": sent, "answer": answer}, as_text(answer))


def _answer(inbox: Inbox, packet: HiveMessage, msg_type: str, timeout: float) -> Json | None:
    try:
        return inbox.next(msg_type, timeout)
    except ConnectionLost as error:
        raise ConnectionLost(loss(packet, msg_type, error)) from error


def as_text(message: Json) -> str:
    """What a person wants to see of an OVOS message: speech as it is, anything else as type and data."""
    data = message.get("data") or {}
    if message["type"] == "speak" and isinstance(data.get("utterance"), str):
        return str(data["utterance"])
    return f"{message['type']} {json.dumps(data, ensure_ascii=False, default=str)}"
