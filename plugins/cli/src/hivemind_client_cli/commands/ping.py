"""`hivemind-client ping`: how long the way to the hub and back takes, and the map of the hive."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import click

from hivemind_client_cli.bounds import Between, bounded
from hivemind_client_cli.connection import Connection, connected
from hivemind_client_cli.help_sections import command
from hivemind_client_cli.options import connection_options, timeout_option
from hivemind_client_cli.output import Output, aligned, milliseconds
from hivemind_client_cli.output_options import reporting
from hivemind_core_client.errors import ConnectionLost, HiveMindError, HubTimeout, Mend, QueryTimeout
from hivemind_core_client.wire.mends import ALLOW_PROPAGATE

if TYPE_CHECKING:
    from hivemind_core_client import HiveMessageBusClient
    from hivemind_core_client.hive_map import HiveMapper

#: Time between two pings.
_PAUSE_S = 0.1
_DROPPED = "the hub ended the connection on it"
_WHO_DROPS = Mend(
    "hub 4.0.0 takes no part in it; newer hubs do that when this satellite may not propagate (",
    ALLOW_PROPAGATE,
    ")",
)


class NoMap(HiveMindError):
    """A PING flood brought no map of the hive."""


@command("ping", epilog="Example: hivemind-client ping --count 10 --json")
@bounded(
    "--count", within=Between(int, 1, 10000), default=5, show_default=True, text="How many pings to send."
)
@timeout_option(5.0, "How long to wait for each pong, and for the map.")
@click.option("--map/--no-map", "drawn", default=True, show_default=True, help="Draw the map of the hive.")
@click.option("--mermaid", is_flag=True, help="Print the map as a Mermaid flowchart, and nothing else.")
@click.option("--dot", is_flag=True, help="Print the map as a Graphviz graph, and nothing else.")
@connection_options
@reporting
def ping(
    output: Output,
    connection: Connection,
    count: int,
    timeout: float,
    drawn: bool,
    mermaid: bool,
    dot: bool,
) -> None:
    """Measure round trips to the hub, and draw the map of the hive.

    Round trips are measured with WebSocket pings. Every hub answers those. For the map a PING goes through the hive.
    Hub 4.0.0 does not answer that: then you get times and no map, and --mermaid and --dot end with code 1.
    """
    if mermaid or dot:
        if (mermaid and dot) or output.json or not drawn:
            raise click.UsageError("give one of --mermaid, --dot, --json and --no-map")
        _draw(output, connection, timeout, mermaid)
        return
    with connected(output, connection) as client:
        times = _round_trips(client, count, timeout)
        hub = client.hub
        address = f"{client.host}:{client.port}"
        # The flood comes last: some hubs end the connection on it.
        mapper, problem = _tried(client, timeout) if times and drawn else (None, None)
    if not times:
        raise HubTimeout(address, "ping", timeout)
    figures = {"min": min(times), "avg": sum(times) / len(times), "max": max(times)}
    data = {
        "hub": hub.node_id if hub else None,
        "address": address,
        "sent": count,
        "received": len(times),
        "seconds": {name: round(value, 6) for name, value in figures.items()},
        "map": mapper.to_dict() if mapper is not None else None,
    }
    rows = {"hub": address, "pongs": f"{len(times)} of {count}"}
    rows.update({name: milliseconds(value) for name, value in figures.items()})
    tree = f"\n\n{mapper.to_ascii(client.peer)}" if mapper is not None else ""
    output.result(data, aligned(rows) + tree)
    if problem is not None:
        output.remark(output.worded(problem))


def _draw(output: Output, connection: Connection, timeout: float, mermaid: bool) -> None:
    with connected(output, connection) as client:
        mapper = _map(client, timeout)
    output.result(None, mapper.to_mermaid() if mermaid else mapper.to_dot())


def _tried(client: HiveMessageBusClient, timeout: float) -> tuple[HiveMapper | None, NoMap | None]:
    """The map, or why there is none."""
    try:
        return _map(client, timeout), None
    except NoMap as error:
        return None, error


def _map(client: HiveMessageBusClient, timeout: float) -> HiveMapper:
    """The map that a PING flood draws. Raises NoMap."""
    ended = threading.Event()
    client.on("close", ended.set)
    cause: HiveMindError = QueryTimeout(
        f"nobody answered it within {timeout:g} s", Mend("hub 4.0.0 takes no part in it")
    )
    try:
        mapper = client.ping(timeout=timeout)
        if mapper.others(client.peer):
            return mapper
    except HiveMindError as error:
        cause = error
    if ended.is_set() or not client.connected_event.is_set():
        cause = ConnectionLost(_DROPPED, _WHO_DROPS)
    raise NoMap.because("There is no map of the hive, which a PING flood draws", cause)


def _round_trips(client: HiveMessageBusClient, count: int, timeout: float) -> list[float]:
    """Seconds of each ping that was answered in time."""
    times = []
    for number in range(count):
        if number:
            time.sleep(_PAUSE_S)
        try:
            times.append(client.round_trip(timeout=timeout))
        except TimeoutError:
            continue
    return times
