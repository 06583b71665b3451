"""Fixtures of the interop run: hubs that are shared, satellites that are not, and the report."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.soak.report import soak_of, with_soak

from .broker import NoBroker
from .gathering import Gathering, tell
from .hubs import HubPool, RealHub
from .processes import LostBus, Overtaken, tail
from .satellite import Satellite, known_satellite
from .table import Cell, Results, to_markdown

_PAGE = Path(__file__).resolve().parents[2] / "docs" / "interop.md"
_RESULTS = pytest.StashKey[Results]()


def pytest_configure(config: pytest.Config) -> None:
    """Give the run a place for its results."""
    results = config.stash[_RESULTS] = Results()
    config.pluginmanager.register(Gathering(results))


@pytest.fixture(scope="session")
def hubs() -> Iterator[HubPool]:
    """Hubs by release and options, started when first asked for."""
    pool = HubPool()
    yield pool
    pool.stop()


@pytest.fixture
def hub(request: pytest.FixtureRequest, hubs: HubPool) -> RealHub:
    """The hub of the cell under test. Where there is no broker for it, the cell is skipped, but never in CI."""
    cell: Cell = request.getfixturevalue("cell")
    try:
        return hubs.get(cell.hub, cell.row.options)
    except NoBroker as missing:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"the table has no MQTT here: {missing}")


@pytest.fixture
def satellite(
    request: pytest.FixtureRequest, hub: RealHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Satellite]:
    """A satellite that nobody else uses, known to the hub."""
    cell: Cell = request.getfixturevalue("cell")
    with known_satellite(hub, tmp_path, cell.client, monkeypatch) as node:
        yield node


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Let the report tell the outcome of a cell, and show the hub's log beside a failure."""
    report = yield
    cell = _cell_of(item)
    if cell is None:
        return report
    lost = call.excinfo is not None and call.excinfo.errisinstance((LostBus, Overtaken))
    if (report.when == "call" or report.failed) and not lost:
        satellite = getattr(item, "funcargs", {}).get("satellite")
        tell(report, cell, satellite.figures if satellite is not None else ())
    hub = getattr(item, "funcargs", {}).get("hub")
    if report.failed and hub is not None:
        report.sections.append((f"log of {hub.spec.name}", tail(hub.log(), 60)))
    return report


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Show what was measured."""
    for name, figures in config.stash[_RESULTS].figures.items():
        terminalreporter.section(name)
        for line in figures:
            terminalreporter.write_line(line)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write the page when asked to by HIVEMIND_INTEROP_WRITE=1 and every cell was run."""
    if os.environ.get("HIVEMIND_INTEROP_WRITE") != "1" or hasattr(session.config, "workerinput"):
        return
    from .every_row import every_cell  # with pytest-xdist nobody has filled the table in this process

    results = session.config.stash[_RESULTS]
    if results.is_complete(every_cell()):
        _PAGE.parent.mkdir(exist_ok=True)
        before = _PAGE.read_text(encoding="utf-8") if _PAGE.exists() else ""
        _PAGE.write_text(with_soak(to_markdown(results), soak_of(before)), encoding="utf-8")
        return
    reporter: Any = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None:
        reporter.write_line(f"{_PAGE.name} was not written: not every row was run")


def _cell_of(item: pytest.Item) -> Cell | None:
    callspec = getattr(item, "callspec", None)
    found = callspec.params.get("cell") if callspec is not None else None
    return found if isinstance(found, Cell) else None
