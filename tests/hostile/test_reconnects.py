"""A client that comes back again and again does not grow."""

from __future__ import annotations

import gc
import os
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from hivemind_core_client import HiveMessageBusClient
from hivemind_core_client.testing import EmbeddedHub
from tests.unit.client_support import OverHttp, login, until
from tests.unit.support import PASSWORD

from .conftest import IS_LONG

_RECONNECTS = 2000 if IS_LONG else 20
#: How many more objects are tracked after all reconnects than after the first tenth, at most: caches and logs fill up.
_MOST_OBJECTS = 2000
#: So many threads and descriptors may be on their way out.
_SPARE = 4
#: How long one may take on a busy machine, in seconds.
_PATIENCE_S = 60.0
_KINDS = ("threads", "asyncio", "http") if sys.version_info >= (3, 10) else ("threads", "http")


@pytest.fixture(params=_KINDS)
def new_client(request: pytest.FixtureRequest) -> Iterator[Any]:
    if request.param == "asyncio":
        from tests.unit.aio_support import OnLoop

        yield OnLoop
        OnLoop.end_all()
    elif request.param == "http":
        yield OverHttp
        OverHttp.end_all()
    else:
        yield HiveMessageBusClient


@pytest.mark.timeout(1500)
@pytest.mark.skipif(sys.platform != "linux", reason="descriptors are read from /proc")
def test_reconnects_leave_nothing_behind(new_client: Any, cheap_keys: None) -> None:
    opened: list[None] = []
    with EmbeddedHub({"k": PASSWORD}) as hub:
        client = new_client(**login(hub.url))
        client.on("open", lambda *_: opened.append(None))
        client.connect()
        begin = (0, 0, 0)
        for number in range(_RECONNECTS):
            before = len(opened)
            hub.wait_for_sessions(1, 30)
            if number == _RECONNECTS // 10:
                begin = _used(hub)
            hub.drop()
            came_back = until(lambda: len(opened) > before, _PATIENCE_S)  # noqa: B023  # at once
            assert came_back, f"drop {number}: {client.state}, {client.last_error}"
        hub.wait_for_sessions(1, 30)
        # What the hub held for a connection ends a little after it, and the last session opens what all share.
        until(lambda: _has_shrunk_to(hub, begin), _PATIENCE_S)
        end = _used(hub)
        client.close()
    assert end[0] <= begin[0] + _SPARE, "threads"
    assert end[1] <= begin[1] + _SPARE, "descriptors"
    assert end[2] <= begin[2] + _MOST_OBJECTS, "objects"


def _has_shrunk_to(hub: EmbeddedHub, begin: tuple[int, int, int]) -> bool:
    return all(now <= before + _SPARE for now, before in zip(_used(hub)[:2], begin))


def _used(hub: EmbeddedHub) -> tuple[int, int, int]:
    """Threads, descriptors and tracked objects, without what the hub keeps for tests."""
    hub.received.clear()
    gc.collect()
    return threading.active_count(), len(os.listdir("/proc/self/fd")), len(gc.get_objects())
