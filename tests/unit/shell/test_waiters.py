"""Waiting for messages: what matches, who is told, and what ends a wait."""

from __future__ import annotations

import threading
from typing import Optional

import pytest

from hivemind_core_client.errors import ConnectionLost, MessageDenied, UnknownMessageType
from hivemind_core_client.message import HiveMessage, HiveMessageType, HiveMindBinaryPayloadType
from hivemind_core_client.shell.waiters import (
    Gatherer,
    Matcher,
    OneShot,
    Waiter,
    Waiters,
    is_hive_type,
    message_named,
    names_of,
    payload_named,
)
from hivemind_core_client.sync.waiting import Notifier
from hivemind_core_client.wire.packet import as_packet

T = HiveMessageType
SPEAK = HiveMessage("bus", {"type": "speak"})
PING = HiveMessage("ping", {})
BINARY = HiveMessage("bin", b"x")
QUERY = HiveMessage("query", SPEAK)
THIRD = HiveMessage("3rdparty", {"msg_type": "mine"})
SHARED = HiveMessage("shared_bus", {"type": "speak"})
ALL = [SPEAK, PING, BINARY, QUERY, THIRD, SHARED]

MATCHERS: list[tuple[str, Matcher, list[HiveMessage]]] = [
    ("an ovos type", message_named("speak"), [SPEAK]),
    ("a hive type", message_named("ping"), [PING]),
    ("a member", message_named(T.BINARY), [BINARY]),
    ("several of both kinds", message_named(["speak", T.QUERY, "other"]), [SPEAK, QUERY]),
    ("nothing", message_named([]), []),
    ("an ovos payload", payload_named("speak", T.BUS), [SPEAK]),
    ("a hive payload", payload_named("bus", "query"), [QUERY]),
    ("a third party's payload", payload_named("mine", T.THIRDPRTY), [THIRD]),
    (
        "in several types",
        payload_named({"speak", "mine"}, ["bus", "shared_bus", "3rdparty"]),
        [SPEAK, THIRD, SHARED],
    ),
    ("binary has no named payload", payload_named("x", "bin"), []),
    ("another payload", payload_named("other", "bus"), []),
]


def begun(waiters: Waiters, matches: Matcher, request: bool = False) -> Waiter[Notifier]:
    """Somebody who waits for what matches."""
    waiter = Waiter(matches, Notifier(), request)
    waiters.join(waiter)
    return waiter


def asking(waiters: Waiters, *names: str) -> Waiter[Notifier]:
    """Somebody who has sent what goes by these names, and waits for the answer."""
    waiter = Waiter(message_named("answer"), Notifier(), request=True)
    waiter.asked = frozenset(names)
    waiters.join(waiter)
    return waiter


def result(waiter: Waiter[Notifier], seconds: Optional[float] = 0) -> Optional[HiveMessage]:
    """What the wait gives after so many seconds at most."""
    waiter.notifier.wait_until(lambda: waiter.is_over, seconds)
    return waiter.message


@pytest.mark.parametrize(
    ("matches", "found"), [row[1:] for row in MATCHERS], ids=[row[0] for row in MATCHERS]
)
def test_what_matches(matches: Matcher, found: list[HiveMessage]) -> None:
    assert [message for message in ALL if matches(message)] == found


def test_names() -> None:
    assert names_of("speak") == {"speak"} and names_of(["a", "b"]) == names_of({"a", "b"}) == {"a", "b"}
    assert is_hive_type("bus") and is_hive_type(T.BUS) and not is_hive_type("speak")
    with pytest.raises(UnknownMessageType):
        payload_named("x", "nonsense")


def test_a_waiter_takes_the_first_message_that_matches_and_no_other() -> None:
    waiters = Waiters()
    waiter = begun(waiters, message_named("speak"))
    other = begun(waiters, message_named("speak"))
    waiters.offer(PING)
    waiters.offer(SPEAK)
    waiters.offer(HiveMessage("bus", {"type": "speak", "data": {"second": 1}}))
    assert result(waiter, 0) is SPEAK and result(other, 0) is SPEAK
    assert waiter.offer(SPEAK) is False


def test_a_wait_that_runs_out_gives_nothing() -> None:
    waiters = Waiters()
    waiter = begun(waiters, message_named("speak"))
    assert result(waiter, 0) is None
    waiters.remove(waiter)
    waiters.remove(waiter)
    waiters.offer(SPEAK)
    assert waiter.message is None


@pytest.mark.parametrize(("requests_only", "ended"), [(True, {"request"}), (False, {"request", "other"})])
def test_messages_waiters_fail_at_once_when_their_connection_ends(
    requests_only: bool, ended: set[str]
) -> None:
    """Row: QUERY waited for ever when the connection died."""
    waiters = Waiters()
    both = {
        "request": begun(waiters, message_named("speak"), request=True),
        "other": begun(waiters, message_named("speak")),
    }
    waiters.end_requests() if requests_only else waiters.close()
    waiters.offer(SPEAK)
    assert {name for name, waiter in both.items() if result(waiter, 0) is None} == ended


