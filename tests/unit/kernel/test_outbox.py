"""What waits for a hub that is away: the store, and what is decided about it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import pytest

from hivemind_core_client.errors import ConnectionLost, InvalidOption, OutboxFull
from hivemind_core_client.kernel.delivery import Ledger
from hivemind_core_client.kernel.outbox import MOST_IN_FLIGHT, DropReason, is_kept
from hivemind_core_client.kernel.outbox_store import MemoryStore, OutboxStore, StoredMessage
from hivemind_core_client.kernel.policy import Outbox
from hivemind_core_client.message import HiveMessage
from tests.unit.outbox_queue_support import FailingStore, Satellite, bus, data_of, number_in


def test_a_store_in_memory_gives_up_its_messages_from_the_oldest_on() -> None:
    store: OutboxStore = MemoryStore()
    store.open()
    assert (store.count, store.size, store.after(0, 5)) == (0, 0, ())

    assert [store.append(data, since) for data, since in ((b"a", 5.0), (b"bc", 6.0), (b"d", 4.0))] == [
        1,
        2,
        3,
    ]
    assert (store.count, store.size) == (3, 4)
    assert store.after(0, 2) == (StoredMessage(1, 5.0, b"a"), StoredMessage(2, 6.0, b"bc"))
    assert [each.number for each in store.after(2, 5)] == [3]

    store.remove_up_to(2)
    store.close()
    store.open()
    assert (store.count, store.size) == (1, 1)
    assert [each.number for each in store.after(0, 5)] == [3]
    assert store.append(b"e", 7.0) == 4
    store.remove_up_to(9)
    assert (store.count, store.size, store.after(3, 5)) == (0, 0, ())
    assert store.append(b"f", 8.0) == 5


@pytest.mark.parametrize(
    ("message", "kept"),
    [
        (bus(), True),
        (HiveMessage("escalate", bus()), True),
        (HiveMessage("propagate", HiveMessage("broadcast", bus())), True),
        (HiveMessage("3rdparty", {}), True),
        (HiveMessage("query", bus()), False),
        (HiveMessage("cascade", bus()), False),
        (HiveMessage("propagate", HiveMessage("ping", {})), False),
        (HiveMessage("escalate", HiveMessage("query", bus())), False),
        (HiveMessage("bin", b"sound"), False),
        (HiveMessage("rendezvous", {}), False),
        (bus(__collect_id__="an answer to a call"), False),
        (HiveMessage("escalate", bus(__collect_id__="an answer to a call")), False),
    ],
    ids=lambda value: str(value.msg_type) if isinstance(value, HiveMessage) else "",
)
def test_only_what_belongs_to_no_session_is_kept(message: HiveMessage, kept: bool) -> None:
    assert is_kept(message) is kept


@pytest.mark.parametrize(
    "options",
    [
        {"messages": 0},
        {"bytes": 0.5},
        {"seconds": -1},
        {"seconds": True},
        {"path": 5},
        {"path": ""},
        {"delivery": "exactly-once"},
    ],
    ids=str,
)
def test_an_option_that_makes_no_sense_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(InvalidOption, match=f"Outbox.{next(iter(options))} is"):
        Outbox(**options)


def test_what_waits_goes_out_in_order_and_leaves_when_it_is_proven() -> None:
    satellite = Satellite()
    assert satellite.emit(range(3)) == [1, 2, 3]
    assert satellite.books == (0, 0, 0, 3, 0)
    satellite.connect()
    assert satellite.hand_over() == [0, 1, 2]
    assert satellite.books == (0, 0, 3, 0, 0)
    assert satellite.store.count == 3
    satellite.prove()
    assert satellite.books == (3, 0, 0, 0, 0)
    assert satellite.store.count == 0
    assert satellite.queue.is_settled


def test_what_a_connection_leaves_in_doubt_goes_out_again() -> None:
    satellite = Satellite()
    satellite.emit(range(4))
    delivery = satellite.connect()
    satellite.hand_over(2)
    satellite.prove()
    assert satellite.hand_over() == [2, 3]
    delivery.handed(bus(99), ["x"])  # what did not go through the outbox is in doubt
    doubt = delivery.close()
    assert doubt is not None and [number_in(message) for message in doubt.messages] == [99]
    assert (len(doubt), satellite.books) == (1, (2, 1, 0, 2, 0))

    satellite.emit(range(4, 5))
    delivery = satellite.connect()
    assert satellite.hand_over() == [2, 3, 4]
    assert delivery.close() is None
    assert satellite.books == (2, 1, 0, 3, 0)


def test_few_are_in_flight_before_something_is_proven() -> None:
    satellite = Satellite()
    told: list[int] = []
    satellite.queue.changed = lambda: told.append(satellite.store.count)
    satellite.emit(range(100))
    satellite.connect()
    assert len(satellite.hand_over()) == MOST_IN_FLIGHT
    assert not satellite.queue.has_way and told == []
    satellite.prove()
    assert told == [100 - MOST_IN_FLIGHT]
    satellite.delivery.handed(bus(), ["x"])  # which does not go through the outbox
    satellite.prove()
    assert len(told) == 1
    assert satellite.hand_over() == list(range(MOST_IN_FLIGHT, 100))


def test_who_sends_hands_his_message_over_himself_where_nothing_waits_before_it() -> None:
    satellite = Satellite()
    satellite.connect()
    (number,) = satellite.emit(range(1), stands=True)
    assert number is not None and satellite.queue.claim(number)
    assert not satellite.queue.claim() and not satellite.queue.is_settled
    satellite.delivery.handed(bus(), ["x"], number=number)
    assert not satellite.queue.release()
    assert not satellite.queue.claim()  # there is nothing to do

    first, second = satellite.emit(range(1, 3), stands=True)
    assert first is not None and second is not None
    assert not satellite.queue.claim(second)
    assert satellite.hand_over() == [1, 2]


def test_where_nothing_proves_anything_a_message_leaves_when_it_is_handed_over() -> None:
    satellite = Satellite()
    satellite.emit(range(2))
    delivery = satellite.connect()
    delivery.asks = False
    satellite.hand_over()
    assert (satellite.store.count, satellite.books) == (0, (0, 0, 2, 0, 0))
    assert delivery.close() is not None
    assert satellite.books == (0, 2, 0, 0, 0)


def test_what_the_hub_answers_at_once_is_confirmed_at_once() -> None:
    satellite = Satellite()
    satellite.emit(range(2))
    satellite.connect().asks = False
    satellite.hand_over(answered=True)
    assert (satellite.store.count, satellite.books) == (0, (2, 0, 0, 0, 0))


def test_at_most_once_a_message_leaves_before_it_is_written() -> None:
    satellite = Satellite(delivery="at-most-once")
    satellite.emit(range(3))
    delivery = satellite.connect()
    satellite.hand_over(1)
    assert satellite.books == (0, 0, 1, 2, 0)
    assert delivery.close() is not None
    assert satellite.books == (0, 1, 0, 2, 0)

    delivery = satellite.connect()
    stored = satellite.queue.next(0.0)
    assert stored is not None
    delivery.leaving(stored.number)
    assert (satellite.store.count, satellite.books) == (1, (0, 1, 0, 2, 0))
    delivery.close()
    with pytest.raises(ConnectionLost):
        delivery.handed(bus(1), ["x"], number=stored.number)
    assert satellite.queue.has_left(stored.number)  # whoever wrote it counts it now
    assert not satellite.queue.has_left(stored.number)
    assert satellite.books == (0, 1, 0, 1, 0)


def test_an_end_that_was_told_before_leaves_the_message_where_it_is() -> None:
    satellite = Satellite()
    satellite.emit(range(1))
    delivery = satellite.connect()
    delivery.close()
    stored = satellite.queue.next(0.0)
    assert stored is not None
    with pytest.raises(ConnectionLost):
        delivery.handed(bus(), ["x"], number=stored.number)
    assert not satellite.queue.has_left(stored.number)
    assert satellite.books == (0, 0, 0, 1, 0)


def test_without_an_outbox_a_number_means_nothing() -> None:
    delivery = Ledger().opened()
    delivery.leaving(1)
    delivery.handed(bus(), ["x"], number=1)
    assert delivery.close() is not None


def test_the_oldest_make_room_while_the_hub_is_away() -> None:
    satellite = Satellite(messages=3)
    satellite.emit(range(5))
    assert satellite.drops() == [(0, str(DropReason.NO_ROOM)), (1, str(DropReason.NO_ROOM))]
    assert satellite.drops() == []
    assert satellite.books == (0, 0, 0, 3, 2)
    satellite.connect()
    assert satellite.hand_over() == [2, 3, 4]


def test_bytes_are_a_bound_too() -> None:
    size = len(data_of(0))
    satellite = Satellite(bytes=2 * size)
    satellite.queue.check(data_of(0))
    with pytest.raises(
        OutboxFull, match=f"{2 * size + 1} bytes is larger than the outbox.*Raise Outbox.bytes"
    ):
        satellite.queue.check(b"x" * (2 * size + 1))
    satellite.emit(range(3))
    assert [number for number, _ in satellite.drops()] == [0]


def test_nothing_makes_room_while_a_session_stands_or_while_all_is_in_flight() -> None:
    satellite = Satellite(messages=2)
    satellite.connect()
    assert satellite.emit(range(3), stands=True) == [1, 2, None]
    satellite.hand_over()
    assert satellite.emit(range(3, 4)) == [None]
    satellite.prove()
    assert satellite.emit(range(3, 4)) == [3]
    assert satellite.drops() == []


def test_what_waits_for_too_long_is_dropped() -> None:
    satellite = Satellite(seconds=10)
    for satellite.now in (0.0, 6.0, 12.0):
        satellite.emit(range(int(satellite.now), int(satellite.now) + 1))
    satellite.queue.expire(10.5)
    assert satellite.drops() == [(0, str(DropReason.TOO_OLD))]
    satellite.connect()
    satellite.now = 16.5
    assert satellite.hand_over() == [12]
    assert satellite.drops() == [(6, str(DropReason.TOO_OLD))]
    satellite.queue.expire(999.0)  # what is in flight is not dropped
    assert satellite.books == (0, 0, 1, 0, 2)

    full = Satellite(messages=1, seconds=10)
    full.emit(range(1))
    full.now = 11.0
    full.connect()
    assert full.emit(range(1, 2), stands=True) == [2]
    assert full.drops() == [(0, str(DropReason.TOO_OLD))]

    patient = Satellite(seconds=None)
    patient.emit(range(1))
    patient.queue.expire(1e9)
    assert patient.drops() == []


def test_what_cannot_be_sent_or_read_is_dropped_behind_what_is_in_flight() -> None:
    satellite = Satellite()
    satellite.emit(range(2))
    satellite.queue.enter(b"no message", 0.0, False)
    satellite.emit(range(3, 5))
    delivery = satellite.connect()
    satellite.hand_over(1)
    for reason in (DropReason.NOT_SENDABLE, DropReason.UNREADABLE):
        stored = satellite.queue.next(0.0)
        assert stored is not None
        satellite.queue.reject(stored, reason)
    assert satellite.drops() == [(1, str(DropReason.NOT_SENDABLE)), (None, str(DropReason.UNREADABLE))]
    assert satellite.store.count == 5  # the first may have to go out again, and keeps the others
    assert satellite.books == (0, 0, 1, 2, 2)
    delivery.close()
    satellite.connect()
    assert satellite.hand_over() == [0, 3, 4]
    satellite.prove()
    assert (satellite.store.count, satellite.books) == (0, (3, 0, 0, 0, 2))


def test_what_is_withdrawn_counts_for_whoever_sent_it() -> None:
    satellite = Satellite()
    (number,) = satellite.emit(range(1))
    assert number is not None
    satellite.queue.withdraw(number)
    satellite.ledger.not_sent()
    assert (satellite.store.count, satellite.books) == (0, (0, 0, 0, 0, 0))
    assert satellite.ledger.raised == 1


def test_a_connection_that_ends_late_takes_back_only_its_own() -> None:
    satellite = Satellite()
    satellite.emit(range(2))
    old = satellite.connect()
    satellite.hand_over(1)
    new = satellite.connect()
    assert satellite.hand_over() == [1]
    assert old.close() is None
    assert satellite.books == (0, 0, 1, 1, 0)
    assert satellite.hand_over() == [0]  # the other one is in flight, and does not go twice
    new.ponged(new.asked(0.0), 0.0)
    assert satellite.books == (2, 0, 0, 0, 0)


def test_a_store_that_removes_nothing_sends_nothing_twice(caplog: pytest.LogCaptureFixture) -> None:
    store = FailingStore()
    satellite = Satellite(store)
    satellite.emit(range(2))
    satellite.connect()
    satellite.hand_over()
    store.fails = True
    with caplog.at_level(logging.ERROR):
        satellite.prove()
        satellite.emit(range(2, 3))
        satellite.hand_over()
        satellite.prove()
    assert [record.message for record in caplog.records] == [
        "messages that are done with could not be removed from the outbox: the disk is gone"
    ]
    assert (store.count, satellite.books) == (3, (3, 0, 0, 0, 0))
    store.fails = False
    satellite.emit(range(3, 4))
    assert satellite.hand_over() == [3]
    satellite.prove()
    assert (store.count, satellite.books) == (0, (4, 0, 0, 0, 0))


def test_what_waits_stays_in_a_store_that_is_closed(caplog: pytest.LogCaptureFixture) -> None:
    satellite = Satellite()
    satellite.emit(range(2))
    assert satellite.queue.next(0.0) is not None
    for _ in range(2):
        satellite.queue.close()
    assert len(caplog.records) == 1
    assert "messages that wait in the outbox, and go out after the next connect(): 2" in caplog.text
    satellite.queue.open()
    satellite.connect()
    assert satellite.hand_over() == [0, 1]
    satellite.queue.close()
    assert len(caplog.records) == 1


def test_a_store_is_read_in_parts() -> None:
    asked: list[int] = []

    class Counting(MemoryStore):
        def after(self, number: int, most: int) -> Sequence[StoredMessage]:
            asked.append(most)
            return super().after(number, most)

    satellite = Satellite(Counting())
    satellite.emit(range(1_000))
    satellite.connect()
    satellite.hand_over(50)
    assert len(asked) == 1 and asked[0] < 1_000
