"""`hivemind-client listen`: print what arrives from the hub."""

from __future__ import annotations

from collections.abc import Iterator

import click

from hivemind_client_cli.arrival_queue import ArrivalQueue
from hivemind_client_cli.binary_data import saver
from hivemind_client_cli.bounds import COUNT, DAY_S, bounded, seconds
from hivemind_client_cli.colours import columns_of
from hivemind_client_cli.connection import Connection, prepared
from hivemind_client_cli.connection_reporter import ConnectionReporter
from hivemind_client_cli.help_sections import command
from hivemind_client_cli.message_types import HIVE_TYPES, complete_message_type
from hivemind_client_cli.options import connection_options
from hivemind_client_cli.output import NotShown, Output
from hivemind_client_cli.output_options import reporting
from hivemind_client_cli.received import Arrival, Matcher, as_block, as_data, as_line, sender_of
from hivemind_core_client.errors import QueryTimeout
from hivemind_core_client.message import HiveMessage


@command("listen", epilog="Example: hivemind-client listen --type speak --json")
@click.option(
    "--type",
    "types",
    multiple=True,
    metavar="TYPE",
    shell_complete=complete_message_type,
    help="Show only this hive type (such as propagate) or OVOS type (such as speak). You can repeat it.",
)
@bounded("--count", within=COUNT, metavar="N", text="Stop after N messages.")
@seconds("Stop after this time. Without it, listen until Ctrl-C.", longest=DAY_S * 366)
@click.option("--save", "directory", metavar="DIRECTORY", help="Save speech, files and audio in DIRECTORY.")
@click.option("--full", is_flag=True, help="Show all of each message, on several lines.")
@connection_options
@reporting
def listen(
    output: Output,
    connection: Connection,
    types: tuple[str, ...],
    count: int | None,
    timeout: float | None,
    directory: str | None,
    full: bool,
) -> None:
    """Print each message that arrives, one on a line.

    A line shows the time, the sender, the types from the outside in, and the content. Long keys are cut. Data that is
    wider than the terminal is cut too. --full shows all of it. --json prints one object on a line.

    Some messages are for other satellites. This one does nothing with them. Their line says `[dropped: …]` and why.

    Of binary data you see the kind, the size and the name. Only --save keeps the data. If the connection ends, this
    command waits until the hub is back, and says so on stderr.

    Exit codes: 0 you pressed Ctrl-C or --timeout is over, 4 --timeout is over before --count messages came, 3 the hub
    is back and refuses this satellite.
    """
    matches = Matcher(types)
    save = saver(directory) if directory is not None else None
    with prepared(output, connection) as client:
        arrivals = ArrivalQueue[Arrival](output, client)

        def arrived(message: HiveMessage) -> None:
            if matches(message):
                saved = save(message) if save is not None else None
                arrivals.put(Arrival(message, sender_of(client, message), saved=saved))

        for name in HIVE_TYPES:
            client.on(name, arrived)
        client.connect(site_id=connection.site_id)
        reporter = ConnectionReporter(client, output, output.remark)
        output.remark(f"listening to {client.host}:{client.port}; Ctrl-C ends it")
        try:
            shown = show_all(output, arrivals.items(timeout), count, full)
        except KeyboardInterrupt:
            return
        finally:
            reporter.stop()
    if count is not None and shown < count:
        raise QueryTimeout(f"{shown} of {count} messages came within {timeout:g} s")


def show_all(output: Output, arrivals: Iterator[Arrival], count: int | None, full: bool = False) -> int:
    """Print what arrives until `count` messages were; returns how many were."""
    shown = 0
    for arrival in arrivals:
        try:
            _show(output, arrival, full)
        except NotShown as error:
            output.warn(f"a {arrival.message.msg_type.value} message is not shown: {error.message}")
            continue
        shown += 1
        if shown == count:
            break
    return shown


def _show(output: Output, arrival: Arrival, full: bool) -> None:
    if output.json:
        output.result(as_data(arrival))
    elif full:
        heading, text = as_block(arrival)
        output.line(heading)
        output.result(None, text)
    else:
        _show_line(output, arrival)


def _show_line(output: Output, arrival: Arrival) -> None:
    """One line. Speech is shown whole, on several rows of the terminal where it has to; data is cut there."""
    parts = as_line(arrival)
    is_speech = any(part.role == "speech" for part in parts)
    output.line(parts, None if is_speech else columns_of(output.stdout))
