"""Commands that send one message, or none."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from typing import Any

import click
from attrs import asdict

from hivemind_client_cli.answers import UTTERANCE, Inbox, confirm_receipt, loss, no_answer
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
from hivemind_client_cli.wire_text import who
from hivemind_core_client.errors import ConnectionLost
from hivemind_core_client.jsontext import Json
from hivemind_core_client.message import HiveMessage, HiveMessageType

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


site_option = click.option("--site", metavar="SITE", help="Only for satellites of this site.")

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
@site_option
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
) -> None:
    """Send a message through the whole hive, up and down."""
    wrap = functools.partial(_wrapped, HiveMessageType.PROPAGATE, site)
    _send(output, connection, msg_type, payload, wait, timeout, wrap)


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
            "hub": asdict(hub) if hub else None,
            "negotiated": asdict(agreed) if agreed else None,
        }
        text = f"ok: hub {who(hub.node_id) if hub and hub.node_id else 'without a name'}"
        if agreed:
            text += f", {agreed.cipher}, {agreed.encoding}, handshake {agreed.kind}"
        output.result(data, text)


def bus_message(msg_type: str, data: dict[str, Any]) -> HiveMessage:
    """An OVOS message on its way to the hub."""
    return HiveMessage(HiveMessageType.BUS, {"type": msg_type, "data": data, "context": {}})


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
) -> None:
    with connected(output, connection) as client:
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