def test_a_wait_on_another_thread_is_woken() -> None:
    waiters, waiting, found = Waiters(), threading.Event(), []

    def work() -> None:
        waiter = begun(waiters, message_named("speak"))
        waiting.set()
        found.append(result(waiter, 10))

    thread = threading.Thread(target=work)
    thread.start()
    assert waiting.wait(10)
    waiters.offer(SPEAK)
    thread.join(10)
    assert found == [SPEAK]


def test_packets() -> None:
    from ovos_bus_client.message import Message

    assert as_packet(PING) is PING
    assert as_packet(Message("speak"))["type"] == "speak"
    given = HiveMessage("bin", b"x", metadata={"a": 1}, bin_type=HiveMindBinaryPayloadType.FILE)
    assert as_packet(given).bin_type is HiveMindBinaryPayloadType.FILE
    changed = as_packet(given, HiveMindBinaryPayloadType.TTS_AUDIO)
    assert (changed.bin_type, changed.payload, changed.metadata) == (
        HiveMindBinaryPayloadType.TTS_AUDIO,
        b"x",
        {"a": 1},
    )


def noting(seen: list[HiveMessage]) -> Matcher:
    def note(message: HiveMessage) -> bool:
        seen.append(message)
        return True

    return note


def test_a_waiter_of_ones_own_joins_and_leaves() -> None:
    waiters = Waiters()
    seen: list[HiveMessage] = []
    gatherer = Gatherer(noting(seen), Notifier(), lambda: len(seen) >= 3)
    waiters.join(gatherer)
    for _ in range(5):
        waiters.offer(PING)
    assert len(seen) == 3 and len(waiters) == 0


def test_a_waiter_that_was_stopped_looks_at_nothing_more() -> None:
    waiters = Waiters()
    seen: list[HiveMessage] = []
    gatherer = Gatherer(noting(seen), Notifier())
    waiters.join(gatherer)
    gatherer.stop()
    waiters.offer(PING)
    assert seen == [] and len(waiters) == 0


def test_who_begins_to_wait_on_what_is_closed_is_told_at_once() -> None:
    waiters = Waiters()
    waiters.close()
    gatherer = Gatherer(lambda message: True, Notifier())
    waiters.join(gatherer)
    assert gatherer.lost
    assert begun(waiters, message_named("speak")).is_over
    waiters.reopen()
    assert not begun(waiters, message_named("speak")).is_over and len(waiters) == 1


def test_a_wait_looks_again_after_every_message() -> None:
    waiters = Waiters()
    seen: list[HiveMessage] = []
    gatherer = Gatherer(noting(seen), Notifier())
    waiters.join(gatherer)
    offering = threading.Thread(target=lambda: waiters.offer(PING))
    offering.start()
    assert gatherer.notifier.wait_until(lambda: bool(seen), 10) and not gatherer.lost
    offering.join(10)
    assert gatherer.notifier.wait_until(lambda: False, 0) is False


def test_an_end_of_the_connection_is_told_to_those_who_gather() -> None:
    waiters = Waiters()
    gatherer = Gatherer(lambda message: True, Notifier())
    waiters.join(gatherer)
    waiters.end_requests()
    assert gatherer.lost and len(waiters) == 0


def test_those_who_wait_no_more_are_forgotten_though_nothing_arrives() -> None:
    waiters = Waiters()
    for _ in range(3):
        abandoned = OneShot(message_named("speak"), Notifier())
        waiters.join(abandoned)
        abandoned.stop()
    assert waiters.waiting == [abandoned]
    waiters.join(Gatherer(lambda message: True, Notifier()))
    assert abandoned not in waiters.waiting and len(waiters) == 1


def test_a_denial_ends_the_oldest_wait_for_an_answer_to_its_type() -> None:
    waiters, denial = Waiters(), MessageDenied("ask")
    begun(waiters, message_named("ask"))  # for a message, not for an answer
    other, first, second = (
        asking(waiters, "bus", "other"),
        asking(waiters, "bus", "ask"),
        asking(waiters, "ask"),
    )
    assert waiters.deny(denial)
    assert [waiter.error for waiter in (other, first, second)] == [None, denial, None]
    assert first.is_over and result(first) is None and len(waiters) == 3
    assert waiters.deny(denial) and second.error is denial
    assert not waiters.deny(denial) and not other.is_over


def test_a_denial_loses_those_who_gather() -> None:
    waiters, loss = Waiters(), ConnectionLost("gone")
    gatherer = Gatherer(lambda message: True, Notifier())
    gatherer.asked = frozenset({"ask"})
    waiters.join(gatherer)
    assert gatherer.why_lost(lambda: loss) is loss
    assert waiters.deny(MessageDenied("ask"))
    assert gatherer.lost and gatherer.why_lost(lambda: loss) is gatherer.error
    assert waiters.waiting == []
