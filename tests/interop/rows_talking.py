"""Rows about `ask` and `say`: an utterance and its answer, in one word."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from hivemind_core_client.errors import MessageDenied

from .answerer import TWICE
from .hubs import RealHub
from .processes import wait_until
from .rows_client import ANSWER_SECONDS, Heard, arrived_as
from .satellite import Satellite
from .table import behaviour

TALKING = "talking"
_AT_ONCE = 8
_QUIET = 0.5
_OLD, _NEW = "recognizer_loop:utterance", "ovos.utterance.handle"


@behaviour("ask returns the spoken answer: all of it, and its own where several ask at once", TALKING)
def asks(hub: RealHub, satellite: Satellite) -> None:
    client = satellite.connected()
    text = f"{TWICE} hello"
    answer = client.ask(text, lang="en-us", timeout=ANSWER_SECONDS, quiet=_QUIET)
    assert answer.text == f"you said: {text} again, you said: {text}"
    assert answer.complete and len(answer.messages) == 2
    texts = [f"number {number}" for number in range(_AT_ONCE)]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        asked = [pool.submit(client.ask, text, timeout=ANSWER_SECONDS, quiet=_QUIET) for text in texts]
        assert [each.result().text for each in asked] == [f"you said: {text}" for text in texts]


@behaviour("a conversation keeps its session through a reconnection, and say needs no answer", TALKING)
def converses(hub: RealHub, satellite: Satellite) -> None:
    client = satellite.connected()
    heard = Heard(client)
    session = client.session_id
    for number in (1, 2):
        text = f"{satellite.name} says {number}"
        client.say(text)
        assert heard.wait_for(f"you said: {text}")
        assert wait_until(partial(arrived_as, hub, text, session), ANSWER_SECONDS)
        if number == 1:
            client.close_connection()
            client.wait_for_handshake(timeout=ANSWER_SECONDS, max_retries=3)


@behaviour("ask and say where the hub takes utterances by their newer name alone", TALKING, needs="denials")
def by_the_newer_name(hub: RealHub, satellite: Satellite) -> None:
    hub.command("blacklist-msg", _OLD, str(satellite.node_id))
    hub.allow_msg(_NEW, satellite.node_id)
    client = satellite.connected()
    heard = Heard(client)
    client.say("good morning")
    assert heard.wait_for("you said: good morning")
    answer = client.ask("what time is it", timeout=ANSWER_SECONDS, quiet=_QUIET)
    assert answer.text == "you said: what time is it"


@behaviour(
    "ask where the hub takes no utterance: MessageDenied at once, with both commands",
    TALKING,
    needs="denials",
)
def denied(hub: RealHub, satellite: Satellite) -> None:
    hub.command("blacklist-msg", _OLD, str(satellite.node_id))
    client = satellite.connected()
    with pytest.raises(MessageDenied) as caught:
        client.ask("may I", timeout=ANSWER_SECONDS * 6)
    for name in (_OLD, _NEW):
        assert f"hivemind-core allow-msg {name} NODE_ID" in str(caught.value)
