"""Clients of both shells, over a transport of a plugin."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any, Callable

import pytest

from hivemind_core_client import HiveMessageBusClient
from hivemind_core_client.plugins.contract import Transport
from hivemind_core_client.testing import EmbeddedHub
from tests.unit.client_support import login
from tests.unit.support import plugin

SHELLS = ["threads", "asyncio"] if sys.version_info >= (3, 10) else ["threads"]
Make = Callable[..., Any]


@pytest.fixture(params=SHELLS)
def client_class(request: pytest.FixtureRequest) -> Iterator[Any]:
    if request.param == "threads":
        yield HiveMessageBusClient
    else:
        from tests.unit.aio_support import OnLoop

        yield OnLoop
        OnLoop.end_all()


@pytest.fixture
def make(client_class: Any) -> Make:
    """Makes a client of a hub over this transport: `make(hub, transport, **options)`."""

    def made(hub: EmbeddedHub, transport: Transport, **options: Any) -> Any:
        own = plugin("own", hivemind_transports=lambda: [transport])
        host = options.pop("host", hub.url.replace("ws://", "own://"))
        return client_class(**login(host, plugins=[own], **options))

    return made
