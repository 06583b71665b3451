"""The group `names`: this library by its own names, and by those of the reference client, in turns.

Nothing may be lost by the names of compat/. The reference 1.2.12a1 is measured beside them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from typing import Any

from hivebench.groups import (
    Effort,
    collect,
    connect_all,
    import_client,
    import_package,
    picked,
    timed_statement,
)
from hivebench.hubs import embedded_hub, path_peer
from hivebench.path import KINDS, WAYS, ask, note
from hivebench.results import BYTES, CALLS, SECONDS, Row, Sample
from hivebench.sides import BENCHMARKS, BenchError, Side, Worker

Json = dict[str, Any]

#: The worker of each side, by the name of the side.
_SCRIPTS = {
    "ours": ("path_ours.py",),
    "names": ("path_ours.py", "names"),
    "reference": ("path_reference.py",),
}


def names(sides: Sequence[Side], effort: Effort) -> Iterator[Row]:
    """Imports, connections, calls and times, one after the other."""
    yield from _imports(sides, effort)
    for side in sides:
        side.ask("keys")
    with embedded_hub(sides[0]) as target:
        yield from _connections(sides, target, effort)
    with path_peer(sides[0]) as target:
        for kind in KINDS:
            yield from _calls(sides, kind, target)
        for kind in KINDS:
            yield from _times(sides, kind, target, effort)


def _imports(sides: Sequence[Side], effort: Effort) -> Iterator[Row]:
    measures: dict[str, Callable[[Side], float]] = {
        "import the package": import_package,
        "import HiveMessage": lambda side: timed_statement(
            side, f"from {side.package}.message import HiveMessage"
        ),
        "import NodeIdentity": lambda side: timed_statement(
            side, f"from {side.package}.identity import NodeIdentity"
        ),
        "import HiveMessageBusClient": import_client,
    }
    for name, measure in measures.items():
        samples = {side.name: Sample() for side in sides}
        # The first round is not counted: it writes the bytecode.
        for repeat in range(effort.starts + 1):
            for side in sides:
                collect(samples[side.name], lambda side=side, m=measure: m(side), counted=repeat > 0)
        yield _row(name, SECONDS, samples)


def _connections(sides: Sequence[Side], target: Json, effort: Effort) -> Iterator[Row]:
    answers = connect_all(target, sides, effort)
    for name, unit, value in (
        ("constructor to handshake done, embedded hub", SECONDS, lambda answer: answer["seconds"]),
        ("idle connected client, USS", BYTES, lambda answer: answer["memory"]["idle"]["uss"]),
    ):
        yield _row(name, unit, {side: picked(found, value) for side, found in answers.items()})


def _calls(sides: Sequence[Side], kind: str, target: Json) -> Iterator[Row]:
    samples = {(way.name, side.name): Sample() for way in WAYS for side in sides}
    for side in sides:
        script, *options = _SCRIPTS[side.name]
        if side.name == "reference":
            continue
        command = [side.python, str(BENCHMARKS / script), kind, json.dumps(target), *options, "calls"]
        try:
            found = json.loads(side.run(command).splitlines()[-1])
        except BenchError as error:
            found = {way.name: {"error": str(error)} for way in WAYS}
        for way in WAYS:
            sample = samples[way.name, side.name]
            sample.error = found[way.name].get("error", "")
            sample.values += [] if sample.error else [found[way.name]["number"]]
    for way in WAYS:
        own = {side.name: samples[way.name, side.name] for side in sides}
        yield _row(f"{way.title}, {kind}: Python calls of ours", CALLS, own)


def _times(sides: Sequence[Side], kind: str, target: Json, effort: Effort) -> Iterator[Row]:
    samples = {(way.name, side.name): Sample() for way in WAYS for side in sides}
    with ExitStack() as stack:
        workers: dict[str, Worker] = {}
        for side in sides:
            script, *options = _SCRIPTS[side.name]
            arguments = [kind, json.dumps(target), *options]
            worker = stack.enter_context(Worker(side, f"names-{kind}", script, arguments))
            workers[side.name] = worker
            note(worker.answer(), [samples[way.name, side.name] for way in WAYS])
        # The first round is not counted: it fills caches.
        for repeat in range(2 * effort.repeats + 1):
            for way in WAYS:
                for name, worker in workers.items():
                    count = effort.path_messages // (4 if name == "reference" else 1)
                    ask(worker, way.name, count, samples[way.name, name], counted=repeat > 0)
    for way in WAYS:
        own = {side.name: samples[way.name, side.name] for side in sides}
        yield _row(f"{way.title}, {kind}", SECONDS, own)


def _row(name: str, unit: str, samples: dict[str, Sample]) -> Row:
    return Row("names", name, unit, samples["ours"], samples.get("reference"), by_names=samples["names"])
