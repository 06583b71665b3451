"""Search long for an input that a parser fails with: `python -m tests.hostile.fuzz`, or `make fuzz`.

Guided by coverage with atheris where that is installed, else by chance. Every parser has its own process. Ends with 1
where one failed; its input is kept in `.cache/fuzz/faults`. What was found on the way is kept in `.cache/fuzz/NAME` for
the next run, and `--update-corpus` takes the best of it into the repository.
"""

from __future__ import annotations

import argparse
import importlib
import logging
import os
import random
import re
import secrets
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from typing import Optional

from .fuzzing import CACHE, LONGEST, Report, corpus, corpus_file, feed, keep_fault
from .parsers import FOUR, PARSERS, Parser, as_line

_ROOT = Path(__file__).resolve().parents[2]
_EXECUTIONS = re.compile(r"stat::number_of_executed_units:\s*(\d+)")
_FAULT = re.compile(r"Test unit written to (\S+)")
#: Packages whose coverage guides the search.
_MEASURED = ("hivemind_core_client", "urllib3", "http")
#: What of a search is taken into the repository: inputs of this many bytes at most, and so many for each parser.
_SHORT_BYTES, _MOST_INPUTS = 400, 150


def main() -> int:
    """The exit code."""
    asked = _arguments()
    if asked.one is not None:
        _search_here(PARSERS[asked.one], asked.seconds, asked.runs)
        return 0
    names = asked.parsers.split(",")
    with ThreadPoolExecutor(asked.jobs) as pool:
        reports = list(pool.map(lambda name: search(PARSERS[name], asked.seconds, asked.runs), names))
    for report in reports:
        print(report)
        if report.fault:
            print(report.fault)
    print(f"{sum(report.executions for report in reports):,} executions in all")
    if asked.update_corpus:
        for name in names:
            update_corpus(PARSERS[name])
    return 1 if any(report.fault for report in reports) else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.hostile.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=int, default=60, help="how long each parser is fed (default 60)")
    parser.add_argument("--runs", type=int, help="how often each parser is called at most")
    parser.add_argument(
        "--parsers", default=",".join(PARSERS), help=f"default: {','.join(PARSERS)}; {','.join(FOUR)}"
    )
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="how many are fed at a time")
    parser.add_argument(
        "--update-corpus", action="store_true", help="take what was found into the repository"
    )
    parser.add_argument("--one", help=argparse.SUPPRESS)
    return parser.parse_args()


def search(parser: Parser, seconds: int, runs: Optional[int]) -> Report:
    """Feed a parser in a process of its own. Bounded: it is ended a minute after its time."""
    found = CACHE / parser.name
    found.mkdir(parents=True, exist_ok=True)
    for data in corpus(parser):
        (found / sha256(data).hexdigest()[:32]).write_bytes(data)
    command = [sys.executable, "-m", "tests.hostile.fuzz", "--one", parser.name, "--seconds", str(seconds)]
    if runs is not None:
        command += ["--runs", str(runs)]
    began = time.monotonic()
    try:
        done = subprocess.run(command, cwd=_ROOT, capture_output=True, timeout=seconds + 60, check=False)
    except subprocess.TimeoutExpired:
        return Report(parser.name, 0, seconds, "it did not end in time: an input takes very long")
    output = (done.stdout + done.stderr).decode("utf-8", "replace")
    executions = _EXECUTIONS.search(output)
    report = Report(parser.name, int(executions[1]) if executions else 0, time.monotonic() - began)
    if done.returncode:
        report.fault = f"it ended with {done.returncode}\n{_kept(parser.name, output)}"
    return report


def _kept(name: str, output: str) -> str:
    written = _FAULT.search(output)
    if written is None:
        return output[-8000:]
    data = Path(written[1]).read_bytes()
    return f"{output[-8000:]}\nthe input is {keep_fault(name, data)}: {as_line(data)}"


def _search_here(parser: Parser, seconds: int, runs: Optional[int]) -> None:
    """Does not return where atheris is installed."""
    logging.disable()
    try:
        import atheris
    except ImportError:
        report = feed(parser, seconds, secrets.randbits(32))
        print(f"stat::number_of_executed_units: {report.executions}")
        if report.fault:
            sys.exit(report.fault)
        return
    (CACHE / parser.name).mkdir(parents=True, exist_ok=True)
    words = CACHE / f"{parser.name}.dict"
    words.write_text("".join(f'"{_escaped(token)}"\n' for token in parser.tokens), encoding="ascii")
    options = [
        f"-max_total_time={seconds}",
        f"-max_len={LONGEST}",
        f"-dict={words}",
        f"-artifact_prefix={CACHE}/{parser.name}-",
        *("-print_final_stats=1", "-verbosity=1", "-timeout=20", "-rss_limit_mb=2048"),
        *([f"-runs={runs}"] if runs is not None else []),
    ]
    with atheris.instrument_imports(include=list(_MEASURED), enable_loader_override=False):
        measured = _imported_again()[parser.name]

    def change(data: bytes, most: int, seed: int) -> bytes:
        chance = random.Random(seed)
        other = measured.change(chance, data) if chance.random() < 0.5 else None
        made: bytes = atheris.Mutate(data, most) if other is None else other
        return made[:most]

    atheris.Setup([sys.argv[0], *options, str(CACHE / parser.name)], measured.read, custom_mutator=change)
    atheris.Fuzz()


def _imported_again() -> dict[str, Parser]:
    """The parsers as atheris looks on: what was imported before that is not measured."""
    for name in list(sys.modules):
        if name.partition(".")[0] in (*_MEASURED, "tests") and name != __name__:
            del sys.modules[name]
    again: dict[str, Parser] = importlib.import_module("tests.hostile.parsers").PARSERS
    return again


def _escaped(token: bytes) -> str:
    return "".join(chr(byte) if byte < 128 and chr(byte).isalnum() else f"\\x{byte:02x}" for byte in token)


def update_corpus(parser: Parser) -> None:
    """Take short inputs that were found, beside those that are kept, as far as they do not fail."""
    short = {
        path.read_bytes() for path in (CACHE / parser.name).iterdir() if path.stat().st_size <= _SHORT_BYTES
    }
    kept = set(corpus(parser)) - set(parser.seeds)
    fresh = sorted(short - kept - set(parser.seeds), key=lambda data: (len(data), data))
    step = max(1, len(fresh) // max(1, _MOST_INPUTS - len(kept)))
    lines = sorted({as_line(data) for data in (*kept, *fresh[::step])})
    corpus_file(parser.name).write_text("".join(f"{line}\n" for line in lines), encoding="ascii")


if __name__ == "__main__":
    sys.exit(main())
