"""What a peer sends is weighed before it waits in the mailbox; where it is too much, only those who wait get it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from hivemind_core_client import HiveMessageBusClient
from hivemind_core_client.kernel.events import Arrived
from hivemind_core_client.message import HiveMessage
from hivemind_core_client.plugins.contract import CallBack, Deliver
from hivemind_core_client.shell.router import EventRouter
from hivemind_core_client.shell.waiters import Waiter
from tests.unit.client_support import login

MIB = 2**20


class Mailbox:
    """A mailbox that keeps what is put, and has room for so many bytes."""

    def __init__(self, room: int) -> None:
        self.jobs: list[Any] = []
        self.held: list[int] = []
        self.dropped = 0
        self.room = room
        self.call = self.later = self.cancel = self.shut = lambda *_: None

    def put(self, job: Any, always: bool = False) -> None:
        self.jobs.append(job)

    def hold(self, weight: int) -> bool:
        self.held.append(weight)
        return sum(self.held) <= self.room

    def drop(self) -> None:
        self.dropped += 1


@pytest.fixture
def client() -> HiveMessageBusClient:
    return HiveMessageBusClient(**login("ws://127.0.0.1:1"))


def weighing(weight: int) -> HiveMessage:
    message = HiveMessage("bus", {"type": "speak"})
    message.weight = weight
    return message


WORKER: Any = SimpleNamespace(ledger=SimpleNamespace(received=0))


def router_of(client: HiveMessageBusClient, mailbox: Any) -> EventRouter:
    client.mailbox = mailbox
    client.on("bus", lambda message: None)
    return EventRouter(client, client._handlers, client._bridge, lambda message: None)


def routed(client: HiveMessageBusClient, room: int, weights: list[int]) -> Mailbox:
    """What the mailbox has got of messages of these weights."""
    mailbox: Any = Mailbox(room)
    router = router_of(client, mailbox)
    for weight in weights:
        router.arrived(WORKER, Arrived(weighing(weight)))
        router.deliver(Deliver({"type": "speak"}))
        router.call_back(CallBack("handle_receive_tts", {}))
    return mailbox  # type: ignore[no-any-return]


def test_small_messages_are_weighed_together(client: HiveMessageBusClient) -> None:
    mailbox = routed(client, 64 * MIB, [MIB // 4] * 9)
    assert mailbox.held == [MIB, MIB]
    assert len(mailbox.jobs) == 27 and mailbox.dropped == 0


def test_what_is_too_much_is_dropped_and_counted(client: HiveMessageBusClient) -> None:
    mailbox = routed(client, 3 * MIB, [2 * MIB] * 5)
    assert mailbox.held == [2 * MIB, 2 * MIB, 0, 0]
    assert len(mailbox.jobs) == 6 and mailbox.dropped == 3


def test_who_waits_for_an_answer_gets_it_even_so(client: HiveMessageBusClient) -> None:
    class Nobody:
        def notify(self) -> None:
            pass

    waiter = Waiter(lambda message: message.weight == 7, Nobody())
    client.waiters.join(waiter)
    routed(client, MIB, [2 * MIB, 7])
    assert waiter.message is not None


def test_news_of_our_own_are_delivered_even_so(client: HiveMessageBusClient) -> None:
    mailbox = Mailbox(MIB)
    router = router_of(client, mailbox)
    for _ in range(3):
        router.arrived(WORKER, Arrived(weighing(2 * MIB)))
    before = len(mailbox.jobs)
    for event in (Deliver({"type": "hive.query.timeout"}), CallBack("handle_receive_tts", {})):
        router.news()[type(event)](event)
    assert len(mailbox.jobs) == before + 2 and mailbox.dropped == 2
