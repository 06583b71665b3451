"""Clients in processes of their own, under a hub that is hostile: `python -m tests.hostile.driver KIND GOOD_HUB`.

For each task a process connects, does what it is told while the session stands, closes, and prints one JSON object of
what came of it. What it costs is measured here: memory, what was left behind, and how long an event loop was held.
"""

from __future__ import annotations

import asyncio
import gc
import itertools
import json
import logging
import os
import resource
import secrets
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Callable, NoReturn, Optional

from ovos_bus_client.message import Message

from hivemind_core_client import Deadlines, HiveMessageBusClient, HiveMindError, HiveMindHTTPClient, Polling
from tests.unit.client_support import QUICK, ask, login, until

#: More than any client may need: beyond it, MemoryError is the outcome, and the machine lives on.
_MOST_MEMORY_BYTES = 3 * 2**30
#: How long a task may take, in seconds.
LONGEST_TASK_S = 90.0
_TICK_S = 0.002
#: How long what is left behind may take to go, in seconds.
_TIDY_S = 5.0
#: How long the process is watched after `close`, in seconds.
_WATCHED_S = 0.5


class Logged(logging.Handler):
    """Counts what is logged, and keeps the first records that carry a traceback."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.records = 0
        self.tracebacks: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records += 1
        if record.exc_info:
            self.tracebacks.append(self.format(record))


class Lag:
    """The longest time for which a loop's thread was busy, in seconds of its CPU, before a timer had its turn."""

    def __init__(self) -> None:
        self.longest = 0.0

    async def watch(self) -> None:
        before = time.thread_time()
        while True:
            await asyncio.sleep(_TICK_S)
            now = time.thread_time()
            self.longest = max(self.longest, now - before)
            before = now


def main() -> None:
    """Get ready, and fork for each task, a line of JSON on the input; what is imported and made once is paid once."""
    kind, good = sys.argv[1:]
    logged = Logged()
    root = logging.getLogger()
    root.addHandler(logged)
    root.setLevel(logging.INFO)
    _warm_up(kind, good)
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            _do(json.loads(line), logged)
        print(json.dumps({}) if _ended(child) else "null", flush=True)


def _do(task: dict[str, Any], logged: Logged) -> NoReturn:
    """Print the outcome of one task, in the child that has it alone."""
    resource.setrlimit(resource.RLIMIT_AS, (_MOST_MEMORY_BYTES, _MOST_MEMORY_BYTES))
    logged.records = 0
    logged.tracebacks.clear()
    outcome = _met(task)
    outcome["records"], outcome["tracebacks"] = logged.records, logged.tracebacks[:2]
    print(json.dumps(outcome), flush=True)
    os._exit(0)  # a thread that hangs has been reported


def _ended(child: int) -> bool:
    """Whether a child has ended by itself and in time; it is ended if not."""
    end = time.monotonic() + LONGEST_TASK_S
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return status == 0
        threading.Event().wait(0.02)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return False


def _client(kind: str, host: str, deadlines: Deadlines) -> Any:
    options = login(host, backoff=QUICK, deadlines=deadlines, self_signed=True)
    if kind == "asyncio":
        from tests.unit.aio_support import OnLoop

        return OnLoop(**options)
    if kind == "http":
        return HiveMindHTTPClient(polling=Polling(0.01, 0.05), websocket_ping_timeout=20.0, **options)
    return HiveMessageBusClient(**options)


def _end(kind: str, client: Any) -> None:
    client.end() if kind == "asyncio" else client.close()


def _warm_up(kind: str, good: str) -> None:
    """Meet a good hub first."""
    client = _client(kind, good, Deadlines())
    client.connect()
    ask(client)
    _end(kind, client)
    until(lambda: not _threads(set()), _TIDY_S)
    gc.collect()
    gc.freeze()  # or each full collection looks at all that was imported, which holds a loop for 45 ms


def _met(task: dict[str, Any]) -> dict[str, Any]:
    """What comes of meeting the hostile hub."""
    known, descriptors, memory = set(threading.enumerate()), _descriptors(), _memory_reset()
    client = _client(task["kind"], task["hostile"], Deadlines(**task["deadlines"]))
    lag = Lag()
    outcome: dict[str, Any] = {"errors": []}
    with _watched(client, lag):
        began = time.monotonic()
        outcome["outcome"] = _named(client.connect)
        outcome["connect_s"] = time.monotonic() - began
        outcome["said"] = str(client.last_error)[:200]
        if not outcome["outcome"]:
            _stay(client, task, outcome)
        began = time.monotonic()
        outcome["state"] = client.state
        outcome["closing"] = _named(client.close)
        outcome["close_s"] = time.monotonic() - began
    outcome["lag_ms"] = lag.longest * 1000
    _measure_after(outcome)
    if task["kind"] == "asyncio":
        with suppress(AssertionError):
            client.end()
    del client
    outcome["threads"] = (until(lambda: not _threads(known), _TIDY_S) and []) or _threads(known)
    gc.collect()
    until(lambda: _descriptors() <= descriptors, _TIDY_S)
    outcome["descriptors"] = _descriptors() - descriptors
    outcome["memory_mib"] = (_status("VmHWM") - memory) / 1024
    return outcome


def _measure_after(outcome: dict[str, Any]) -> None:
    """How much of a CPU is used once `close` has returned."""
    began = time.process_time()
    threading.Event().wait(_WATCHED_S)
    outcome["busy_after"] = (time.process_time() - began) / _WATCHED_S


@contextmanager
def _watched(client: Any, lag: Lag) -> Iterator[None]:
    loop: Optional[asyncio.AbstractEventLoop] = getattr(client, "loop", None)
    if loop is None:
        yield
        return
    watching = asyncio.run_coroutine_threadsafe(lag.watch(), loop)
    try:
        yield
    finally:
        watching.cancel()


def _stay(client: Any, task: dict[str, Any], outcome: dict[str, Any]) -> None:
    """Send now and then while the session stands, or tries to, for as long as was asked for."""
    received = itertools.count()
    client.on("message", lambda message: next(received))
    errors: dict[str, int] = {}
    padding = secrets.token_hex(task.get("size", 0) // 2)  # which no compression makes short
    end = time.monotonic() + task["stay"]
    while time.monotonic() < end:
        name = _named(lambda: client.emit(Message("still.there", {"padding": padding})))
        errors[name] = errors.get(name, 0) + 1
        threading.Event().wait(0.05)
    outcome["errors"] = sorted(name for name in errors if name)
    outcome["sent"], outcome["received"] = errors.get("", 0), next(received)


def _named(work: Callable[[], object]) -> str:
    """What a call raises: the name of an error of ours, or what else it is; the empty text for nothing."""
    try:
        work()
    except HiveMindError as error:
        return type(error).__name__
    except BaseException as error:
        return f"not ours: {type(error).__name__}: {error}"
    return ""


def _threads(known: set[threading.Thread]) -> list[str]:
    """Threads of the client that were not there before; one that waits for work ends by itself."""
    ours = ("hivemind-", "Thread-")
    return [each.name for each in threading.enumerate() if each not in known and each.name.startswith(ours)]


def _descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def _memory_reset() -> int:
    """Begin to look for the highest memory anew; returns what is in use, in KiB."""
    gc.collect()
    with open("/proc/self/clear_refs", "w", encoding="ascii") as control:
        control.write("5")
    return _status("VmRSS")


def _status(name: str) -> int:
    with open("/proc/self/status", encoding="ascii", errors="replace") as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


if __name__ == "__main__":
    main()
