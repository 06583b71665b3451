"""What once differed between the clients, held for all of them, and for both fakes, by one table.

The third of these, what `Deadlines.write` bounds, is in tests/unit/transports/test_slow_hubs.py, since fakes write
nothing; the fourth, when two texts are the same key, in tests/unit/wire/test_keys.py, since clients compare none.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from ovos_bus_client.message import Message

from hivemind_core_client import FakeHiveMessageBus, HiveMessage, HiveMessageBusClient
from hivemind_core_client.errors import PluginError
from hivemind_core_client.testing import EmbeddedHub
from tests.unit.client_support import Log, OverHttp, login
from tests.unit.support import PASSWORD

KINDS = ["threads", "http", "fake"]
if sys.version_info >= (3, 10):
    from hivemind_core_client import AsyncFakeHiveMessageBus
    from tests.unit.aio_support import OnLoop

    KINDS += ["asyncio", "asyncio fake"]

QUERY = HiveMessage("query", HiveMessage("bus", {"type": "ask", "data": {}, "context": {}}))
#: What is heard when a session ends under a QUERY, in this order.
ORDER = ["close", "hive.query.timeout", "reconnecting"]


class Interrupts(dict):  # type: ignore[type-arg]  # it is read by nobody
    """A context of a message in whose preparation Ctrl-C comes, or on a loop, where that ends all, a cancellation."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(a=1)
        self._error = error

    def __iter__(self) -> Iterator[Any]:
        raise self._error

    keys = __iter__  # type: ignore[assignment]


def interrupted(kind: str) -> HiveMessage:
    error = asyncio.CancelledError() if kind.startswith("asyncio") else KeyboardInterrupt()
    return HiveMessage("bus", {"type": "ask", "data": {}, "context": Interrupts(error)})


def listen(client: Any) -> Log:
    heard = Log()
    client.on("close", lambda: heard("close"))
    client.on("reconnecting", lambda: heard("reconnecting"))
    client.on("hive.query.timeout", lambda message: heard(message.msg_type))
    return heard


class SilentHub(EmbeddedHub):
    """A hub that takes questions, and does not even say that nobody answers."""

    def _route(self, *_: Any) -> None:
        """Nothing."""


@pytest.fixture
def silent_hub() -> Iterator[EmbeddedHub]:
    with SilentHub({"k": PASSWORD}) as hub:
        yield hub


@pytest.fixture
def real(request: pytest.FixtureRequest, silent_hub: EmbeddedHub) -> Iterator[Any]:
    """Makes a client of a kind, connected with the silent hub."""
    made: list[Any] = []

    def make(kind: str) -> Any:
        kinds: dict[str, Any] = {"threads": HiveMessageBusClient, "http": OverHttp}
        client = (
            OnLoop(**login(silent_hub.url)) if kind == "asyncio" else kinds[kind](**login(silent_hub.url))
        )
        made.append(client)
        client.connect()
        return client

    yield make
    for client in made:
        client.close()
    OverHttp.end_all()
    if "asyncio" in KINDS:
        OnLoop.end_all()


async def heard_by_fake() -> list[str]:
    bus = AsyncFakeHiveMessageBus()
    await bus.connect()
    heard = listen(bus)
    await bus.emit(QUERY)
    await bus.drop()
    await bus.close()
    return heard.calls


def heard(kind: str, real: Any, hub: EmbeddedHub) -> list[str]:
    if kind == "asyncio fake":
        return asyncio.run(heard_by_fake())
    if kind == "fake":
        bus = FakeHiveMessageBus()
        bus.connect()
        calls = listen(bus)
        bus.emit(QUERY)
        bus.drop()
        return list(calls.calls)
    client = real(kind)
    calls = listen(client)
    client.emit(QUERY)
    hub.wait_for("query")
    hub.drop()
    return list(calls.wait(len(ORDER))[: len(ORDER)])


@pytest.mark.parametrize("kind", KINDS)
def test_a_session_that_ends_under_a_query_is_told_in_one_order(
    kind: str, real: Any, silent_hub: EmbeddedHub
) -> None:
    assert heard(kind, real, silent_hub) == ORDER


async def waits_of_fake() -> int:
    bus = AsyncFakeHiveMessageBus()
    await bus.connect()
    with suppress(PluginError):
        await bus.wait_for_response(interrupted("asyncio fake"), timeout=0.1)
    left = len(bus.waiters)
    await bus.close()
    return left


@pytest.mark.parametrize("kind", KINDS)
def test_a_wait_that_is_interrupted_leaves_nobody_behind(kind: str, real: Any) -> None:
    if kind == "asyncio fake":
        assert asyncio.run(waits_of_fake()) == 0
        return
    client = FakeHiveMessageBus() if kind == "fake" else real(kind)
    client.connect()
    with pytest.raises((KeyboardInterrupt, PluginError)):
        client.wait_for_response(interrupted(kind), timeout=0.1)
    assert len(client.waiters) == 0
    client.emit(Message("still.works"))
