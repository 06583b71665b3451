"""What tests of the queue of an outbox share: messages with numbers, and a satellite that needs no connection."""

from __future__ import annotations

from typing import Any, Optional

from hivemind_core_client.errors import OutboxFileError
from hivemind_core_client.kernel.delivery import Delivery, Ledger
from hivemind_core_client.kernel.outbox import OutboxQueue, read
from hivemind_core_client.kernel.outbox_store import MemoryStore
from hivemind_core_client.kernel.policy import Outbox
from hivemind_core_client.message import HiveMessage


def bus(number: int = 0, **context: Any) -> HiveMessage:
    """A BUS message with this number."""
    return HiveMessage("bus", {"type": "count", "data": {"number": number}, "context": context})


def data_of(number: int) -> bytes:
    """What a store keeps of it."""
    return bus(number).serialize().encode()


def number_in(message: Optional[HiveMessage]) -> Optional[int]:
    """Its number; None for no message."""
    return None if message is None else int(message.raw_payload["data"]["number"])


class FailingStore(MemoryStore):
    """A store whose file can be used no more, from some moment on."""

    fails = False

    def remove_up_to(self, number: int) -> None:
        """Remove the messages up to this number."""
        if self.fails:
            raise OutboxFileError("the disk is gone")
        super().remove_up_to(number)


class Satellite:
    """An outbox with the books of its client, and one connection after the other."""

    def __init__(self, store: Optional[MemoryStore] = None, **options: Any) -> None:
        self.store = store or MemoryStore()
        self.ledger = Ledger()
        self.queue = OutboxQueue(Outbox(**options), self.store, self.ledger.lock)
        self.ledger.outbox = self.queue
        self.now = 0.0
        self.queue.open()

    def connect(self) -> Delivery:
        self.delivery = self.ledger.opened()
        return self.delivery

    def emit(self, numbers: range, stands: bool = False) -> list[Optional[int]]:
        return [self.queue.enter(data_of(number), self.now, stands) for number in numbers]

    def hand_over(self, most: int = 1_000, answered: bool = False) -> list[Optional[int]]:
        """Hand over what waits, as far as it may go; the numbers in the messages."""
        handed: list[Optional[int]] = []
        assert self.queue.claim()
        while len(handed) < most and self.queue.has_way and (stored := self.queue.next(self.now)) is not None:
            self.delivery.leaving(stored.number)
            message = read(stored)
            self.delivery.handed(message, ["x"], answered, number=stored.number)
            handed.append(number_in(message))
        self.queue.release()
        return handed

    def prove(self) -> None:
        self.delivery.ponged(self.delivery.asked(0.0), 0.0)

    def drops(self) -> list[tuple[Optional[int], str]]:
        return [(number_in(message), str(reason)) for message, reason in self.queue.take_drops()]

    @property
    def books(self) -> tuple[int, int, int, int, int]:
        """Confirmed, in doubt, unconfirmed, waiting, dropped by the outbox."""
        metrics = self.ledger.metrics(0, 0)
        found = (
            metrics.confirmed,
            metrics.in_doubt,
            metrics.unconfirmed,
            metrics.waiting,
            metrics.outbox_dropped,
        )
        assert metrics.sent == sum(found) + metrics.raised
        return found
