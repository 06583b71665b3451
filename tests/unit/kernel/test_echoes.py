"""Messages that ask the hub for nothing but an answer: whose answer is whose."""

from __future__ import annotations

import pytest

from hivemind_core_client.errors import NotConnected
from hivemind_core_client.kernel.echoes import ECHO, Echoes
from hivemind_core_client.kernel.events import Arrived, Echoed
from hivemind_core_client.message import HiveMessage
from tests.unit.support import idle_link, keyed_by_password

OWN = HiveMessage("rendezvous", {"cmd": "collect"})
ANSWER = HiveMessage("rendezvous", {"status": "error", "reason": "unknown_command"})


def test_answers_come_in_the_order_of_the_questions() -> None:
    hub, told = keyed_by_password(), list[int]()
    hub.link.seal(ECHO, lambda: told.append(1))
    hub.link.seal(OWN)
    hub.link.seal(ECHO, lambda: told.append(2))
    (first,), (second, *_), (third,) = hub.send(ANSWER), hub.send(ANSWER), hub.send(ANSWER)
    assert isinstance(first, Echoed) and isinstance(second, Arrived) and isinstance(third, Echoed)
    assert second.message == ANSWER
    first.answered()
    third.answered()
    assert told == [1, 2]


def test_what_nobody_asked_for_is_a_message_like_any() -> None:
    assert isinstance(keyed_by_password().send(ANSWER)[0], Arrived)


def test_other_messages_answer_nothing() -> None:
    hub, told = keyed_by_password(), list[int]()
    hub.link.seal(ECHO, lambda: told.append(1))
    assert isinstance(hub.send(HiveMessage("hello", {}))[0], Arrived)
    assert isinstance(hub.send(ANSWER)[0], Echoed)


def test_without_a_session_there_is_none() -> None:
    with pytest.raises(NotConnected):
        idle_link().seal(ECHO, lambda: None)


def test_a_hub_that_answers_none_is_remembered_little_of() -> None:
    echoes = Echoes()
    for _ in range(5_000):
        echoes.asked(None)
        assert len(echoes.waiting) <= 1_000
    echoes.asked(lambda: None)
    assert not echoes.waiting  # nobody knows any more whose answer would come
    assert echoes.answer() is None  # the thread that reads may have looked before that
