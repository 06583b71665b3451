"""The harness itself: the page, from made-up rows and results, and programs that say nothing."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.interop.hubs import RealHub, xdg_environment
from tests.interop.processes import HarnessError, Process

from .environments import OURS, REFERENCE, EnvironmentSpec
from .hub_on_ours import cells_on_ours, section
from .running import Run, wait_for_text
from .table import Program, Results, Trial, to_markdown, trials

NOWHERE = EnvironmentSpec("nowhere", ())
ECHO = "for line in __import__('sys').stdin: print('heard', line, flush=True)"


def nothing(hub: RealHub, run: Run) -> None:
    """A check that holds."""


TALKS = Program("talker", "1.0", "talks", NOWHERE, nothing, hubs=("4.15.0a1", "5.3.10a1"))
BROKEN = Program("broken", "2.0", "would talk", NOWHERE, nothing, fails={REFERENCE: "it wants wings"})


def results_of(*failed: Trial) -> Results:
    """As if all trials were run, and these failed."""
    results = Results()
    for trial in trials((TALKS, BROKEN)):
        results.add(trial, trial not in failed)
    return results


def test_the_page_has_a_line_for_each_program_and_hub() -> None:
    page = to_markdown(results_of(), (TALKS, BROKEN))
    assert "| talker | 1.0 | talks | 4.15.0a1 | ✓ | ✓ |" in page
    assert "| talker | 1.0 | talks | 5.3.10a1 | ✓ | ✓ |" in page
    assert "| broken | 2.0 | would talk | 5.3.10a1 | ✓ | ✗ (1) |" in page
    assert "1. it wants wings" in page


def test_the_page_shows_what_failed() -> None:
    failed = next(trial for trial in trials((TALKS,)) if trial.side == OURS)
    page = to_markdown(results_of(failed), (TALKS,))
    assert f"| talks | {failed.hub.version} | ✗ | ✓ |" in page


def test_results_are_complete_once_all_trials_were_run() -> None:
    assert results_of().is_complete(trials((TALKS, BROKEN)))
    assert not Results().is_complete(trials((TALKS,)))


def test_the_page_tells_what_hubs_on_this_client_do() -> None:
    cells = cells_on_ours()[:3]
    results = Results()
    for cell in cells:
        results.add(cell, True)
    assert "All 3 of its rows hold." in section(results, cells)
    results.add(cells[1], False)
    assert f"2 of its 3 rows hold. These fail:\n\n- {cells[1].row.text} ({cells[1].client})\n" in section(
        results, cells
    )


def test_a_program_that_is_fed_hears_line_by_line(tmp_path: Path) -> None:
    echo = Process(
        "echo", [sys.executable, "-c", ECHO], xdg_environment(tmp_path), tmp_path / "log", fed=True
    )
    echo.start()
    for text in ("one", "two"):
        echo.feed(f"{text}\n")
        wait_for_text(echo, f"heard {text}")
    echo.stop()
    assert not echo.alive


def test_a_program_that_ends_without_its_answer_shows_what_it_wrote(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "print('out of honey')"]
    process = Process("bees", command, xdg_environment(tmp_path), tmp_path / "log")
    process.start()
    with pytest.raises(HarnessError, match=r"it ended before text 'an answer'\nout of honey"):
        wait_for_text(process, "an answer")
