"""Waiters that are made before something is sent."""

from __future__ import annotations

import gc
import threading
from typing import Any, Callable

import pytest
from ovos_bus_client.message import Message

from hivemind_core_client import HiveMessage, HiveMessageBusClient, HiveMessageType
from hivemind_core_client.client import HiveMessageWaiter, HivePayloadWaiter
from hivemind_core_client.testing import EmbeddedHub
from tests.unit.client_support import PATIENCE, Make, settled, utterance

#: Makes a waiter; its `wait` blocks, whatever the client is.
MakeWaiter = Callable[..., Any]


class OnLoopWaiter:
    """A waiter of the asyncio client, whose `wait` is awaited on the client's loop."""

    def __init__(self, kind: type, client: Any, *arguments: Any, **options: Any) -> None:
        self._client, self._waiter = client, kind(client.client, *arguments, **options)

    def wait(self, *arguments: Any, **options: Any) -> Any:
        return self._client.wait(self._waiter.wait(*arguments, **options))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._waiter, name)


def maker(client_kind: str, asyncio_name: str, kind: type) -> MakeWaiter:
    if client_kind != "asyncio":
        return kind
    from hivemind_core_client import async_client

    made = getattr(async_client, asyncio_name)
    return lambda client, *arguments, **options: OnLoopWaiter(made, client, *arguments, **options)


@pytest.fixture
def message_waiter(client_kind: str) -> MakeWaiter:
    return maker(client_kind, "AsyncHiveMessageWaiter", HiveMessageWaiter)


@pytest.fixture
def payload_waiter(client_kind: str) -> MakeWaiter:
    return maker(client_kind, "AsyncHivePayloadWaiter", HivePayloadWaiter)


def test_what_came_before_the_wait_is_there(
    hub: EmbeddedHub, client: HiveMessageBusClient, message_waiter: MakeWaiter, payload_waiter: MakeWaiter
) -> None:
    hive, ovos = message_waiter(client, "bus"), message_waiter(client, "speak")
    inner = payload_waiter(client, "speak")
    assert (hive.msg_type, ovos.bus, inner.payload_type, inner.msg_type) == (
        "bus",
        getattr(client, "client", client),
        "speak",
        HiveMessageType.BUS,
    )
    assert (hive.received_msg, ovos.received_msg) == (None, None)
    client.emit(utterance("hello"))
    got = inner.wait(PATIENCE)
    assert isinstance(got, HiveMessage)
    assert got.payload.data["utterance"] == "you said: hello"
    settled(hub, client)
    assert hive.wait(0).msg_type == HiveMessageType.BUS
    spoken = ovos.wait(timeout=0)
    assert isinstance(spoken, Message)
    assert (spoken.msg_type, spoken.data["utterance"]) == ("speak", "you said: hello")
    assert ovos.received_msg.data == ovos.wait(0).data == spoken.data
    assert len(client.waiters) == 0


def test_each_takes_one_message(
    hub: EmbeddedHub, client: HiveMessageBusClient, message_waiter: MakeWaiter
) -> None:
    waiter = message_waiter(client, HiveMessageType.THIRDPRTY)
    for number in (1, 2):
        hub.broadcast(HiveMessage("3rdparty", {"number": number}))
    settled(hub, client)
    assert waiter.wait().payload == waiter.wait().payload == {"number": 1}


def test_a_wait_that_is_over_stays_over(
    hub: EmbeddedHub, client: HiveMessageBusClient, message_waiter: MakeWaiter
) -> None:
    waiter = message_waiter(client, "3rdparty")
    assert waiter.wait(0.01) is None
    hub.broadcast(HiveMessage("3rdparty", {}))
    settled(hub, client)
    assert waiter.wait(PATIENCE) is None
    assert waiter.received_msg is None


def test_a_payload_may_come_in_another_message(
    hub: EmbeddedHub, client: HiveMessageBusClient, payload_waiter: MakeWaiter
) -> None:
    waiter = payload_waiter(client, "x", message_type="3rdparty")
    hub.broadcast(HiveMessage("3rdparty", {"msg_type": "y"}))
    hub.broadcast(HiveMessage("3rdparty", {"msg_type": "x", "a": 1}))
    assert waiter.wait(PATIENCE).payload == {"msg_type": "x", "a": 1}


def test_it_waits_through_a_reconnection(
    hub: EmbeddedHub, client: HiveMessageBusClient, message_waiter: MakeWaiter
) -> None:
    waiter, back = message_waiter(client, "speak"), threading.Event()
    client.on("open", back.set)
    client.close_connection()
    assert back.wait(PATIENCE)
    client.wait_for_handshake(PATIENCE)
    client.emit(utterance("back"))
    assert waiter.wait(PATIENCE).data["utterance"] == "you said: back"


def test_closing_ends_it(hub: EmbeddedHub, make: Make, message_waiter: MakeWaiter) -> None:
    client = make(hub)
    early = message_waiter(client, "speak")
    client.connect()
    waiter = message_waiter(client, "speak")
    client.close()
    assert waiter.wait(PATIENCE) is early.wait(PATIENCE) is None
    assert message_waiter(client, "speak").wait(PATIENCE) is None


@pytest.mark.otherwise("asyncio", why="the loop of the test may hold on to it for longer")
def test_one_that_nobody_holds_leaves(
    hub: EmbeddedHub, client: HiveMessageBusClient, message_waiter: MakeWaiter
) -> None:
    message_waiter(client, "never")
    gc.collect()
    assert len(client.waiters) == 0
    hub.broadcast(Message("never"))
    settled(hub, client)
    assert client.waiters.waiting == []


def test_a_payload_of_a_bus_message_is_waited_for_by_default(
    hub: EmbeddedHub, client: HiveMessageBusClient
) -> None:
    waited = threading.Thread(target=lambda: got.append(client.wait_for_payload("x", timeout=PATIENCE)))
    got: list[Any] = []
    waited.start()
    while not len(client.waiters):
        waited.join(0.001)
    hub.broadcast(Message("x", {"a": 1}))
    waited.join(PATIENCE)
    assert got[0].payload.data == {"a": 1}
