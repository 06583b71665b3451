"""Commands that send one message: `send-mycroft`, `escalate` and `propagate`."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import click

from hivemind_client_cli.answers import Dropped, send
from hivemind_client_cli.connection import Connection, connected
from hivemind_client_cli.help_sections import command
from hivemind_client_cli.message_options import Outgoing, message_options, site_option, warn_without_site
from hivemind_client_cli.options import connection_options
from hivemind_client_cli.output import Output
from hivemind_client_cli.output_options import reporting
from hivemind_client_cli.ovos_messages import UTTERANCE
from hivemind_core_client.errors import ConnectionLost, InvalidOption, Mend
from hivemind_core_client.message import HiveMessageType
from hivemind_core_client.wire.mends import ALLOW_PROPAGATE, RESET_PGP

if TYPE_CHECKING:
    from hivemind_core_client import HiveMessageBusClient

#: How long an introduction waits for others, and then for one more.
_INTRODUCTION_WAIT_S = 2.0
_NEXT_PONG_WAIT_S = 0.5

_EXAMPLE = """Example: hivemind-client {} --msg {} --payload '{}'"""
_UTTERANCE = (UTTERANCE, '{"utterances": ["what time is it"]}')


@command("send-mycroft", epilog=_EXAMPLE.format("send-mycroft", *_UTTERANCE) + " --wait speak")
@message_options
@connection_options
@reporting
def send_mycroft(output: Output, connection: Connection, outgoing: Outgoing) -> None:
    """Send a message to the OVOS bus of the hub."""
    with connected(output, connection) as client:
        send(output, client, outgoing, outgoing.packet())


@command("escalate", epilog=_EXAMPLE.format("escalate", "my.alarm", '{"door": "open"}'))
@click.option("--site", metavar="SITE", help="The OVOS of the hub at this site handles the message.")
@message_options
@connection_options
@reporting
def escalate(output: Output, connection: Connection, outgoing: Outgoing, site: str | None) -> None:
    """Send a message up the hive: to the hub, its own hub, and on to the top."""
    with connected(output, connection) as client:
        send(output, client, outgoing, outgoing.wrapped(HiveMessageType.ESCALATE, site))


@command("propagate", epilog=_EXAMPLE.format("propagate", "my.alarm", '{"door": "open"}') + " --site kitchen")
@site_option
@click.option(
    "--introduce",
    is_flag=True,
    help="Send a PING first. Each run of a command is a session with a new name. From the PING, satellites that trust "
    "this one's key learn whose name it is.",
)
@message_options
@connection_options
@reporting
def propagate(
    output: Output,
    connection: Connection,
    outgoing: Outgoing,
    site: str | None,
    introduce: bool,
) -> None:
    """Send a message through the whole hive, up and down.

    The OVOS of a satellite handles it if three things are true. Its site is SITE. It trusts the key of this satellite:
    run 'hivemind-client trust add' there. It knows that the message is from this satellite: use --introduce.

    Hub 4.0.0 knows no sites and no senders. It gives the bare message to everybody.
    """
    warn_without_site(output, site)
    with connected(output, connection) as client:
        if introduce:
            _introduce(output, client)
        send(output, client, outgoing, outgoing.wrapped(HiveMessageType.PROPAGATE, site))


def _introduce(output: Output, client: HiveMessageBusClient) -> None:
    """Let the hive know whose the name of this session is.

    Raises InvalidOption for a satellite without a key, and Dropped when the hub hangs up on the PING.
    """
    if not client.identity.public_key:
        mend = Mend(RESET_PGP, " makes one", joint=": ")
        raise InvalidOption("this satellite has no key to be known by", mend)
    ended = threading.Event()
    client.on("close", ended.set)
    try:
        others = client.ping(timeout=_INTRODUCTION_WAIT_S, settle=_NEXT_PONG_WAIT_S).others(client.peer)
        lost = client.last_error if ended.is_set() else None
    except ConnectionLost as error:
        lost = error
    if lost is not None or ended.is_set():
        raise Dropped(
            "the hub dropped the connection on the PING of --introduce, and nothing else was sent",
            Mend("hub 4.0.0 takes no part in it: leave --introduce out there"),
            Mend("newer hubs do that when this satellite may not propagate (", ALLOW_PROPAGATE, ")"),
        ) from lost
    if not others:
        output.warn(f"nobody answered the PING of --introduce within {_INTRODUCTION_WAIT_S:g} s")
