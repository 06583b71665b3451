"""Waiting for messages: what matches, who is told, and what ends a wait."""

from __future__ import annotations

import threading
from typing import Any, Optional

import pytest

from hivemind_core_client.errors import NotConnected, UnknownMessageType
from hivemind_core_client.message import HiveMessage, HiveMessageType, HiveMindBinaryPayloadType
from hivemind_core_client.shell.waiters import (
    Matcher,
    Waiters,
    is_hive_type,
    message_named,
    names_of,
    payload_named,
)
from hivemind_core_client.sync.gathering import Gatherer
from hivemind_core_client.sync.mailbox import Mailbox
from hivemind_core_client.sync.waiting import WaitVerbs, as_packet

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
    waiter = waiters.add(message_named("speak"))
    other = waiters.add(message_named("speak"))
    waiters.offer(PING)
    waiters.offer(SPEAK)
    waiters.offer(HiveMessage("bus", {"type": "speak", "data": {"second": 1}}))
    assert waiter.wait(0) is SPEAK and other.wait(0) is SPEAK
    assert waiter.offer(SPEAK) is False


def test_a_wait_that_runs_out_gives_nothing() -> None:
    waiters = Waiters()
    waiter = waiters.add(message_named("speak"))
    assert waiter.wait(0) is None
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
        "request": waiters.add(message_named("speak"), request=True),
        "other": waiters.add(message_named("speak")),
    }
    waiters.give_up(requests_only)
    waiters.offer(SPEAK)
    assert {name for name, waiter in both.items() if waiter.wait(0) is None} == ended


def test_a_wait_on_another_thread_is_woken() -> None:
    waiters, begun, found = Waiters(), threading.Event(), []

    def work() -> None:
        waiter = waiters.add(message_named("speak"))
        begun.set()
        found.append(waiter.wait(10))

    thread = threading.Thread(target=work)
    thread.start()
    assert begun.wait(10)
    waiters.offer(SPEAK)
    thread.join(10)
    assert found == [SPEAK]


class Client(WaitVerbs):
    """A client whose hub answers at once."""

    def __init__(self, *answers: HiveMessage, error: Optional[Exception] = None) -> None:
        self.waiters = Waiters()
        self.mailbox = Mailbox("test")
        self.answers, self.error = answers, error
        self.sent: list[HiveMessage] = []

    def emit(self, message: Any) -> None:
        if self.error:
            raise self.error
        self.sent.append(message)
        for answer in self.answers:
            self.waiters.offer(answer)


def test_responses_are_waited_for_before_the_question_is_sent() -> None:
    answer = HiveMessage("bus", {"type": "ask.response"})
    client = Client(PING, answer)
    assert client.wait_for_response(HiveMessage("bus", {"type": "ask"}), timeout=0) is answer
    assert client.wait_for_response(HiveMessage("bus", {"type": "ask"}), "speak", timeout=0) is None
    assert client.wait_for_response(PING, timeout=0) is PING
    assert [message.msg_type for message in client.sent] == [T.BUS, T.BUS, T.PING]
    assert client.waiters._waiting == []


def test_payload_responses() -> None:
    client = Client(QUERY, SPEAK)
    assert client.wait_for_payload_response(HiveMessage("query", SPEAK), "bus", timeout=0) == QUERY
    assert client.wait_for_payload_response(HiveMessage("query", SPEAK), "speak", "bus", timeout=0) is SPEAK
    assert client.wait_for_payload_response(HiveMessage("query", SPEAK), "other", timeout=0) is None


def test_nobody_waits_for_what_was_not_sent() -> None:
    client = Client(error=NotConnected("away"))
    with pytest.raises(NotConnected):
        client.wait_for_response(PING, timeout=0)
    assert client.waiters._waiting == []


@pytest.mark.parametrize("verb", ["wait_for_message", "wait_for_mycroft", "wait_for_payload"])
def test_waits_that_run_out_leave_nobody_behind(verb: str) -> None:
    client = Client()
    assert getattr(client, verb)("speak", timeout=0) is None
    assert client.waiters._waiting == []


def test_a_client_brings_its_own_emit() -> None:
    with pytest.raises(TypeError):
        WaitVerbs().emit(PING)


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
    gatherer = Gatherer(noting(seen), lambda: len(seen) >= 3)
    waiters.join(gatherer)
    for _ in range(5):
        waiters.offer(PING)
    assert len(seen) == 3 and waiters._waiting == []


def test_a_waiter_that_was_stopped_looks_at_nothing_more() -> None:
    waiters = Waiters()
    seen: list[HiveMessage] = []
    gatherer = Gatherer(noting(seen))
    waiters.join(gatherer)
    gatherer.stop()
    waiters.offer(PING)
    assert seen == [] and waiters._waiting == []


def test_who_begins_to_wait_on_what_is_closed_is_told_at_once() -> None:
    waiters = Waiters()
    waiters.close()
    gatherer = Gatherer(lambda message: True)
    waiters.join(gatherer)
    assert gatherer.lost and gatherer.wait_until(lambda: False, None)
    assert waiters.add(message_named("speak")).wait(None) is None
    waiters.reopen()
    assert waiters.add(message_named("speak")).wait(0) is None and len(waiters._waiting) == 1


def test_a_wait_looks_again_after_every_message() -> None:
    waiters = Waiters()
    seen: list[HiveMessage] = []
    gatherer = Gatherer(noting(seen))
    waiters.join(gatherer)
    offering = threading.Thread(target=lambda: waiters.offer(PING))
    offering.start()
    assert gatherer.wait_until(lambda: bool(seen), 10) and not gatherer.lost
    offering.join(10)
    assert gatherer.wait_until(lambda: False, 0) is False


def test_an_end_of_the_connection_is_told_to_those_who_gather() -> None:
    waiters = Waiters()
    gatherer = Gatherer(lambda message: True)
    waiters.join(gatherer)
    waiters.give_up(requests_only=True)
    assert gatherer.lost and waiters._waiting == []
