"""The page that a full run writes, from made-up rows and results."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from .hubs import RealHub
from .processes import LostBus, Process
from .running import run
from .satellite import Satellite
from .specs import HubSpec
from .table import COMMAND_LINE, Behaviour, Cell, Results, to_markdown

OLD = HubSpec("1.0", (), (0, 1), lacks={"flying": "it has no wings"})
NEW = HubSpec("2.0", (), (1, 2))


def nothing(hub: RealHub, satellite: Satellite) -> None:
    """A check that holds."""


WALKS = Behaviour("walks", "moving", nothing)
FLIES = Behaviour("flies", "moving", nothing, needs="flying")
TYPES = Behaviour("`types`", COMMAND_LINE, nothing, uses_client=False)
ROWS = (WALKS, FLIES, TYPES)


def test_page_shows_each_outcome_and_why_a_hub_was_left_out() -> None:
    """✓, ✗ and — with its note; the command line has a column per hub."""
    results = Results()
    results.add(Cell(WALKS, OLD, "sync"), True)
    results.add(Cell(WALKS, OLD, "async"), True)
    results.add(Cell(WALKS, NEW, "sync"), False)
    results.add(Cell(WALKS, NEW, "async"), True)
    results.add(Cell(FLIES, NEW, "sync"), True)
    results.add(Cell(TYPES, OLD, "sync"), True)
    page = to_markdown(results, ROWS, (OLD, NEW))
    assert "## Moving" in page
    assert "| behaviour | 1.0 sync | 1.0 async | 2.0 sync | 2.0 async |" in page
    assert "| walks | ✓ | ✓ | ✗ | ✓ |" in page
    assert "| flies | — (1) | — (1) | ✓ | ✗ |" in page
    assert "1. hivemind-core 1.0: it has no wings" in page
    assert "| behaviour | 1.0 | 2.0 |" in page
    assert "| `types` | ✓ | ✗ |" in page
    assert page == to_markdown(results, ROWS, (OLD, NEW))


def test_a_cell_that_failed_once_stays_failed() -> None:
    """A teardown that passes does not mend a call that failed."""
    cell = Cell(WALKS, OLD, "sync")
    results = Results()
    results.add(cell, False)
    results.add(cell, True)
    assert not results.passed[cell.name]


@pytest.mark.parametrize(
    ("written", "error"),
    [("", AssertionError), ("the bus is gone", LostBus), ("", None), ("the bus is gone", None)],
)
def test_only_a_hub_that_lost_its_bus_gets_another_try(
    tmp_path: Path, written: str, error: type[Exception] | None
) -> None:
    log = tmp_path / "log"
    log.write_text("the bus is gone\n", encoding="utf-8")  # long before this row

    def check(hub: RealHub, satellite: Satellite) -> None:
        log.write_text(f"{log.read_text(encoding='utf-8')}{written}", encoding="utf-8")
        assert error is None

    hub = object.__new__(RealHub)
    hub.spec = HubSpec("1.0", (), (1,), bus_loss=("the bus is gone",))
    hub._hub = Process("hub", ["true"], {}, log)
    cell = Cell(Behaviour("a row", "area", check), hub.spec, "sync")
    context = contextlib.nullcontext() if error is None else pytest.raises(error)
    with context:
        run(cell, hub, object.__new__(Satellite))
