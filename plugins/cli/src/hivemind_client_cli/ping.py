"""`hivemind-client ping`: how long the way to the hub and back takes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from hivemind_client_cli.options import Connection, connected, connection_options, reporting, timeout_option
from hivemind_client_cli.output import Output, aligned, milliseconds
from hivemind_core_client.errors import HubTimeout

if TYPE_CHECKING:
    from hivemind_core_client import HiveMessageBusClient

#: Seconds between two pings.
_PAUSE = 0.1
_NO_MAP = (
    "The map of the hive is drawn by a PING flood: it needs hubs that take part in it, "
    "which hivemind-core 4.0.0 does not."
)


@click.command("ping", epilog="Example: hivemind-client ping --count 10 --json")
@click.option(
    "--count", type=click.IntRange(1, 10000), default=5, show_default=True, help="How many pings to send."
)
@timeout_option(5.0, "How long to wait for each pong.")
@connection_options
@reporting
def ping(output: Output, connection: Connection, count: int, timeout: float) -> None:
    """Measure round trips to the hub with WebSocket pings, which every hub answers."""
    with connected(output, connection) as client:
        times = _round_trips(client, count, timeout)
        hub = client.hub
        address = f"{client.host}:{client.port}"
    if not times:
        raise HubTimeout(address, "ping", timeout)
    figures = {"min": min(times), "avg": sum(times) / len(times), "max": max(times)}
    data = {
        "hub": hub.node_id if hub else None,
        "address": address,
        "sent": count,
        "received": len(times),
        "seconds": {name: round(value, 6) for name, value in figures.items()},
        "map": None,
    }
    rows = {"hub": address, "pongs": f"{len(times)} of {count}"}
    rows.update({name: milliseconds(value) for name, value in figures.items()})
    output.result(data, aligned(rows))
    output.note(_NO_MAP)


def _round_trips(client: HiveMessageBusClient, count: int, timeout: float) -> list[float]:
    """Seconds of each ping that was answered in time."""
    times = []
    for number in range(count):
        if number:
            time.sleep(_PAUSE)
        try:
            times.append(client.round_trip(timeout=timeout))
        except TimeoutError:
            continue
    return times
