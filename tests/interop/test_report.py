"""The page that a full run writes, from made-up rows and results."""

from __future__ import annotations

import contextlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from .gathering import Gathering, tell
from .hubs import RealHub
from .processes import LostBus, Process
from .running import run
from .satellite import Satellite
from .specs import HubSpec
from .table import COMMAND_LINE, HTTP, MQTT, Behaviour, Cell, Results, to_markdown

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
    results.add(Cell(WALKS, OLD, "sync").name, True)
    results.add(Cell(WALKS, OLD, "async").name, True)
    results.add(Cell(WALKS, NEW, "sync").name, False)
    results.add(Cell(WALKS, NEW, "async").name, True)
    results.add(Cell(FLIES, NEW, "sync").name, True)
    results.add(Cell(TYPES, OLD, "sync").name, True)
    page = to_markdown(results, ROWS, (OLD, NEW))
    assert "## Moving" in page
    assert "| behaviour | 1.0 sync | 1.0 async | 2.0 sync | 2.0 async |" in page
    assert "| walks | ✓ | ✓ | ✗ | ✓ |" in page
    assert "| flies | — (1) | — (1) | ✓ | ✗ |" in page
    assert "1. hivemind-core 1.0: it has no wings" in page
    assert "| behaviour | 1.0 | 2.0 |" in page
    assert "| `types` | ✓ | ✗ |" in page
    assert page == to_markdown(results, ROWS, (OLD, NEW))


def test_a_row_that_says_how_to_reach_a_hub_has_no_cell_for_another_way() -> None:
    """What is only over MQTT has its column alone, and what is over HTTP has none for that."""
    behind_broker = replace(NEW, version="2.0 MQTT", scheme="mqtt")
    rows = (WALKS, replace(WALKS, text="polls", area=HTTP), replace(WALKS, text="wakes", area=MQTT))
    page = to_markdown(Results(), rows, (NEW, behind_broker))
    assert "| behaviour | 2.0 sync | 2.0 async | 2.0 MQTT sync | 2.0 MQTT async |" in page
    assert "| polls | ✗ | ✗ |\n" in page and "| wakes | ✗ | ✗ |\n" in page
    assert page.count("| behaviour | 2.0 MQTT sync | 2.0 MQTT async |") == 1


def test_a_cell_that_failed_once_stays_failed() -> None:
    """A teardown that passes does not mend a call that failed."""
    cell = Cell(WALKS, OLD, "sync")
    results = Results()
    results.add(cell.name, False)
    results.add(cell.name, True)
    assert not results.passed[cell.name]


def test_outcomes_come_from_other_processes(pytestconfig: pytest.Config) -> None:
    """A report has the outcome of its cell when pytest-xdist brings it."""
    cell, results = Cell(WALKS, NEW, "sync"), Results()
    for outcome in ("passed", "failed"):
        report = _carried(pytestconfig, cell, outcome)
        Gathering(results).pytest_runtest_logreport(report)
        assert results.passed == {cell.name: outcome == "passed"}
    assert results.figures == {cell.name: ["3 ms"]}
    assert results.is_complete([cell])
    assert not results.is_complete([cell, Cell(WALKS, OLD, "sync")])


def _carried(config: pytest.Config, cell: Cell, outcome: Any) -> pytest.TestReport:
    report = pytest.TestReport("walks", ("walks.py", 1, "walks"), {}, outcome, None, "call")
    tell(report, cell, ["3 ms"])
    sent = json.dumps(config.hook.pytest_report_to_serializable(config=config, report=report))
    received: pytest.TestReport = config.hook.pytest_report_from_serializable(
        config=config, data=json.loads(sent)
    )
    return received


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
