"""A satellite with an outbox in a file is killed, and another one with that file takes its place."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from hivemind_core_client import NodeIdentity
from hivemind_core_client.config.outbox_clock import Clock
from hivemind_core_client.config.outbox_file import OutboxFile, Owner
from hivemind_core_client.testing import EmbeddedHub
from tests.programs import started
from tests.unit.client_support import until
from tests.unit.outbox_support import message

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing is forked here")

ROOT = Path(__file__).parents[3]
#: How many messages wait in the file from before, and how many a satellite is to send.
_WAITED, _SENT = 4, 4
#: A satellite is killed at each of so many of its lines; the lines are those that it runs for the first time.
_EVERY = int(os.environ.get("OUTBOX_EVERY", "12"))
_PROGRAM_SECONDS = 50.0


class Satellites:
    """The program that forks satellites, and the outboxes they have."""

    def __init__(self, process: subprocess.Popen[str], hub: EmbeddedHub, folder: Path, delivery: str) -> None:
        self._process = process
        self._hub = hub
        self._folder = folder
        self._delivery = delivery
        self._outboxes = 0

    def outbox(self, *numbers: int) -> Path:
        """The path of an outbox in which messages of these numbers wait."""
        self._outboxes += 1
        path = self._folder / f"{self._outboxes}.db"
        file = OutboxFile(str(path), lambda: Owner(self._hub.url, "k"))
        file.open()
        for number in numbers:
            file.append(message(number), Clock().steady())
        file.close()
        return path

    def run(self, path: Path, step: int, *numbers: int) -> tuple[list[int], bool]:
        """What one accepted, and whether it ended by itself."""
        assert self._process.stdin is not None and self._process.stdout is not None
        work = {"path": str(path), "delivery": self._delivery, "step": step, "numbers": numbers}
        self._process.stdin.write(json.dumps(work) + "\n")
        self._process.stdin.flush()
        done = json.loads(self._process.stdout.readline())
        return done["accepted"], done["ended"]

    def check(self, accepted: list[int], arrived: list[int], step: int) -> None:
        """What was accepted, and what the hub got: with the guarantee that this outbox has."""
        told = (step, accepted, arrived)
        lost = set(accepted) - set(arrived)
        twice = [number for number, times in Counter(arrived).items() if times > 1]
        assert in_order_of_first(arrived) == sorted(set(arrived)), told
        # What was being kept when it was killed may be there.
        assert len(set(arrived) - set(accepted)) <= 1, told
        if self._delivery == "at-least-once":
            assert not lost, told
        else:
            assert not twice, told
            assert len(lost) <= 1, told

    def arrived(self) -> list[int]:
        """The numbers of the messages that have come to the hub, once it has read all that was sent to it."""
        assert until(lambda: not self._hub.sessions)
        found = [each["data"]["number"] for each in self._hub.received if each["type"] == "count"]
        self._hub.received.clear()
        return found


@pytest.fixture(params=["at-least-once", "at-most-once"])
def satellites(request: pytest.FixtureRequest, hub: EmbeddedHub, tmp_path: Path) -> Iterator[Satellites]:
    identity = tmp_path / "identity.json"
    NodeIdentity(str(identity)).create_keys()
    command = [sys.executable, "-m", "tests.unit.outbox_satellite", hub.url, str(identity)]
    with started(
        command, seconds=_PROGRAM_SECONDS, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT
    ) as process:
        yield Satellites(process, hub, tmp_path, request.param)


def in_order_of_first(numbers: list[int]) -> list[int]:
    return list(dict.fromkeys(numbers))


def test_what_a_killed_satellite_accepted_arrives_in_order(satellites: Satellites) -> None:
    waited, sent = range(1, _WAITED + 1), range(_WAITED + 1, _WAITED + _SENT + 1)
    step, has_ended = 1, False
    while not has_ended:
        path = satellites.outbox(*waited)
        accepted, has_ended = satellites.run(path, step, *sent)
        rest, is_empty = satellites.run(path, 0, *range(100, 102))
        assert is_empty and rest == [100, 101]
        arrived = satellites.arrived()
        satellites.check([*waited, *accepted, *rest], arrived, step)
        step += _EVERY
    assert step > 150
