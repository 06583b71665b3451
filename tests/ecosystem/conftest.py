"""Fixtures of the run: hubs that are shared, programs that are not, and the page."""

from __future__ import annotations

import itertools
import os
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.interop.hubs import HubPool, RealHub
from tests.interop.processes import tail
from tests.interop.table import Cell

from .environments import environment
from .hub_on_ours import cells_on_ours, section
from .running import Run
from .table import PROGRAMS, Results, Trial, to_markdown, trials

_PAGE = Path(__file__).resolve().parents[2] / "docs" / "ecosystem.md"
_RESULTS = pytest.StashKey[Results]()
_NUMBERS = itertools.count(1)


def pytest_configure(config: pytest.Config) -> None:
    """Give the run a place for its results."""
    config.stash[_RESULTS] = Results()


@pytest.fixture(scope="session")
def hubs() -> Iterator[HubPool]:
    """Hubs by release and options, started when first asked for."""
    pool = HubPool()
    yield pool
    pool.stop()


@pytest.fixture
def hub(trial: Trial, hubs: HubPool) -> RealHub:
    """The hub of the trial."""
    return hubs.get(trial.hub, trial.program.options)


@pytest.fixture
def run(trial: Trial, hub: RealHub, tmp_path: Path) -> Iterator[Run]:
    """The program of the trial, installed and known to the hub."""
    venv = environment(trial.program.environment, trial.side)
    one = Run(hub, tmp_path, venv, trial.side, f"program{next(_NUMBERS)}")
    yield one
    one.stop()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Note the outcome of a trial, and show the logs beside a failure."""
    report = yield
    arguments = getattr(item, "funcargs", {})
    callspec = getattr(item, "callspec", None)
    params = callspec.params if callspec is not None else {}
    subject = params.get("trial") or params.get("cell")
    if not isinstance(subject, (Trial, Cell)):
        return report
    if report.when == "call" or report.failed:
        item.config.stash[_RESULTS].add(subject, report.passed)
    if report.failed:
        for name, owner in (("program", arguments.get("run")), ("hub", arguments.get("hub"))):
            if owner is not None:
                report.sections.append((f"log of the {name}", tail(owner.log(), 60)))
    return report


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write the page when asked to by HIVEMIND_INTEROP_WRITE=1 and every trial was run."""
    if os.environ.get("HIVEMIND_INTEROP_WRITE") != "1":
        return
    results = session.config.stash[_RESULTS]
    if results.is_complete([*trials(PROGRAMS), *cells_on_ours()]):
        page = to_markdown(results, PROGRAMS) + section(results, cells_on_ours())
        _PAGE.write_text(page, encoding="utf-8")
        return
    reporter: Any = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None:
        reporter.write_line(f"{_PAGE.name} was not written: not every row was run")
