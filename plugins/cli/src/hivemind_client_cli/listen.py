"""`hivemind-client listen`: print what arrives from the hub."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click
from attrs import frozen

from hivemind_client_cli.arrivals import Matcher, as_data, as_line, saver
from hivemind_client_cli.completion import HIVE_TYPES, message_types
from hivemind_client_cli.options import Connection, connection_options, prepared, reporting
from hivemind_client_cli.output import NotShown, Output
from hivemind_core_client.errors import QueryTimeout
from hivemind_core_client.message import HiveMessage

if TYPE_CHECKING:
    from hivemind_core_client import HiveMessageBusClient

#: How often, in seconds, a wait looks whether the client was refused.
_GLANCE = 0.25
#: How many messages may wait for a slow reader of stdout.
_BACKLOG = 1000


@frozen
class _Arrival:
    message: HiveMessage
    saved: str | None = None


@click.command("listen", epilog="Example: hivemind-client listen --type speak --json")
@click.option(
    "--type",
    "types",
    multiple=True,
    metavar="TYPE",
    shell_complete=message_types,
    help="Show only this hive type (such as propagate) or OVOS type (such as speak). Repeatable.",
)
@click.option("--count", type=click.IntRange(min=1), metavar="N", help="Leave after N messages.")
@click.option(
    "--timeout",
    type=click.FloatRange(0, 86400 * 366, min_open=True),
    metavar="SECONDS",
    help="Leave after so long. Without it: listen until Ctrl-C.",
)
@click.option("--save", "directory", metavar="DIRECTORY", help="Save speech, files and audio in DIRECTORY.")
@connection_options
@reporting
def listen(
    output: Output,
    connection: Connection,
    types: tuple[str, ...],
    count: int | None,
    timeout: float | None,
    directory: str | None,
) -> None:
    """Print each message that arrives, a line each; with --json an object each.

    Binary data is shown by its kind, size and name, and kept only with --save. When the hub goes away this
    command waits for it to come back, and says so on stderr.

    Ctrl-C is the ordinary end and has exit code 0, as has --timeout. With --count, a --timeout that comes
    first has exit code 4. A hub that refuses this satellite when it comes back: 3.
    """
    matches = Matcher(types)
    save = saver(directory) if directory is not None else None
    inbox: queue.Queue[_Arrival] = queue.Queue(_BACKLOG)
    lost = _Lost(output)

    def arrived(message: HiveMessage) -> None:
        if not matches(message):
            return
        saved = save(message) if save is not None else None
        try:
            inbox.put_nowait(_Arrival(message, saved))
        except queue.Full:
            lost.note()

    with prepared(output, connection) as client:
        for name in HIVE_TYPES:
            client.on(name, arrived)
        client.connect(site_id=connection.site_id)
        # After the first session, which nobody needs to be told of.
        watch = _Watch(output, client)
        output.remark(f"listening to {client.host}:{client.port}; Ctrl-C ends it")
        try:
            shown = _show(output, _arrivals(client, inbox, timeout), count)
        except KeyboardInterrupt:
            return
        finally:
            watch.end()
    if count is not None and shown < count:
        raise QueryTimeout(f"{shown} of {count} messages came within {timeout:g} s")


def _show(output: Output, arrivals: Iterator[_Arrival], count: int | None) -> int:
    """Print what arrives until `count` messages were; returns how many were."""
    shown = 0
    for arrival in arrivals:
        try:
            _show_one(output, arrival)
        except NotShown as error:
            output.warn(f"a {arrival.message.msg_type.value} message is not shown: {error.message}")
            continue
        shown += 1
        if shown == count:
            break
    return shown


def _show_one(output: Output, arrival: _Arrival) -> None:
    if output.json:
        output.result(as_data(arrival.message, arrival.saved))
    else:
        output.result(None, as_line(arrival.message, arrival.saved))


def _arrivals(
    client: HiveMessageBusClient, inbox: queue.Queue[_Arrival], timeout: float | None
) -> Iterator[_Arrival]:
    """What arrives within `timeout` seconds. Raises what refused the client when it came back."""
    deadline = None if timeout is None else time.monotonic() + timeout
    while True:
        left = _GLANCE if deadline is None else deadline - time.monotonic()
        try:
            yield inbox.get(timeout=max(0.0, min(_GLANCE, left)))
        except queue.Empty:
            if left <= 0:
                return
            if client.state == "refused" and client.last_error is not None:
                raise client.last_error from None


class _Watch:
    """Says on stderr when the hub goes away and when it is back."""

    def __init__(self, output: Output, client: HiveMessageBusClient) -> None:
        self._output = output
        self._client = client
        self._stands = True
        self._ended = False
        client.on("close", self._closed)
        client.on("open", self._opened)

    def end(self) -> None:
        """Say nothing more: what ends now was asked to."""
        self._ended = True

    def _closed(self) -> None:
        if not self._ended:
            self._stands = False
            self._output.remark(f"connection lost, reconnecting: {self._client.last_error or 'closed'}")

    def _opened(self) -> None:
        if not (self._stands or self._ended):
            self._stands = True
            self._output.remark("connected again")


class _Lost:
    """Counts what nobody could read in time, and says so now and then."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._count = 0
        self._lock = threading.Lock()

    def note(self) -> None:
        """Count one message that is not shown."""
        with self._lock:
            self._count += 1
            count = self._count
        if count & (count - 1) == 0:  # at 1, 2, 4, 8 …
            subject = "1 message is" if count == 1 else f"{count} messages are"
            self._output.warn(f"{subject} not shown: stdout is read more slowly than they come")
