"""Every cell of the table as a test."""

from __future__ import annotations

from typing import Any

import pytest

from .every_row import every_cell
from .hubs import RealHub
from .running import run
from .satellite import Satellite
from .table import FLEET, OUTBOX, ROWS, Cell

#: Many times what a row takes by itself: another one computes beside it.
_SECONDS = 300
_FLEET_SECONDS = 480


def _parameters() -> list[Any]:
    """The cells, with the seconds that each may take."""
    return [
        pytest.param(
            cell, marks=pytest.mark.timeout(_FLEET_SECONDS if cell.row.area in (FLEET, OUTBOX) else _SECONDS)
        )
        for cell in every_cell()
    ]


@pytest.mark.parametrize("cell", _parameters(), ids=lambda cell: cell.name)
def test_behaviour(cell: Cell, hub: RealHub, satellite: Satellite) -> None:
    """The hub and the client do together what the row says."""
    run(cell, hub, satellite)


def test_rows_have_texts_of_their_own() -> None:
    """Results are gathered by the text of the row."""
    texts = [row.text for row in ROWS]
    assert len(set(texts)) == len(texts)
