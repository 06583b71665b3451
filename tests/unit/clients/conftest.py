"""The table of behaviours: every test in this folder that makes a client runs with each kind of client."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from hivemind_core_client import Deadlines, HiveMessageBusClient
from hivemind_core_client.testing import EmbeddedHub
from tests.unit import servers
from tests.unit.client_support import Make, OverHttp, login
from tests.unit.support import PASSWORD

KINDS = ["threads", "asyncio", "http"] if sys.version_info >= (3, 10) else ["threads", "http"]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test for each kind of client, but for those that its marks `otherwise(*kinds, why=…)` leave out."""
    if "client_kind" in metafunc.fixturenames:
        left_out = {kind for mark in metafunc.definition.iter_markers("otherwise") for kind in mark.args}
        metafunc.parametrize("client_kind", [kind for kind in KINDS if kind not in left_out])


@pytest.fixture
def client_class(client_kind: str) -> Iterator[Any]:
    """The client of this kind, with the verbs of the one for threads."""
    if client_kind == "asyncio":
        from tests.unit.aio_support import OnLoop

        yield OnLoop
        OnLoop.end_all()
    elif client_kind == "http":
        yield OverHttp
        OverHttp.end_all()
    else:
        yield HiveMessageBusClient


@pytest.fixture
def make(client_class: Any) -> Make:
    """Makes a client of a hub: `make(hub, **options)`."""
    return lambda hub, **options: client_class(**login(hub.url, **options))


@pytest.fixture
def client(hub: EmbeddedHub, make: Make) -> Iterator[HiveMessageBusClient]:
    with make(hub) as connected:
        yield connected


@pytest.fixture
def stuck(make: Make) -> Iterator[tuple[HiveMessageBusClient, EmbeddedHub, threading.Event]]:
    """A client whose hub has stopped to read, and the event that lets it read on."""
    flow = threading.Event()
    flow.set()
    with EmbeddedHub({"k": PASSWORD}) as hub, servers.server(servers.stalling_proxy(hub.port, flow)) as port:
        quick = Deadlines(write=0.3, close=0.5, send=0.5)
        client = make(hub, host=f"ws://127.0.0.1:{port}", websocket_ping_interval=0, deadlines=quick)
        client.connect()
        flow.clear()
        yield client, hub, flow
        flow.set()
        client.close()
