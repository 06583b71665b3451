"""The modules whose import fills the table, in the order of the page."""

from __future__ import annotations

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
    rows_mqtt,
    rows_names,
    rows_noise,
    rows_outbox,
    rows_query,
    rows_readme,
    rows_slow,
    rows_sound,
    rows_talking,
    rows_terminal,
    rows_types,
    rows_waiting,
)
from .table import Cell, runnable_cells

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
    rows_outbox,
    rows_forms,
    rows_buses,
    rows_http,
    rows_mqtt,
    rows_command_line,
    rows_terminal,
    rows_readme,
)


def every_cell() -> list[Cell]:
    """Every cell that can be run."""
    return runnable_cells()
