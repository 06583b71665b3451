"""Every cell of the table as a test."""

from __future__ import annotations

from typing import Any

import pytest

from . import (
    rows_binary,
    rows_buses,
    rows_client,
    rows_command_line,
    rows_denied,
    rows_fleet,
    rows_forms,
    rows_http,
    rows_intercom,
    rows_journal,
    rows_mesh,
    rows_names,
    rows_noise,
    rows_query,
    rows_readme,
    rows_slow,
    rows_sound,
    rows_talking,
    rows_terminal,
    rows_types,
    rows_waiting,
)
from .hubs import RealHub
from .running import run
from .satellite import Satellite
from .table import FLEET, ROWS, Cell, runnable_cells

#: The modules whose import fills the table.
ROW_MODULES = (
    rows_client,
    rows_talking,
    rows_denied,
    rows_waiting,
    rows_names,
    rows_mesh,
    rows_noise,
    rows_query,
    rows_intercom,
    rows_types,
    rows_journal,
    rows_slow,
    rows_binary,
    rows_sound,
    rows_fleet,
    rows_forms,
    rows_buses,
    rows_http,
    rows_command_line,
    rows_terminal,
    rows_readme,
)

_SECONDS = 120
_FLEET_SECONDS = 240


def _parameters() -> list[Any]:
    """The cells, with the seconds that each may take."""
    return [
        pytest.param(cell, marks=pytest.mark.timeout(_FLEET_SECONDS if cell.row.area == FLEET else _SECONDS))
        for cell in runnable_cells()
    ]


@pytest.mark.parametrize("cell", _parameters(), ids=lambda cell: cell.name)
def test_behaviour(cell: Cell, hub: RealHub, satellite: Satellite) -> None:
    """The hub and the client do together what the row says."""
    run(cell, hub, satellite)


def test_rows_have_texts_of_their_own() -> None:
    """Results are gathered by the text of the row."""
    texts = [row.text for row in ROWS]
    assert len(set(texts)) == len(texts)
