"""Every trial of the table as a test."""

from __future__ import annotations

from typing import Any

import pytest

from tests.interop.hubs import RealHub
from tests.interop.processes import HarnessError

from . import rows_chats, rows_hubs, rows_plugins, rows_text, rows_voice
from .running import Run
from .table import NEWEST, PROGRAMS, Trial, trials

#: The modules whose import fills the table.
ROW_MODULES = (rows_text, rows_chats, rows_plugins, rows_hubs, rows_voice)

#: With the installation of what it needs.
_SECONDS = 1000


def _parameters() -> list[Any]:
    return [pytest.param(trial, marks=_marks(trial)) for trial in trials(PROGRAMS)]


def _marks(trial: Trial) -> list[pytest.MarkDecorator]:
    marks = [pytest.mark.timeout(_SECONDS)]
    return [*marks, pytest.mark.smoke] if trial.program.smoke and trial.hub.version == NEWEST else marks


@pytest.mark.parametrize("trial", _parameters(), ids=lambda trial: trial.name)
def test_program(trial: Trial, hub: RealHub, run: Run) -> None:
    """The program does what the row says, or fails where the row says so."""
    if trial.side in trial.program.fails:
        with pytest.raises((AssertionError, HarnessError)):
            trial.program.check(hub, run)
        return
    trial.program.check(hub, run)


def test_rows_have_names_of_their_own() -> None:
    """Results are gathered by the name of the trial."""
    names = [trial.name for trial in trials(PROGRAMS)]
    assert len(set(names)) == len(names)
