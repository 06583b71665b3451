"""The groups of rows: codec, start, connect and hub. Each function measures both sides in turns."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from typing import Any

from hivebench.cases import Case, codec_cases
from hivebench.results import BYTES, SECONDS, Row, Sample
from hivebench.sides import BenchError, Side, Worker

Json = dict[str, Any]


@dataclass(frozen=True)
class Effort:
    """How much is measured: seconds and repeats of a codec case, process starts, connections, crowds."""

    seconds: float = 0.2
    repeats: int = 5
    starts: int = 10
    our_connections: int = 10
    reference_connections: int = 5
    #: Satellites that connect twice, on either side.
    pairs: int = 5
    #: Clients in one process, messages in each direction, and seconds that connecting them may take.
    crowds: tuple[int, ...] = (1, 100, 1000)
    crowd_messages: int = 2_000
    crowd_budget: float = 120.0
    #: Messages of one measurement of the group `path`.
    path_messages: int = 1_000

    def connections(self, side: Side) -> int:
        """How often this side connects; the reference takes seconds each time."""
        return self.reference_connections if side.name == "reference" else self.our_connections


QUICK = Effort(
    seconds=0.01,
    repeats=2,
    starts=2,
    our_connections=1,
    reference_connections=1,
    pairs=1,
    crowds=(1, 10),
    crowd_messages=500,
    crowd_budget=20.0,
    path_messages=100,
)


def codec(sides: Sequence[Side], effort: Effort, facts: Json) -> Iterator[Row]:
    """Sealing and opening, case by case and repeat by repeat in turns, so that both meet the same machine."""
    with ExitStack() as stack:
        workers = {side.name: stack.enter_context(Worker(side, "codec")) for side in sides}
        for name, worker in workers.items():
            facts[name] = worker.answer()
        for case in codec_cases():
            yield _row("codec", case.name, SECONDS, _codec_samples(workers, case, effort))


def start(sides: Sequence[Side], effort: Effort, _facts: Json) -> Iterator[Row]:
    """Import time, measured inside a fresh interpreter, and the wall time of whole processes.

    Python alone, and with click imported, are what the start of `hivemind-client` is to be compared with.
    """
    for name, measure, ours_only in (
        ("import the package", import_package, False),
        ("import HiveMessageBusClient", import_client, False),
        ("Python alone", _process("python", "-c", "pass"), False),
        ("Python that imports click", _process("python", "-c", "import click"), False),
        ("hivemind-client --help", _process("hivemind-client", "--help"), False),
        # The reference has no such option.
        ("hivemind-client --version", _process("hivemind-client", "--version"), True),
    ):
        measured = [side for side in sides if side.name == "ours" or not ours_only]
        samples: dict[str, Sample] = {side.name: Sample() for side in measured}
        # The first round is not counted: it fills the file cache and writes the bytecode.
        for repeat in range(effort.starts + 1):
            for side in measured:
                collect(samples[side.name], lambda side=side, m=measure: m(side), counted=repeat > 0)
        yield _row("start", name, SECONDS, samples)


def connection(group: str, hub: str, target: Json, sides: Sequence[Side], effort: Effort) -> Iterator[Row]:
    """Connections of fresh processes to one hub, in turns, and (group `connect`) the memory of the idle clients."""
    answers = connect_all(target, sides, effort)
    pick = {
        f"constructor to handshake done, {hub}": lambda answer: answer["seconds"],
        f"process start to handshake done, {hub}": lambda answer: answer["since_spawn"],
    }
    for name, value in pick.items():
        yield _row(group, name, SECONDS, {side: picked(found, value) for side, found in answers.items()})
    if group == "connect":
        yield from _memory_rows(answers)


def _codec_samples(workers: dict[str, Worker], case: Case, effort: Effort) -> dict[str, Sample]:
    samples = {name: Sample() for name in workers}
    numbers = dict.fromkeys(workers, 0)
    for _ in range(effort.repeats):
        for name, worker in workers.items():
            if samples[name].error:
                continue
            answer = worker.ask({"case": asdict(case), "seconds": effort.seconds, "number": numbers[name]})
            _take(samples[name], answer)
            numbers[name] = answer.get("number", 0)
    return samples


def _take(sample: Sample, answer: Json) -> None:
    if "error" in answer:
        sample.error = answer["error"]
        return
    sample.values.append(answer.pop("per_call"))
    sample.facts = answer


def import_package(side: Side) -> float:
    """Seconds, in a fresh interpreter."""
    return timed_statement(side, f"import {side.package}")


def import_client(side: Side) -> float:
    """The same, until the client class is there."""
    return timed_statement(side, f"from {side.package} import HiveMessageBusClient")


def timed_statement(side: Side, statement: str) -> float:
    """Seconds of a statement in a fresh interpreter, whose own start is not counted."""
    code = f"import time; t = time.perf_counter(); {statement}; print(time.perf_counter() - t)"
    # Whatever the package prints on import comes before our line.
    return float(side.run([side.python, "-c", code]).splitlines()[-1])


def _process(script: str, *args: str) -> Callable[[Side], float]:
    """A measurement of a whole process, from start to end."""

    def measure(side: Side) -> float:
        started = time.perf_counter()
        side.run([side.script(script), *args])
        return time.perf_counter() - started

    return measure


def collect(sample: Sample, measure: Any, counted: bool) -> None:
    if sample.error:
        return
    try:
        value = measure()
    except BenchError as error:
        sample.error = str(error)
        sample.values.clear()
        return
    if counted:
        sample.values.append(value)


def connect_all(target: Json, sides: Sequence[Side], effort: Effort) -> dict[str, list[Json]]:
    answers: dict[str, list[Json]] = {side.name: [] for side in sides}
    for repeat in range(max(effort.connections(side) for side in sides)):
        for side in sides:
            failed = any("error" in answer for answer in answers[side.name])
            if repeat < effort.connections(side) and not failed:
                answers[side.name].append(connect(side, target))
    return answers


def connect(side: Side, target: Json) -> Json:
    """One connection of a fresh process: its seconds and memory, or its error."""
    spawned = time.time()
    try:
        answer = side.ask("connect", target)
    except BenchError as error:
        return {"error": str(error)}
    answer["since_spawn"] = answer.pop("connected_at") - spawned
    return answer


def picked(answers: Sequence[Json], value: Any) -> Sample:
    errors = [answer["error"] for answer in answers if "error" in answer]
    if errors:
        return Sample(error=errors[0])
    return Sample([value(answer) for answer in answers])


def _memory_rows(answers: dict[str, list[Json]]) -> Iterator[Row]:
    known = [answer for found in answers.values() for answer in found if "error" not in answer]
    if not all(answer["memory"]["idle"] for answer in known):
        return
    for kind in ("uss", "rss"):
        for name, base in (
            ("whole process", ""),
            ("beyond bare Python", "bare"),
            ("beyond the import", "loaded"),
        ):
            samples = {side: picked(found, _memory(kind, base)) for side, found in answers.items()}
            yield _row("connect", f"idle connected client, {kind.upper()}, {name}", BYTES, samples)


def _memory(kind: str, base: str) -> Any:
    def value(answer: Json) -> float:
        stages = answer["memory"]
        return float(stages["idle"][kind] - (stages[base][kind] if base else 0))

    return value


def _row(group: str, name: str, unit: str, samples: dict[str, Sample]) -> Row:
    return Row(group, name, unit, samples["ours"], samples.get("reference"))
