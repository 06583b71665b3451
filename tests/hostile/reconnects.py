"""A client that is dropped again and again, in a process of its own: `python -m tests.hostile.reconnects KIND COUNT`.

Prints one JSON object: the most threads, descriptors and tracked objects in the first tenth of the drops, and what
there is after all of them.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from hivemind_core_client import HiveMessageBusClient
from hivemind_core_client.testing import Account, EmbeddedHub
from tests.unit.client_support import OverHttp, login, until
from tests.unit.memory_probe import CRYPTO_KEY

Used = tuple[int, int, int]
#: So many threads and descriptors may be on their way out.
SPARE = 4
#: How long one may take on a busy machine, in seconds.
_PATIENCE_S = 60.0


@contextmanager
def _kind(name: str) -> Iterator[Any]:
    if name == "asyncio":
        from tests.unit.aio_support import OnLoop

        yield OnLoop
        OnLoop.end_all()
    elif name == "http":
        yield OverHttp
        OverHttp.end_all()
    else:
        yield HiveMessageBusClient


def main() -> None:
    """Connect, be dropped, and measure."""
    kind, count = sys.argv[1], int(sys.argv[2])
    opened: list[None] = []
    with EmbeddedHub([Account("k", crypto_key=CRYPTO_KEY)]) as hub, _kind(kind) as new_client:
        client = new_client(**login(hub.url, password=None, crypto_key=CRYPTO_KEY))
        client.on("open", lambda *_: opened.append(None))
        client.connect()
        begin = (0, 0, 0)
        for number in range(count):
            before = len(opened)
            hub.wait_for_sessions(1, 30)
            if number <= max(5, count // 10):  # between two connections there is less than in one
                begin = _more(begin, _used(hub))
            hub.drop()
            came_back = until(lambda: len(opened) > before, _PATIENCE_S)  # noqa: B023  # at once
            assert came_back, f"drop {number}: {client.state}, {client.last_error}"
        hub.wait_for_sessions(1, 30)
        # What the hub held for a connection ends a little after it.
        until(lambda: _has_shrunk_to(hub, begin), _PATIENCE_S)
        end = _used(hub)
        client.close()
    print(json.dumps({"begin": begin, "end": end}))


def _more(one: Used, other: Used) -> Used:
    return max(one[0], other[0]), max(one[1], other[1]), max(one[2], other[2])


def _has_shrunk_to(hub: EmbeddedHub, begin: Used) -> bool:
    return all(now <= before + SPARE for now, before in zip(_used(hub)[:2], begin))


def _used(hub: EmbeddedHub) -> Used:
    """Threads, descriptors and tracked objects, without what the hub keeps for tests."""
    hub.received.clear()
    gc.collect()
    return threading.active_count(), len(os.listdir("/proc/self/fd")), len(gc.get_objects())


if __name__ == "__main__":
    main()
