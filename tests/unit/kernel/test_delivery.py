"""What becomes of messages: each is confirmed, raised, in doubt, or not yet known, and never two of these."""

from __future__ import annotations

import random
from typing import Optional

import pytest

from hivemind_core_client.errors import ConnectionLost
from hivemind_core_client.kernel import delivery as kernel
from hivemind_core_client.kernel.delivery import Ask, Delivery, Ledger, Metrics
from hivemind_core_client.message import HiveMessage
from hivemind_core_client.plugins.answers import is_answer_to


def bus(number: int = 0) -> HiveMessage:
    return HiveMessage("bus", {"type": "count", "data": {"number": number}, "context": {}})


def question(asked: str, msg_type: str = "query", **metadata: object) -> HiveMessage:
    return HiveMessage(msg_type, bus(), metadata={"query_id": asked, **metadata})


def hand(delivery: Delivery, count: int, size: int = 100) -> list[Optional[Ask]]:
    return [delivery.handed(bus(number), ["x" * size]) for number in range(count)]


def figures(ledger: Ledger) -> tuple[int, int, int, int]:
    """Confirmed, raised, in doubt, unconfirmed; and what was sent is always their sum."""
    metrics = ledger.metrics(0, 0)
    found = (metrics.confirmed, metrics.raised, metrics.in_doubt, metrics.unconfirmed)
    assert metrics.sent == sum(found)
    return found


def test_all_figures_of_one_moment() -> None:
    ledger = Ledger()
    assert ledger.metrics(rejected=1, dropped=2) == Metrics(
        confirmed=0,
        raised=0,
        in_doubt=0,
        unconfirmed=0,
        received=0,
        rejected=1,
        dropped=2,
        reconnects=0,
        round_trip=None,
    )
    ledger.sessions, ledger.received = 3, 7
    ledger.not_sent()
    metrics = ledger.metrics(0, 0)
    assert (metrics.reconnects, metrics.received, metrics.raised, metrics.sent) == (2, 7, 1, 1)


def test_a_pong_proves_what_was_written_before_its_ping_and_no_more() -> None:
    ledger = Ledger()
    delivery = ledger.opened()
    hand(delivery, 3)
    ping = delivery.asked(10.0)
    hand(delivery, 2)
    assert figures(ledger) == (0, 0, 0, 5)
    delivery.ponged(ping, 10.25)
    assert figures(ledger) == (3, 0, 0, 2)
    assert ledger.round_trip == 0.25


def test_a_later_pong_proves_what_earlier_ones_would() -> None:
    ledger = Ledger()
    delivery = ledger.opened()
    hand(delivery, 1)
    first = delivery.asked(1.0)
    hand(delivery, 1)
    delivery.ponged(delivery.asked(2.0), 3.0)
    assert figures(ledger) == (2, 0, 0, 0)
    delivery.ponged(first, 9.0)  # which comes after all
    assert ledger.round_trip == 1.0


@pytest.mark.parametrize("payload", [b"", b"somebody else's"])
def test_a_pong_that_nobody_asked_for_proves_nothing(payload: bytes) -> None:
    ledger = Ledger()
    delivery = ledger.opened()
    hand(delivery, 1)
    delivery.asked(1.0)
    delivery.ponged(payload, 2.0)
    assert figures(ledger) == (0, 0, 0, 1)
    assert ledger.round_trip is None


def test_a_ping_may_have_a_payload_of_the_callers() -> None:
    ledger = Ledger()
    delivery = ledger.opened()
    hand(delivery, 1)
    assert delivery.asked(1.0, b"mine") == b"mine"
    delivery.ponged(b"mine", 1.5)
    assert figures(ledger) == (1, 0, 0, 0)
    assert not delivery.is_unconfirmed


def test_what_the_hub_answers_itself_is_confirmed_at_once() -> None:
    ledger = Ledger()
    delivery = ledger.opened()
    assert delivery.handed(bus(), ["frame"], answered=True) is None
    assert figures(ledger) == (1, 0, 0, 0)
    assert delivery.close() is None
    delivery.handed(bus(), ["frame"], answered=True)  # its answer came as the end was told
    assert figures(ledger) == (2, 0, 0, 0)


