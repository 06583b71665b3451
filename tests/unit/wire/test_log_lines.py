"""A line that a peer can cause in any number is written a few times a minute, and counted for the rest."""

from __future__ import annotations

import pytest

from hivemind_core_client.wire.log_lines import MOST_LINES, WINDOW_S, LogLines


class Log:
    def __init__(self) -> None:
        self.lines: list[str] = []

    def __call__(self, text: str, *arguments: object) -> None:
        self.lines.append(text % arguments)


def test_few_lines_of_a_kind_are_written_and_the_rest_is_counted() -> None:
    log, lines = Log(), LogLines()
    for number in range(1000):
        lines.write(number / 1000, log, "dropped %s", number)
    assert log.lines[: MOST_LINES - 1] == [f"dropped {number}" for number in range(MOST_LINES - 1)]
    assert log.lines[MOST_LINES - 1 :] == [
        f"dropped {MOST_LINES - 1} (more like it are only counted for 60 s)"
    ]
    lines.write(WINDOW_S, log, "dropped %s", "one")
    assert log.lines[-1] == f"dropped one (and {1000 - MOST_LINES} more before it)"
    lines.write(WINDOW_S, log, "dropped %s", "another")
    assert log.lines[-1] == "dropped another"


def test_each_kind_has_its_measure() -> None:
    log, lines = Log(), LogLines()
    for _ in range(MOST_LINES + 1):
        lines.write(0, log, "a")
    lines.write(0, log, "b")
    lines.write(0, log, "a", kind="of its own")
    assert log.lines[-2:] == ["b", "a"] and len(log.lines) == MOST_LINES + 2


def test_a_clock_that_is_set_back_silences_nobody() -> None:
    log, lines = Log(), LogLines()
    for _ in range(MOST_LINES + 1):
        lines.write(1e9, log, "a")
    lines.write(1000.0, log, "a")
    assert log.lines[-1] == "a (and 1 more before it)"


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hivemind_core_client.wire.log_lines._MOST_KINDS", 3)
    log, lines = Log(), LogLines()
    for number in [0] * (MOST_LINES + 1) + [1, 2, 3]:
        lines.write(0, log, "a", kind=number)
    assert len(log.lines) == MOST_LINES + 3
    lines.write(0, log, "a", kind=0)  # the oldest was forgotten for the fourth
    assert len(log.lines) == MOST_LINES + 4
