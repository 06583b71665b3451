"""A fleet of asyncio clients over several processes: what clients, hub and broker need (benchmarks/README.md)."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from hivebench.hubs import KEY, embedded_hub, real_hub
from hivebench.results import Json, machine_facts, write_json
from hivebench.sides import BENCHMARKS, BenchError, Side, Worker, ours
from hivebench.watched import Use, children, use

EMBEDDED, MQTT = "embedded", "mqtt"
LATEST = BENCHMARKS / "results" / "fleet.json"
_REST_SECONDS = 30.0
_BUDGET = 600.0


@dataclass(frozen=True)
class Place:
    """Where a fleet connects: an address for each process, the access keys, and what to watch, by its command line."""

    targets: list[Json]
    keys: list[str]
    watched: dict[str, str]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print the table, write the JSON. Returns 1 if not all connected, or not all were answered."""
    options = _parser().parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="hivemind-bench-", ignore_cleanup_errors=True) as home:
        side = ours(Path(home))
        with _real(options) if options.hub != EMBEDDED else _embedded(side, options) as place:
            result = _measure(side, place, options)
    content = {"machine": machine_facts(), "options": vars(options) | {"json": str(options.json)}, **result}
    write_json(options.json, content)
    print(_table(result))
    return int(result["connected"] < options.clients or result["asking"]["answers"] == 0)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=1000, help="of all processes (default: %(default)s)")
    parser.add_argument("--processes", type=int, default=2, help="of clients (default: %(default)s)")
    parser.add_argument(
        "--abreast",
        type=int,
        default=8,
        help="clients of a process that connect at a time (default: %(default)s)",
    )
    parser.add_argument("--hubs", type=int, default=1, help="embedded hubs (default: %(default)s)")
    parser.add_argument(
        "--hub",
        default=EMBEDDED,
        help="embedded, the version of a real one, or mqtt for the real one behind mosquitto (default: %(default)s)",
    )
    parser.add_argument("--each", type=int, default=3, help="questions of a client (default: %(default)s)")
    parser.add_argument("--json", type=Path, default=LATEST, help="for the results (default: %(default)s)")
    return parser


@contextmanager
def _embedded(side: Side, options: argparse.Namespace) -> Iterator[Place]:
    most = options.clients // options.hubs + options.processes
    with ExitStack() as stack:
        targets = [stack.enter_context(embedded_hub(side, most)) for _ in range(options.hubs)]
        around = [targets[number % options.hubs] for number in range(options.processes)]
        yield Place(around, [KEY], {"hub": "embedded_hub.py"})


@contextmanager
def _real(options: argparse.Namespace) -> Iterator[Place]:
    """One hub of tests/interop, in which each client has an account of its own."""
    keys = [f"fleet-{number}-key" for number in range(options.clients)]
    mqtt = options.hub == MQTT
    with real_hub(options.hub, keys, mqtt=mqtt) as target:
        watched = {"hub": "hivemind-core listen", **({"broker": "mosquitto"} if mqtt else {})}
        yield Place([target] * options.processes, keys, watched)


def _measure(side: Side, place: Place, options: argparse.Namespace) -> Json:
    watched = {name: children(marker) for name, marker in place.watched.items()}
    with ExitStack() as stack:
        workers = [
            stack.enter_context(Worker(side, f"fleet{number}", "fleet_crowd.py"))
            for number in range(options.processes)
        ]
        pool = stack.enter_context(ThreadPoolExecutor(options.processes))

        def all_do(questions: Sequence[Json]) -> Json:
            before, began = {name: use(pids) for name, pids in watched.items()}, time.perf_counter()
            answers = list(pool.map(lambda pair: pair[0].ask(pair[1]), zip(workers, questions)))
            seconds = time.perf_counter() - began
            after = {name: use(pids) for name, pids in watched.items()}
            return _summed(answers, seconds, before, after)

        connecting = all_do(_connect_questions(place, options))
        resting = all_do([{"do": "rest", "seconds": _REST_SECONDS}] * options.processes)
        asking = all_do([{"do": "ask", "each": options.each}] * options.processes)
    return {
        "connected": connecting["connected"],
        "connecting": connecting,
        "resting": resting,
        "asking": asking,
    }


def _connect_questions(place: Place, options: argparse.Namespace) -> list[Json]:
    """Each process gets its share of the clients, and of the keys."""
    number, processes = options.clients, options.processes
    shares = [number // processes + (at < number % processes) for at in range(processes)]
    return [
        {
            "do": "connect",
            "target": place.targets[at],
            "keys": place.keys[at::processes] or place.keys,
            "count": shares[at],
            "abreast": options.abreast,
            "budget": _BUDGET,
        }
        for at in range(processes)
    ]


def _summed(answers: list[Json], seconds: float, before: dict[str, Use], after: dict[str, Use]) -> Json:
    errors = [answer["error"] for answer in answers if "error" in answer]
    good = [answer for answer in answers if "error" not in answer]
    summed: Json = {"seconds": seconds, "cpu": sum(answer["cpu"] for answer in good)}
    for name in ("connected", "refused", "memory", "answers", "missing"):
        summed[name] = sum(answer.get(name, 0) for answer in good)
    for name in ("median", "slowest", "spent"):
        summed[name] = max((answer[name] for answer in good if name in answer), default=None)
    for name, used in after.items():
        summed[name] = {
            "cpu": used.cpu - before[name].cpu,
            "memory": used.memory - before[name].memory,
            "threads": used.threads,
        }
    return {**summed, "error": errors[0]} if errors else summed


def _table(result: Json) -> str:
    number = max(1, result["connected"])
    connecting, resting, asking = result["connecting"], result["resting"], result["asking"]
    others = [name for name, value in connecting.items() if isinstance(value, dict)]
    lines = [
        ("connected", f"{result['connected']} in {connecting['seconds']:.1f} s"),
        ("attempts that failed", str(connecting["refused"])),
        ("sessions a second", f"{number / connecting['seconds']:.1f}"),
        ("computing for a session, client", _milliseconds(connecting["cpu"] / number)),
        *((f"… {name}", _milliseconds(connecting[name]["cpu"] / number)) for name in others),
        ("memory of a client", f"{connecting['memory'] / number / 1024:.1f} KiB"),
        *(
            (f"… of it at the {name}", f"{connecting[name]['memory'] / number / 1024:.1f} KiB")
            for name in others
        ),
        *((f"threads of the {name}", str(connecting[name]["threads"])) for name in others),
        ("computing at rest, for a client and minute", _at_rest(resting["cpu"], number)),
        *((f"… {name}", _at_rest(resting[name]["cpu"], number)) for name in others),
    ]
    if asking["answers"]:
        lines += [
            ("questions answered a second", f"{asking['answers'] / asking['spent']:.0f}"),
            ("questions without an answer", str(asking["missing"])),
            ("computing for a question, client", _milliseconds(asking["cpu"] / asking["answers"])),
            *((f"… {name}", _milliseconds(asking[name]["cpu"] / asking["answers"])) for name in others),
        ]
    lines += [("failed", part["error"]) for part in (connecting, resting, asking) if "error" in part]
    return "\n".join(["| of all clients together | |", "|---|--:|", *(f"| {a} | {b} |" for a, b in lines)])


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.2f} ms"


def _at_rest(seconds: float, number: int) -> str:
    return _milliseconds(seconds / number * 60 / _REST_SECONDS)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except BenchError as error:
        sys.exit(str(error))
