"""What happens to an outbox between two steps of whoever hands its messages over: connections end, and room is made."""

from __future__ import annotations

import logging
from typing import Optional

import pytest

from hivemind_core_client.errors import ConnectionLost, NotConnected, OutboxFull
from hivemind_core_client.kernel.outbox import DropReason, is_kept
from hivemind_core_client.kernel.outbox_store import StoredMessage
from hivemind_core_client.message import HiveMessage
from tests.unit.outbox_queue_support import FailingStore, Satellite, bus, data_of


def next_of(satellite: Satellite) -> StoredMessage:
    stored: Optional[StoredMessage] = satellite.queue.next(satellite.now)
    assert stored is not None
    return stored


def test_what_a_lost_connection_gives_back_outlives_what_is_rejected_after_it() -> None:
    satellite = Satellite()
    satellite.emit(range(3))
    delivery = satellite.connect()
    satellite.hand_over(2)
    refused = next_of(satellite)
    delivery.close()
    satellite.queue.reject(refused, DropReason.NOT_SENDABLE)
    assert satellite.books == (0, 0, 0, 2, 1)
    satellite.connect()
    assert satellite.hand_over() == [0, 1]
    satellite.prove()
    assert (satellite.store.count, satellite.books) == (0, (2, 0, 0, 0, 1))


def test_what_a_lost_connection_gives_back_outlives_what_is_withdrawn_after_it() -> None:
    satellite = Satellite()
    satellite.emit(range(2))
    delivery = satellite.connect()
    satellite.hand_over()
    (number,) = satellite.emit(range(2, 3), stands=True)
    assert number is not None and satellite.queue.claim(number)
    delivery.close()
    assert satellite.queue.withdraw(number)
    assert satellite.queue.release()
    satellite.connect()
    assert satellite.hand_over() == [0, 1]


def test_what_was_read_for_one_session_does_not_overtake_in_the_next() -> None:
    satellite = Satellite()
    satellite.emit(range(3))
    former = satellite.connect()
    satellite.hand_over(2)
    third = next_of(satellite)
    former.close()
    delivery = satellite.connect()
    with pytest.raises(NotConnected, match="has ended: it waits"):
        delivery.leaving(third.number)
    assert satellite.hand_over() == [0, 1, 2]
    with pytest.raises(NotConnected):
        delivery.leaving(third.number)
    satellite.prove()
    assert satellite.books == (3, 0, 0, 0, 0)


def test_what_is_withdrawn_too_late_is_sent() -> None:
    satellite = Satellite()
    first, second, third = satellite.emit(range(3))
    assert first and second and third
    satellite.connect()
    satellite.hand_over(2)
    assert not satellite.queue.withdraw(second)
    satellite.prove()
    assert not satellite.queue.withdraw(first)
    assert satellite.queue.withdraw(third) and not satellite.queue.withdraw(third)
    assert satellite.books == (2, 0, 0, 0, 0)


def test_what_is_being_written_does_not_become_too_old() -> None:
    satellite = Satellite(messages=1, seconds=10)
    satellite.emit(range(1))
    delivery = satellite.connect()
    assert satellite.queue.claim()
    stored = next_of(satellite)
    delivery.leaving(stored.number)
    satellite.now = 11.0
    assert satellite.emit(range(1, 2), stands=True) == [None]
    delivery.handed(bus(), ["x"], number=stored.number)
    satellite.queue.release()
    assert (satellite.drops(), satellite.books) == ([], (0, 0, 1, 0, 0))


def test_what_is_dropped_while_it_is_written_counts_once() -> None:
    satellite = Satellite(messages=1)
    satellite.emit(range(1))
    delivery = satellite.connect()
    assert satellite.queue.claim()
    stored = next_of(satellite)
    delivery.leaving(stored.number)
    assert satellite.emit(range(1, 2)) == [2]  # the session has ended, and its account is not closed yet
    with pytest.raises(ConnectionLost):
        delivery.handed(bus(), ["x"], number=stored.number)
    delivery.close()
    satellite.queue.release()
    assert satellite.drops() == [(0, str(DropReason.NO_ROOM))]
    assert satellite.books == (0, 0, 0, 1, 1)


def test_a_store_that_removes_nothing_is_full_at_last() -> None:
    store = FailingStore()
    satellite = Satellite(store, bytes=2 * len(data_of(0)))
    satellite.emit(range(2))
    store.fails = True
    with pytest.raises(OutboxFull, match="could not be removed"):
        satellite.emit(range(2, 4))
    assert satellite.books == (0, 0, 0, 1, 1)
    store.fails = False
    assert satellite.emit(range(4, 5)) == [3]


def test_where_nothing_is_proven_any_more_what_is_in_flight_counts_as_sent() -> None:
    satellite = Satellite()
    told: list[bool] = []
    satellite.queue.changed = lambda: told.append(satellite.queue.has_way)
    satellite.emit(range(70))
    delivery = satellite.connect()
    satellite.hand_over()
    delivery.asks = False
    assert told == [True]
    assert satellite.hand_over() == list(range(64, 70))
    assert (satellite.store.count, satellite.books) == (0, (0, 0, 70, 0, 0))
    doubt = delivery.close()
    assert doubt is not None and len(doubt) == 70
    assert satellite.books == (0, 70, 0, 0, 0)


def test_what_waits_never_goes_to_another_hub(caplog: pytest.LogCaptureFixture) -> None:
    satellite = Satellite()
    satellite.queue.belong("a hub")
    satellite.emit(range(2))
    satellite.queue.belong("a hub")
    assert satellite.books == (0, 0, 0, 2, 0)
    with caplog.at_level(logging.WARNING):
        satellite.queue.belong("another hub")
    assert satellite.drops() == [(0, str(DropReason.OTHER_HUB)), (1, str(DropReason.OTHER_HUB))]
    satellite.emit(range(2, 3))
    satellite.queue.belong("another hub")
    satellite.connect()
    assert satellite.hand_over() == [2]
    assert satellite.books == (0, 0, 1, 0, 2)


def test_at_most_once_forgets_what_it_removed() -> None:
    satellite = Satellite(FailingStore(), delivery="at-most-once")
    first, _, third, _ = satellite.emit(range(4))
    assert first is not None and third is not None
    satellite.store.fails = True  # type: ignore[attr-defined]
    satellite.queue.withdraw(first)
    satellite.queue.withdraw(third)
    satellite.store.fails = False  # type: ignore[attr-defined]
    satellite.connect()
    assert satellite.hand_over() == [1, 3]
    assert satellite.books == (0, 0, 2, 0, 0)


@pytest.mark.parametrize(
    ("message", "kept"),
    [
        (HiveMessage("propagate", {"msg_type": "bus", "payload": {"type": "count"}}), True),
        (HiveMessage("propagate", {"msg_type": "bus", "payload": {"type": "count", "context": None}}), True),
        (HiveMessage("propagate", {"msg_type": "bus", "payload": "no message"}), False),
        (HiveMessage("propagate", {"msg_type": "bus"}), False),
    ],
    ids=str,
)
def test_a_message_in_another_may_be_incomplete(message: HiveMessage, kept: bool) -> None:
    assert is_kept(message) is kept
