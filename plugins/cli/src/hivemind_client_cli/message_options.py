"""Options of the commands that send a message."""

from __future__ import annotations

import functools
from typing import Any

import click
from attrs import frozen

from hivemind_client_cli.message_types import complete_ovos_type
from hivemind_client_cli.options import json_object, timeout_option
from hivemind_client_cli.output import Output
from hivemind_client_cli.output_options import Function, stacked
from hivemind_client_cli.ovos_messages import bus_message
from hivemind_core_client.message import HiveMessage, HiveMessageType
from hivemind_core_client.wire.json_text import Json


@frozen
class Outgoing:
    """The OVOS message that is sent, and the type of the answer that is waited for, None for none, up to `timeout`."""

    msg_type: str
    data: Json
    wait: str | None
    timeout: float

    def packet(self) -> HiveMessage:
        """The message for the hub's OVOS."""
        return bus_message(self.msg_type, self.data)

    def wrapped(self, wrapper: HiveMessageType, site: str | None) -> HiveMessage:
        """The message for the OVOS of `site`, None for no site, in a `wrapper` that takes it there."""
        return HiveMessage(wrapper, self.packet(), target_site_id=site)

    def as_dict(self) -> Json:
        """`{"type", "data"}`."""
        return {"type": self.msg_type, "data": self.data}


payload_option = click.option(
    "--payload", callback=json_object, default="{}", metavar="JSON", help="Data of the message."
)

#: `--msg` and `--payload`.
typed_message_options = stacked(
    click.option(
        "--msg",
        "msg_type",
        required=True,
        metavar="TYPE",
        shell_complete=complete_ovos_type,
        help="Type of the message.",
    ),
    payload_option,
)


def message_options(function: Function) -> Function:
    """`--msg`, `--payload`, `--wait` and `--timeout`: an `Outgoing` as the argument `outgoing`."""

    @functools.wraps(function)
    def run(
        *args: Any, msg_type: str, payload: Json, wait: str | None, timeout: float, **kwargs: Any
    ) -> None:
        function(*args, outgoing=Outgoing(msg_type, payload, wait, timeout), **kwargs)

    return _stacked_message_options(run)


_stacked_message_options = stacked(
    typed_message_options,
    click.option(
        "--wait",
        metavar="TYPE",
        shell_complete=complete_ovos_type,
        help="Wait for a message of this type, and print it.",
    ),
    timeout_option(10.0, "How long to wait for the answer."),
)

site_option = click.option(
    "--site",
    metavar="SITE",
    help="The OVOS of the satellites at this site handles the message. Without --site only listeners see it.",
)


def warn_without_site(output: Output, site: str | None) -> None:
    """Say whom a message to all sites does not reach."""
    if site is None:
        output.warn(
            "without --site no satellite's OVOS takes this message, only listeners hear of it (such as "
            "'hivemind-client listen'). Hub 4.0.0 alone hands it to everybody"
        )