@pytest.mark.parametrize(
    ("answer", "confirmed"),
    [
        (question("one", is_response=True), 2),
        (question("two", is_response=True), 3),
        (question("three", "cascade", is_response=True), 4),
        (question("of another", is_response=True), 0),
        (question("answered by us", is_response=True), 0),
        (HiveMessage("query", bus(), metadata={"query_id": ["no text"]}), 0),
        (HiveMessage("query", bus()), 0),
    ],
    ids=["first", "second", "cascade", "not ours", "ours is the answer", "no id", "none"],
)
def test_an_answer_proves_its_question_and_what_went_before(answer: HiveMessage, confirmed: int) -> None:
    ledger = Ledger()
    delivery = ledger.opened()
    sent = [bus(), question("one"), question("two"), question("three", "cascade")]
    sent += [question("one"), question("answered by us", is_response=True), HiveMessage("query", bus())]
    for message in sent:
        delivery.handed(message, ["frame"])
    delivery.answered(lambda asked: is_answer_to(answer, asked))
    assert figures(ledger) == (confirmed, 0, 0, 7 - confirmed)


def test_the_end_leaves_in_doubt_what_nothing_has_proven() -> None:
    ledger = Ledger()
    delivery = ledger.opened()
    hand(delivery, 3)
    ping, late = delivery.asked(1.0), delivery.asked(2.0)
    delivery.ponged(ping, 2.0)
    hand(delivery, 2)
    left = delivery.close()
    assert left is not None
    assert [message["data"]["number"] for message in left.messages] == [0, 1]
    assert (len(left), left.more) == (2, 0)
    assert figures(ledger) == (3, 0, 2, 0)
    assert delivery.close() is None
    delivery.ponged(late, 3.0)
    delivery.answered(lambda _: True)
    assert figures(ledger) == (3, 0, 2, 0)


def test_what_is_written_while_the_end_is_told_is_raised_and_not_in_doubt() -> None:
    ledger = Ledger()
    delivery = ledger.opened()
    assert delivery.close() is None
    with pytest.raises(ConnectionLost, match="may have arrived or not"):
        delivery.handed(bus(), ["frame"])
    assert figures(ledger) == (0, 0, 0, 0)  # whoever sends counts what raises


def test_connections_of_one_client_share_a_ledger() -> None:
    ledger = Ledger()
    first, second = ledger.opened(), ledger.opened()
    hand(first, 2)
    hand(second, 1)
    first.close()
    second.ponged(second.asked(1.0), 1.5)
    second.measured(0.125)
    assert figures(ledger) == (1, 0, 2, 0)
    assert ledger.round_trip == 0.125


