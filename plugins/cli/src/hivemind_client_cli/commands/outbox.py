"""`hivemind-client outbox`: what waits for a hub in the file of an outbox."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click
from attrs import evolve

from hivemind_client_cli.bounds import seconds
from hivemind_client_cli.connection import Connection, connected
from hivemind_client_cli.help_sections import group
from hivemind_client_cli.options import connection_options
from hivemind_client_cli.output import Output, aligned
from hivemind_client_cli.output_options import output_options, reporting
from hivemind_client_cli.peer_text import plain
from hivemind_core_client.errors import FrameError, HubTimeout
from hivemind_core_client.wire.json_text import Json

if TYPE_CHECKING:
    from hivemind_core_client.config.outbox_file import OutboxFile
    from hivemind_core_client.kernel.outbox_store import StoredMessage

#: So many are shown where nobody says how many.
_SHOWN = 20
_MOST = 1_000_000
_PATIENCE_S = 60.0
#: What is left is looked at so often, in seconds.
_LOOK_S = 0.05
_file = click.argument("path", metavar="FILE", type=click.Path(dir_okay=False))


@group("outbox", epilog="Example: hivemind-client outbox show outbox.db")
@output_options
def outbox() -> None:
    """Show, send or remove the messages that wait for the hub in the file of an outbox.

    FILE is the path that a client was given: Outbox(path="FILE"). One program at a time can have the file, so stop the
    satellite first.
    """


@outbox.command("show", epilog="Example: hivemind-client outbox show outbox.db --json")
@_file
@click.option(
    "--limit",
    type=click.IntRange(0, _MOST),
    default=_SHOWN,
    show_default=True,
    help="Show so many messages, the oldest first.",
)
@reporting
def show(output: Output, path: str, limit: int) -> None:
    """Show for which hub messages wait in FILE, how many, and the oldest of them."""
    with _opened(path) as (file, now):
        rows = [_row(each, now) for each in file.after(0, limit)]
        summary = {"file": file.path, "hub": file.hub, "waiting": file.count, "bytes": file.size}
    lines = {str(row["number"]): f"{row['age']:.0f} s  {row['message_type']}" for row in rows}
    text = f"{summary['waiting']} messages wait for {plain(str(summary['hub'])) or 'no hub'}"
    output.result({**summary, "messages": rows}, "\n".join(filter(None, (text, aligned(lines, "  ")))))


@outbox.command("send", epilog="Example: hivemind-client outbox send outbox.db")
@_file
@seconds("Give up after so long. What was not sent stays in FILE.", default=_PATIENCE_S, show_default=True)
@connection_options
@reporting
def send(output: Output, connection: Connection, path: str, timeout: float) -> None:
    """Send the messages that wait in FILE to their hub, and wait until it has read them.

    Connect as the satellite does that put them there: with the same address and access key.
    """
    from hivemind_core_client import Outbox

    with _opened(path):
        end = time.monotonic() + timeout
    # Somebody asks for them now, so none is too old.
    with connected(output, evolve(connection, outbox=Outbox(path=path, seconds=None)), timeout) as client:
        while left := client.metrics.waiting + client.metrics.unconfirmed:
            if time.monotonic() > end:
                raise HubTimeout(
                    f"{client.host}:{client.port}", f"sending, with {left} messages left", timeout
                )
            time.sleep(_LOOK_S)
        sent, dropped = client.metrics.confirmed, client.metrics.outbox_dropped
    output.result({"file": path, "sent": sent, "dropped": dropped})
    output.note(f"sent {sent} messages" + (f", and {dropped} could not be sent" if dropped else ""))


@outbox.command("clear", epilog="Example: hivemind-client outbox clear outbox.db")
@_file
@reporting
def clear(output: Output, path: str) -> None:
    """Remove all messages from FILE. They are not sent any more."""
    with _opened(path) as (file, _):
        count = file.count
        file.remove_up_to(2**63 - 1)
        output.result({"file": file.path, "hub": file.hub, "removed": count})
        output.note(f"removed {count} messages")


@contextmanager
def _opened(path: str) -> Iterator[tuple[OutboxFile, float]]:
    """The file, and the time by its clock. Raises OutboxFileError for what is no outbox."""
    from hivemind_core_client.config.outbox_clock import Clock
    from hivemind_core_client.config.outbox_file import OutboxFile

    clock = Clock()
    file = OutboxFile(path, None, clock)
    file.open()
    try:
        yield file, clock.steady()
    finally:
        file.close()


def _row(stored: StoredMessage, now: float) -> dict[str, Any]:
    """What is shown of one message; its type is None where it cannot be read."""
    from hivemind_core_client.wire.json_text import json_object

    try:
        message: Json | None = json_object(stored.data)
    except FrameError:
        message = None
    age = round(max(0.0, now - stored.since), 1)
    return {"number": stored.number, "age": age, "message_type": _type_of(message), "message": message}


def _type_of(message: Json | None) -> str:
    """The type of a message as one reads it: that of what it carries, if it carries an OVOS Message."""
    if message is None:
        return "cannot be read"
    inner = message.get("payload")
    name = inner.get("type") if isinstance(inner, dict) else None
    return plain(str(name or message.get("msg_type")))
