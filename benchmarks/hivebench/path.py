"""The group `path`: a message from `emit` to the socket, and from a frame to the user's handler.

Beside the reference and beside a loop by hand, all of them connected to one peer, asked in turns.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from hivebench.groups import Effort
from hivebench.hubs import path_peer
from hivebench.results import CALLS, SECONDS, Row, Sample
from hivebench.sides import BENCHMARKS, BenchError, Side, Worker

Json = dict[str, Any]

KINDS = ("threads", "asyncio")
#: What is aimed at: calls of ours, and our processor time for each second of the loop by hand.
_CALLS_UP, _CALLS_DOWN = 45, 50
_UP_WITH_SPEED, _UP_WITHOUT = 1.0, 1.3
_DOWN = {"threads": 0.5, "asyncio": 0.8}
_BY_HAND, _REFERENCE, _FAST, _PLAIN = "by hand", "reference", "with speed", "without speed"


@dataclass(frozen=True)
class Way:
    """One direction: `up` is `emit`."""

    name: str
    title: str
    calls: int

    def aim(self, kind: str, fast: bool) -> float | None:
        """The most of the time of the loop by hand."""
        if self.name == "up":
            return _UP_WITH_SPEED if fast else _UP_WITHOUT
        return _DOWN[kind] if fast else None


WAYS = (Way("up", "emit", _CALLS_UP), Way("down", "receive", _CALLS_DOWN))


def path(sides: Sequence[Side], effort: Effort) -> Iterator[Row]:
    """The calls first, then the times."""
    ours = sides[0]
    for side in sides:
        side.ask("keys")
    with path_peer(ours) as target:
        for kind in KINDS:
            yield from _count(ours, kind, target)
        for kind in KINDS:
            yield from _time(sides, kind, target, effort)


def _count(ours: Side, kind: str, target: Json) -> Iterator[Row]:
    command = [ours.python, str(BENCHMARKS / "path_ours.py"), kind, json.dumps(target), "calls"]
    try:
        found = json.loads(ours.run(command).splitlines()[-1])
    except BenchError as error:
        yield Row("path", f"{kind}: calls", CALLS, Sample(error=str(error)))
        return
    for way in WAYS:
        answer = found[way.name]
        sample = Sample([answer["number"]], facts={"where": answer["where"]})
        yield Row("path", f"{way.title}, {kind}: Python calls of ours", CALLS, sample, aim=way.calls)


def _time(sides: Sequence[Side], kind: str, target: Json, effort: Effort) -> Iterator[Row]:
    ours = sides[0]
    commands: dict[str, tuple[Side, list[str]]] = {
        _BY_HAND: (ours, ["path_by_hand.py"]),
        _FAST: (ours, ["path_ours.py"]),
        _PLAIN: (ours, ["path_ours.py", "plain"]),
    }
    if len(sides) > 1:
        commands[_REFERENCE] = (sides[1], ["path_reference.py"])
    with ExitStack() as stack:
        workers: dict[str, Worker] = {}
        samples = {(way.name, name): Sample() for way in WAYS for name in commands}
        for name, (side, (script, *options)) in commands.items():
            arguments = [kind, json.dumps(target), *options]
            workers[name] = worker = stack.enter_context(Worker(side, f"path-{name}", script, arguments))
            note(worker.answer(), [samples[way.name, name] for way in WAYS])
        # The first round is not counted: it fills caches.
        for repeat in range(effort.repeats + 1):
            for way in WAYS:
                for name, worker in workers.items():
                    count = effort.path_messages // (4 if name == _REFERENCE else 1)
                    ask(worker, way.name, count, samples[way.name, name], counted=repeat > 0)
    for way in WAYS:
        for name in (_FAST, _PLAIN):
            yield Row(
                "path",
                f"{way.title}, {kind}, {name}",
                SECONDS,
                samples[way.name, name],
                samples.get((way.name, _REFERENCE)),
                by_hand=samples[way.name, _BY_HAND],
                aim=way.aim(kind, name == _FAST),
            )


def ask(worker: Worker, way: str, count: int, sample: Sample, counted: bool) -> None:
    """Have a worker send or get messages, and note what each took."""
    if sample.error:
        return
    try:
        answer = worker.ask({"way": way, "count": count})
    except BenchError as error:
        sample.error = str(error)
        return
    note(answer, [sample])
    if counted and not sample.error:
        sample.values.append(answer["per_call"])


def note(answer: Json, samples: Sequence[Sample]) -> None:
    """Note that a worker could not do something."""
    for sample in samples:
        sample.error = answer.get("error", "")
