"""Running one cell of the table."""

from __future__ import annotations

from .hubs import RealHub
from .processes import LostBus, Overtaken
from .satellite import Satellite
from .table import Cell

#: What ends a session with a frame of a hub that came before an earlier one.
_OVERTAKEN = "does not open at its place"


def run(cell: Cell, hub: RealHub, satellite: Satellite) -> None:
    """Run a row. One that failed raises LostBus if its hub had lost its bus, and Overtaken if it met such a frame."""
    before = len(hub.log())
    try:
        cell.row.check(hub, satellite)
    except Exception as failure:
        if hub.has_lost_bus(since=before):
            raise LostBus(f"{cell.hub.name} lost its OVOS bus under {cell.name!r}") from failure
        if hub.spec.scheme == "mqtt" and satellite.met(_OVERTAKEN):
            raise Overtaken(f"a frame of {cell.hub.name} overtook another under {cell.name!r}") from failure
        raise
