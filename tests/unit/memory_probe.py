"""A client in a process of its own, which tells how far its memory grew with what its hub sent.

    python -m tests.unit.memory_probe KIND URL

For each line that it reads it prints `ready`, waits for the message `the.end`, and prints the peak of its memory above
what it had before, in bytes, and how many frames were rejected.
"""

from __future__ import annotations

import ctypes
import gc
import sys
import threading
from pathlib import Path
from typing import Any

from hivemind_core_client import HiveMessageBusClient
from tests.unit.client_support import OverHttp, login

CRYPTO_KEY = "0123456789abcdef"
_PATIENCE_S = 120


def _status(name: str) -> int:
    """A figure of /proc/self/status, in bytes."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise KeyError(name)


def _forget_peak() -> int:
    """What this process takes now; its peak begins there."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)  # what is free goes back, so that it counts when it is taken again
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    return _status("VmRSS")


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _kind(name: str) -> Any:
    if name == "asyncio":
        from tests.unit.aio_support import OnLoop

        return OnLoop
    return OverHttp if name == "http" else HiveMessageBusClient


def main() -> None:
    """Connect, and measure as often as asked to."""
    kind, url = sys.argv[1:]
    ended = threading.Event()
    client = _kind(kind)(**login(url, password=None, crypto_key=CRYPTO_KEY))
    client.on("the.end", lambda message: ended.set())
    client.connect()
    for _ in sys.stdin:
        ended.clear()
        before, rejected = _forget_peak(), client.rejected
        _say("ready")
        assert ended.wait(_PATIENCE_S), "the hub's last word did not come"
        _say(f"{_status('VmHWM') - before} {client.rejected - rejected}")
    client.close()


if __name__ == "__main__":
    main()
