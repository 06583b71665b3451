"""Run the benchmark: this library beside hivemind-bus-client 0.9.2a1 (benchmarks/README.md)."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict
from pathlib import Path

from hivebench.fanout import fanout
from hivebench.groups import QUICK, Effort, Json, codec, connection, start
from hivebench.hubs import HUB_VERSION, embedded_hub, real_hub
from hivebench.names import names
from hivebench.noise import noise
from hivebench.path import path
from hivebench.results import SECONDS, Row, Sample, machine_facts, table, write_json
from hivebench.sides import (
    ASYNC_REFERENCE_VERSION,
    BENCHMARKS,
    REFERENCE_VERSION,
    BenchError,
    Side,
    async_reference,
    by_names,
    ours,
    reference,
)

GROUPS = ("codec", "path", "names", "start", "connect", "noise", "fanout", "hub")
#: A hub of its own takes many seconds to start, more than a quick run may take.
QUICK_GROUPS = ("codec", "start", "connect")
#: Groups that an older reference has no client for.
_NEWER = {"path", "names", "noise", "fanout"}
LATEST = BENCHMARKS / "results" / "latest.json"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print the table, write the JSON. Returns 1 if a row failed; no timing makes it fail."""
    options = _parser().parse_args(arguments)
    effort = QUICK if options.quick else Effort()
    groups = options.only or (QUICK_GROUPS if options.quick else GROUPS)
    facts: Json = {}
    with tempfile.TemporaryDirectory(prefix="hivemind-bench-", ignore_cleanup_errors=True) as home:
        own = ours(Path(home))
        rows = []
        if set(groups) - _NEWER:
            sides = [own] if options.ours_only else [own, reference(Path(home))]
            rows += _measure(groups, sides, effort, facts)
        if set(groups) & _NEWER:
            rows += _measure_newer(
                groups, own, [] if options.ours_only else [async_reference(Path(home))], effort
            )
    machine = machine_facts()
    print(_heading(machine), table(rows), sep="\n\n")
    content = {
        "machine": machine,
        "reference_version": REFERENCE_VERSION,
        "async_reference_version": ASYNC_REFERENCE_VERSION,
        "effort": asdict(effort),
        "sides": facts,
        "rows": [row.as_json() for row in rows],
    }
    write_json(options.json, content)
    return int(any(row.failed for row in rows))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="a smoke test of seconds; its numbers are coarse"
    )
    parser.add_argument("--only", type=_groups, help=f"groups to run, comma separated: {', '.join(GROUPS)}")
    parser.add_argument("--ours-only", action="store_true", help="leave the reference out")
    parser.add_argument(
        "--json", type=Path, default=LATEST, help="where the results go (default: %(default)s)"
    )
    return parser


def _groups(text: str) -> tuple[str, ...]:
    asked = tuple(name.strip() for name in text.split(","))
    unknown = [name for name in asked if name not in GROUPS]
    if unknown:
        raise argparse.ArgumentTypeError(f"no group {', '.join(unknown)}; there are {', '.join(GROUPS)}")
    return asked


def _measure(groups: Sequence[str], sides: Sequence[Side], effort: Effort, facts: Json) -> Iterator[Row]:
    if "codec" in groups:
        yield from _guarded("codec", codec(sides, effort, facts))
    if "start" in groups:
        yield from _guarded("start", start(sides, effort, facts))
    if "connect" in groups:
        yield from _guarded(
            "connect", _on_hub("connect", "embedded hub", embedded_hub(sides[0]), sides, effort)
        )
    if "hub" in groups:
        yield from _guarded("hub", _on_hub("hub", f"hub {HUB_VERSION}", real_hub(), sides, effort))


def _measure_newer(groups: Sequence[str], own: Side, others: list[Side], effort: Effort) -> Iterator[Row]:
    sides = [own, *others]
    if "path" in groups:
        yield from _guarded("path", path(sides, effort))
    if "names" in groups:
        yield from _guarded("names", names([own, by_names(own.home.parent), *others], effort))
    if "noise" in groups:
        yield from _guarded("noise", noise(sides, effort))
    if "fanout" in groups:
        yield from _guarded("fanout", fanout(own, sides, effort))


def _on_hub(
    group: str, name: str, hub: AbstractContextManager[Json], sides: Sequence[Side], effort: Effort
) -> Iterator[Row]:
    # Making the RSA keys takes up to seconds and happens once in a node's life.
    for side in sides:
        side.ask("keys")
    with hub as target:
        yield from connection(group, name, target, sides, effort)


def _guarded(group: str, rows: Iterator[Row]) -> Iterator[Row]:
    print(f"{group} …", file=sys.stderr)
    try:
        yield from rows
    except BenchError as error:
        yield Row(group, f"the group {group}", SECONDS, Sample(error=str(error)))


def _heading(machine: Json) -> str:
    return (
        f"hivemind-core-client beside hivemind-bus-client {REFERENCE_VERSION} "
        f"(path, names, asyncio, noise: {ASYNC_REFERENCE_VERSION})\n"
        "medians; ratio = how many times less ours needs, or more it does\n"
        f"{machine['implementation']} {machine['python']}, {machine['cpu_count']} CPUs ({machine['cpu']}), "
        f"{machine['platform']}"
    )


if __name__ == "__main__":
    sys.exit(main())
