"""Every cell of the table as a test."""

from __future__ import annotations

import pytest

from . import rows_binary, rows_client, rows_command_line, rows_intercom, rows_mesh, rows_query, rows_terminal
from .hubs import RealHub
from .satellite import Satellite
from .table import ROWS, Cell, runnable_cells

#: The modules whose import fills the table.
ROW_MODULES = (
    rows_client,
    rows_mesh,
    rows_query,
    rows_intercom,
    rows_binary,
    rows_command_line,
    rows_terminal,
)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("cell", runnable_cells(), ids=lambda cell: cell.name)
def test_behaviour(cell: Cell, hub: RealHub, satellite: Satellite) -> None:
    """The hub and the client do together what the row says."""
    cell.row.check(hub, satellite)


def test_rows_have_texts_of_their_own() -> None:
    """Results are gathered by the text of the row."""
    texts = [row.text for row in ROWS]
    assert len(set(texts)) == len(texts)
