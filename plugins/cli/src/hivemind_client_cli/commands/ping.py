"""`hivemind-client ping`: how long the way to the hub and back takes, and the map of the hive."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import click
from attrs import frozen

from hivemind_client_cli.connection import Connection, connected
from hivemind_client_cli.options import connection_options, timeout_option
from hivemind_client_cli.output import Output, aligned, milliseconds
from hivemind_client_cli.output_options import reporting
from hivemind_core_client.errors import HiveMindError, HubTimeout

if TYPE_CHECKING:
    from hivemind_core_client import HiveMessageBusClient
    from hivemind_core_client.hive_map import HiveMapper

#: Time between two pings.
_PAUSE_S = 0.1
_DROPPED = (
    "the hub ended the connection on it. Hub 4.0.0 takes no part in it; newer hubs do that when this satellite may "
    "not propagate ('hivemind-core allow-propagate NODE_ID')"
)


@click.command("ping", epilog="Example: hivemind-client ping --count 10 --json")
@click.option(
    "--count", type=click.IntRange(1, 10000), default=5, show_default=True, help="How many pings to send."
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
    """Measure round trips to the hub with WebSocket pings, and draw the map of the hive with a PING flood.

    Every hub answers the pings. Hub 4.0.0 takes no part in the flood: then there are figures and no map, and
    --mermaid and --dot end with code 1.
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
        flood = _flood(client, timeout) if times and drawn else None
    if not times:
        raise HubTimeout(address, "ping", timeout)
    figures = {"min": min(times), "avg": sum(times) / len(times), "max": max(times)}
    mapper = flood.mapper if flood is not None else None
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
    if flood is not None and flood.problem:
        output.remark(flood.problem)


@frozen
class _Flood:
    """What became of a PING flood: the map, or why there is none."""

    mapper: HiveMapper | None = None
    problem: str = ""


def _draw(output: Output, connection: Connection, timeout: float, mermaid: bool) -> None:
    with connected(output, connection) as client:
        flood = _flood(client, timeout)
    if flood.mapper is None:
        raise click.ClickException(flood.problem)
    output.result(None, flood.mapper.to_mermaid() if mermaid else flood.mapper.to_dot())


def _flood(client: HiveMessageBusClient, timeout: float) -> _Flood:
    ended = threading.Event()
    client.on("close", ended.set)
    cause: str | HiveMindError = f"nobody answered it within {timeout:g} s. Hub 4.0.0 takes no part in it"
    try:
        mapper = client.ping(timeout=timeout)
        if mapper.others(client.peer):
            return _Flood(mapper)
    except HiveMindError as error:
        cause = error
    if ended.is_set() or not client.connected_event.is_set():
        cause = _DROPPED
    return _Flood(problem=f"There is no map of the hive, which a PING flood draws: {cause}")


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
