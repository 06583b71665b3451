"""Running one cell of the table."""

from __future__ import annotations

from .hubs import RealHub
from .processes import LostBus
from .satellite import Satellite
from .table import Cell


def run(cell: Cell, hub: RealHub, satellite: Satellite) -> None:
    """Run a row. Raises LostBus for one that failed while its hub had lost its bus."""
    before = len(hub.log())
    try:
        cell.row.check(hub, satellite)
    except Exception as failure:
        if hub.has_lost_bus(since=before):
            raise LostBus(f"{cell.hub.name} lost its OVOS bus under {cell.name!r}") from failure
        raise
