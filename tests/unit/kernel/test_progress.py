"""How far a message has come is reported whatever the callback does, and as one for all its frames."""

from __future__ import annotations

import pytest

from hivemind_core_client.kernel.progress import ProgressReporter


def test_a_callback_that_raises_is_called_again_and_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    steps: list[int] = []

    def progress(written: int, total: int) -> None:
        steps.append(written)
        if written < 3:
            raise ValueError(written)

    report = ProgressReporter(progress)
    for written in (1, 2, 3):
        report(written, 3)
    assert steps == [1, 2, 3]
    assert len(caplog.records) == 1


def test_the_frames_of_one_message_are_reported_as_one() -> None:
    steps: list[tuple[int, int]] = []
    report = ProgressReporter(
        lambda written, total: steps.append((written, total)), [bytes(100), bytes(100), bytes(50)]
    )
    for frame in ([(60, 108), (108, 108), (108, 108)], [(108, 108)], [(3, 52), (52, 52)]):
        for written, total in frame:
            report(written, total)
        report.next()
    assert steps == [(60, 250), (100, 250), (100, 250), (200, 250), (203, 250), (250, 250)]


def test_a_transport_that_writes_whole_frames_reports_each_once() -> None:
    steps: list[tuple[int, int]] = []
    frames = [bytes(100), "x" * 50]
    report = ProgressReporter(lambda written, total: steps.append((written, total)), frames)
    for frame in frames:
        report.whole(frame)
    assert steps == [(100, 150), (150, 150)]