@pytest.mark.parametrize(
    ("sizes", "kept"),
    [
        ([10] * (kernel.MOST_KEPT + 5), kernel.MOST_KEPT),
        ([kernel.MOST_KEPT_BYTES // 4] * 6, 4),
        ([kernel.MOST_KEPT_BYTES + 1], 0),
        ([kernel.MOST_KEPT_BYTES + 1, 10], 1),
        ([10, kernel.MOST_KEPT_BYTES + 1], 0),
    ],
    ids=["many", "large", "too large", "too large, then small", "small, then too large"],
)
def test_the_newest_are_kept_and_all_are_counted(sizes: list[int], kept: int) -> None:
    delivery = Ledger().opened()
    for number, size in enumerate(sizes):
        delivery.handed(bus(number), [b"x" * (size // 2), b"x" * (size - size // 2)])
    left = delivery.close()
    assert left is not None
    assert [message["data"]["number"] for message in left.messages] == list(range(len(sizes)))[
        len(sizes) - kept :
    ]
    assert (len(left), left.more) == (len(sizes), len(sizes) - kept)


def test_room_is_free_again_once_messages_are_confirmed() -> None:
    delivery = Ledger().opened()
    for _ in range(3):
        hand(delivery, kernel.MOST_KEPT)
        delivery.ponged(delivery.asked(1.0), 1.5)
    hand(delivery, kernel.MOST_KEPT, size=kernel.MOST_KEPT_BYTES // kernel.MOST_KEPT)
    left = delivery.close()
    assert left is not None and left.more == 0


def test_the_hub_is_asked_now_and_then_and_not_for_each_message() -> None:
    delivery = Ledger().opened()
    every = kernel.ASK_AFTER_MESSAGES
    assert hand(delivery, every) == [Ask.LATER, *[None] * (every - 2), Ask.NOW]
    assert hand(delivery, 1) == [Ask.NOW]  # nobody asked
    delivery.asked(1.0)
    assert hand(delivery, every) == [*[None] * (every - 1), Ask.NOW]
    delivery.asked(1.0)
    assert hand(delivery, 2, kernel.ASK_AFTER_BYTES // 2) == [None, Ask.NOW]


def test_a_hub_that_answers_no_ping_is_not_asked_without_end() -> None:
    delivery = Ledger().opened()
    hand(delivery, 1)
    while hand(delivery, kernel.ASK_AFTER_MESSAGES)[-1] is Ask.NOW:
        first = delivery.asked(1.0)
    assert delivery.look() is Ask.LATER
    assert hand(delivery, kernel.ASK_AFTER_MESSAGES)[-1] is None
    for _ in range(100):  # as the keepalive would
        last = delivery.asked(1.0)
    delivery.ponged(first, 2.0)  # which is forgotten
    assert delivery.is_unconfirmed
    delivery.ponged(last, 2.0)
    assert not delivery.is_unconfirmed


def test_a_quiet_connection_is_looked_after_until_nothing_is_open() -> None:
    delivery = Ledger().opened()
    assert hand(delivery, 1) == [Ask.LATER]
    assert delivery.look() is Ask.NOW
    ping = delivery.asked(1.0)
    assert delivery.look() is Ask.LATER  # the pong is on its way
    hand(delivery, 1)
    assert delivery.look() is Ask.NOW
    delivery.ponged(ping, 2.0)
    delivery.ponged(delivery.asked(2.0), 3.0)
    assert delivery.look() is None
    assert hand(delivery, 1) == [Ask.LATER]  # and again
    delivery.close()
    assert delivery.look() is None


def test_where_no_pings_are_wanted_none_is_asked_for() -> None:
    delivery = Ledger().opened()
    delivery.asks = False
    assert set(hand(delivery, kernel.ASK_AFTER_MESSAGES - 1)) == {None}


def test_a_hub_that_turns_out_to_answer_nothing_is_looked_after_no_more() -> None:
    delivery = Ledger().opened()
    assert hand(delivery, 1) == [Ask.LATER]
    delivery.asks = False
    assert delivery.look() is None
    assert hand(delivery, 1) == [None]
    delivery.asks = True
    assert hand(delivery, 1) == [Ask.LATER]


def test_the_oldest_ping_that_waits_is_known() -> None:
    delivery = Ledger().opened()
    assert delivery.asked_at is None
    first = delivery.asked(1.0)
    delivery.asked(2.0)
    assert delivery.asked_at == 1.0
    delivery.ponged(first, 3.0)
    assert delivery.asked_at == 2.0


@pytest.mark.parametrize("seed", range(20))
def test_whatever_happens_each_message_is_in_one_place(seed: int) -> None:
    chance, ledger = random.Random(seed), Ledger()
    delivery, pings, in_doubt, handed = ledger.opened(), [b""], 0, 0
    for number in range(2_000):
        what = chance.randrange(12)
        if what < 8:
            asked = question(str(number)) if what == 0 else bus(number)
            delivery.handed(asked, ["x" * chance.randrange(20_000)], answered=what == 1)
            handed += 1
        elif what == 8:
            pings.append(delivery.asked(float(number)))
        elif what == 9:
            delivery.ponged(chance.choice(pings), float(number))
        elif what == 10:
            delivery.answered(lambda asked, of=str(number - 7): asked.metadata.get("query_id") == of)
        elif chance.random() < 0.1:
            left = delivery.close()
            in_doubt += len(left) if left else 0
            delivery, pings = ledger.opened(), [b""]
    confirmed, raised, doubtful, _ = figures(ledger)
    assert (raised, doubtful) == (0, in_doubt)
    assert ledger.metrics(0, 0).sent == handed
    assert confirmed


def test_the_figures_show_how_many_there_were_to_send() -> None:
    ledger = Ledger()
    ledger.not_sent()
    shown = repr(ledger.metrics(2, 3))
    assert shown.startswith("Metrics(sent=1, confirmed=0, raised=1,") and "rejected=2, dropped=3" in shown


def test_the_account_of_a_connection_may_be_of_another_kind() -> None:
    class Other(Delivery):
        pass

    ledger = Ledger()
    ledger.new_delivery = Other
    assert type(ledger.opened()) is Other
    assert ledger.opened().handed(bus(), [b"x"]) is Ask.LATER
    assert ledger.metrics(0, 0).unconfirmed == 1
