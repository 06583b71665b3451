"""By the names of the reference client `connect` waits for its hub, and a refusal is told at once all the same."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from hivemind_bus_client.client import HiveMessageBusClient
from hivemind_bus_client.http_client import HiveMindHTTPClient

from hivemind_core_client import Backoff, NodeIdentity
from hivemind_core_client.errors import HubUnreachable, PasswordRefused
from hivemind_core_client.testing import EmbeddedHub

PASSWORD = "a long and random password"
FAST = Backoff(first=0.01, cap=0.01)


@pytest.fixture
def late() -> Iterator[EmbeddedHub]:
    """A hub whose port is known, and which is not there yet."""
    hub = EmbeddedHub({"k": PASSWORD})
    with hub:
        pass
    yield hub
    hub.stop()


def login(hub: EmbeddedHub, **options: Any) -> dict[str, Any]:
    facts = {"key": "k", "password": PASSWORD, "host": hub.url, "identity": NodeIdentity({}), "backoff": FAST}
    return {**facts, **options}


def started_after_failures(client: Any, hub: EmbeddedHub) -> threading.Thread:
    failed = threading.Semaphore(0)
    client.on("error", lambda error: failed.release())

    def start() -> None:
        for _ in range(3):
            assert failed.acquire(timeout=10)
        hub.start()

    thread = threading.Thread(target=start)
    thread.start()
    return thread


def test_it_waits_for_a_hub_that_comes_later(late: EmbeddedHub) -> None:
    client = HiveMessageBusClient(**login(late))
    starting = started_after_failures(client, late)
    try:
        client.connect()
        assert client.connected_event.is_set()
    finally:
        client.close()
        starting.join(30)


@pytest.mark.skipif(sys.version_info < (3, 10), reason="the client for asyncio needs Python 3.10")
def test_it_waits_on_asyncio_too(late: EmbeddedHub) -> None:
    from hivemind_bus_client import AsyncHiveMessageBusClient

    async def wait() -> None:
        client = AsyncHiveMessageBusClient(**login(late))
        starting = started_after_failures(client, late)
        try:
            await client.connect()
            assert client.connected_event.is_set()
        finally:
            await client.close()
            await asyncio.to_thread(starting.join, 30)

    asyncio.run(wait())


def test_the_context_manager_waits_too(late: EmbeddedHub) -> None:
    client = HiveMessageBusClient(**login(late))
    starting = started_after_failures(client, late)
    with client:
        assert client.connected_event.is_set()
    starting.join(30)


def test_a_number_bounds_it(late: EmbeddedHub) -> None:
    client = HiveMessageBusClient(**login(late))
    with pytest.raises(HubUnreachable):
        client.connect(handshake_max_retries=1)


def test_over_http_it_tries_five_times_more(late: EmbeddedHub) -> None:
    failures: list[Exception] = []
    client = HiveMindHTTPClient(**login(late, host=f"http://127.0.0.1:{late.port}"))
    client.on("error", failures.append)
    with pytest.raises(HubUnreachable):
        client.connect()
    client.close()
    assert len(failures) == 6


def test_a_wrong_password_is_told_at_once() -> None:
    with EmbeddedHub({"k": PASSWORD}) as hub:
        client = HiveMessageBusClient(**login(hub, password="another password altogether"))
        with pytest.raises(PasswordRefused):
            client.connect()
