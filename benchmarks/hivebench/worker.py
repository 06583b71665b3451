"""What both workers share: the talk with the runner, and the stopwatch. Standard library only.

`WORKER codec` answers one JSON line on stdout for each JSON line on stdin. `WORKER connect` reads one line, connects
once and answers one line. `WORKER keys` makes the node's RSA keys.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import metadata
from typing import Any, TextIO

from hivebench.cases import Case

Json = dict[str, Any]
Call = Callable[[], object]

_IDLE_SECONDS = 0.5
_WARM_UP_CALLS = 5


@dataclass(frozen=True)
class Prepared:
    """The call to time, the size of its sealed frame (bytes on the wire) and the cipher and encoding used."""

    call: Call
    frame_size: int
    cipher: str
    encoding: str


class Side(ABC):
    """One client library under test. Nothing of it may be imported before it is needed."""

    #: Distributions whose versions belong into the report.
    packages: tuple[str, ...]

    @abstractmethod
    def load(self) -> None:
        """Import the client."""

    @abstractmethod
    def create_keys(self) -> None:
        """Make and keep this node's RSA keys, so that no connection has to."""

    @abstractmethod
    def prepare(self, case: Case) -> Prepared:
        """The call of a case. Raises RuntimeError if what it opens differs from what was sealed."""

    @abstractmethod
    def connect(self, target: Json) -> Call:
        """Make a client and return once its handshake is done; the result closes it.

        `target` has `host`, `port`, `key` and `password`. Raises RuntimeError if no key was agreed on.
        """


def main(side: Side) -> int:
    """Run the mode that the command line names."""
    mode = sys.argv[1]
    answers = take_stdout()
    if mode == "codec":
        _serve(side, sys.stdin, answers)
    elif mode == "keys":
        side.create_keys()
        _answer(answers, {"created": True})
    else:
        _answer(answers, _connect(side, json.loads(sys.stdin.readline())))
    # The reference leaves threads behind that keep a process alive.
    answers.flush()
    os._exit(0)


def memory() -> Json:
    """`rss` and `uss` of this process in bytes; empty where the system does not tell (not Linux)."""
    try:
        with open("/proc/self/smaps_rollup", encoding="ascii") as lines:
            fields = [line.split() for line in lines]
    except OSError:
        return {}
    sizes = {words[0].rstrip(":"): int(words[1]) * 1024 for words in fields if words[-1] == "kB"}
    return {"rss": sizes["Rss"], "uss": sizes["Private_Clean"] + sizes["Private_Dirty"]}


def versions(packages: Iterable[str]) -> dict[str, str]:
    """Installed versions by distribution; what is not installed is left out."""
    found = {}
    for name in packages:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def check(expected: object, seen: object, what: str) -> None:
    """Raises RuntimeError if what came out is not what went in: a wrong result has no speed."""
    if expected != seen:
        raise RuntimeError(f"{what}: what was opened differs from what was sealed")


def take_stdout() -> TextIO:
    """The stream for answers."""
    # OVOS logs to stdout: the answers get the descriptor, and everything else goes to stderr.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return answers


def _answer(answers: TextIO, content: Json) -> None:
    answers.write(json.dumps(content) + "\n")
    answers.flush()


def _serve(side: Side, questions: Iterable[str], answers: TextIO) -> None:
    side.load()
    _answer(answers, {"python": sys.version.split()[0], "packages": versions(side.packages)})
    name, prepared = "", None
    for line in questions:
        question = json.loads(line)
        case = Case(**question["case"])
        try:
            if prepared is None or name != case.name:
                name, prepared = case.name, side.prepare(case)
            _answer(answers, _timed(prepared, question["seconds"], question["number"]))
        except Exception as error:  # the report shows which case failed and why; the others go on
            name, prepared = "", None
            _answer(answers, {"error": f"{type(error).__name__}: {error}"})


def _timed(prepared: Prepared, seconds: float, number: int) -> Json:
    number = number or _autorange(prepared.call, seconds)
    gc.collect()
    return {
        "number": number,
        "per_call": _clock(prepared.call, number) / number,
        "frame_size": prepared.frame_size,
        "cipher": prepared.cipher,
        "encoding": prepared.encoding,
    }


def _autorange(call: Call, seconds: float) -> int:
    # The first calls import and fill caches, and would pass for a slow case.
    for _ in range(_WARM_UP_CALLS):
        call()
    number = 1
    while True:
        taken = _clock(call, number)
        if taken >= seconds / 4:
            return max(1, round(number * seconds / taken))
        number *= 4


def _clock(call: Call, number: int) -> float:
    rounds = range(number)
    started = time.perf_counter()
    for _ in rounds:
        call()
    return time.perf_counter() - started


def _connect(side: Side, target: Json) -> Json:
    bare = memory()
    side.load()
    loaded = memory()
    started = time.perf_counter()
    close = side.connect(target)
    seconds = time.perf_counter() - started
    connected_at = time.time()
    time.sleep(_IDLE_SECONDS)
    gc.collect()
    idle = memory()
    close()
    return {
        "seconds": seconds,
        "connected_at": connected_at,
        "memory": {"bare": bare, "loaded": loaded, "idle": idle},
    }
