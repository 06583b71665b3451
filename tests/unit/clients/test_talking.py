"""All clients: `ask` and `say`, and the answers to them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from ovos_bus_client.message import Message

from hivemind_core_client import Answer, HiveMessageBusClient
from hivemind_core_client import errors as err
from hivemind_core_client.testing import Account, EmbeddedHub
from tests.unit.client_support import NEWEST, PATIENCE, Log, Make, settled, until
from tests.unit.noise_support import needs_noise
from tests.unit.support import PASSWORD, UTTERANCE

#: What embedded hubs leave to the test to answer.
OPEN = Message("my.question")


class Replying:
    """Answers `OPEN` in the place of a hub, with what a test says."""

    def __init__(self, hub: EmbeddedHub) -> None:
        self._hub = hub

    def to(self, client: HiveMessageBusClient, *replies: Message, **options: Any) -> Any:
        """What `ask` returned, or raised, where the hub says these."""
        with ThreadPoolExecutor(1) as pool:
            asked = pool.submit(client.ask, OPEN, **{"timeout": PATIENCE, **options})
            self._hub.wait_for(OPEN.msg_type)
            for reply in replies:
                self._hub.broadcast(reply)
            return asked.result(PATIENCE)


@pytest.fixture
def replying(hub: EmbeddedHub) -> Replying:
    return Replying(hub)


def speak(text: str, session_id: str = "", **data: Any) -> Message:
    context = {"session": {"session_id": session_id}} if session_id else {}
    return Message("speak", {"utterance": text, **data}, context)


def test_a_question_gets_its_answer(client: HiveMessageBusClient) -> None:
    answer = client.ask("what time is it")
    assert isinstance(answer, Answer)
    assert answer.text == str(answer) == "you said: what time is it"
    assert [message.msg_type for message in answer.messages] == ["speak"]
    assert answer and answer.complete and not answer.expects_response


def test_the_language_is_said(hub: EmbeddedHub, client: HiveMessageBusClient) -> None:
    answer = client.ask("que horas são", lang="pt-pt")
    assert answer.lang == "pt-pt"
    (asked,) = hub.wait_for(UTTERANCE)
    assert asked["data"] == {"utterances": ["que horas são"], "lang": "pt-pt"}


def test_an_answer_of_several_sentences_is_whole(make: Make) -> None:
    with EmbeddedHub({"k": PASSWORD}, lambda text: ["one", "two", "three"]) as hub, make(hub) as client:
        answer = client.ask("count")
        assert answer.text == "one two three"
        assert len(answer.messages) == 3


def test_each_of_many_at_once_gets_its_own(make: Make) -> None:
    """On one connection and in one session."""
    with EmbeddedHub({"k": PASSWORD}) as hub, make(hub) as client, ThreadPoolExecutor(8) as pool:
        texts = [f"number {number}" for number in range(40)]
        answers = list(pool.map(lambda text: client.ask(text, timeout=PATIENCE).text, texts))
        assert answers == [f"you said: {text}" for text in texts]
        assert len(client.waiters) == 0


def test_handlers_hear_the_answer_too(hub: EmbeddedHub, client: HiveMessageBusClient) -> None:
    log = Log()
    client.on_mycroft("speak", log)
    client.ask("hello")
    settled(hub, client)
    assert [message.data["utterance"] for message in log.calls] == ["you said: hello"]


def test_a_handler_may_ask(client: HiveMessageBusClient) -> None:
    log = Log()
    client.on_mycroft("speak", lambda message: log(message.data["utterance"]))
    asked = Log()
    client.once("speak", lambda message: asked(client.ask("and then")))
    client.say("hello")
    assert log.wait(2) == ["you said: hello", "you said: and then"]


@pytest.mark.parametrize("verb", ["ask", "say"])
@pytest.mark.parametrize("text", ["", "   "])
def test_an_empty_question_is_refused(verb: str, text: str, client: HiveMessageBusClient) -> None:
    with pytest.raises(err.InvalidOption, match="the question is empty"):
        getattr(client, verb)(text)
    assert len(client.waiters) == 0


def test_without_a_session_nothing_is_asked(make: Make, hub: EmbeddedHub) -> None:
    client = make(hub)
    for verb in (client.ask, client.say):
        with pytest.raises(err.NotConnected):
            verb("hello")
    assert len(client.waiters) == 0


def test_a_conversation_keeps_its_session_through_reconnections(
    hub: EmbeddedHub, client: HiveMessageBusClient
) -> None:
    client.ask("one")
    opened = Log()
    client.on("open", opened)
    hub.drop()
    opened.wait(1)
    client.ask("two", timeout=PATIENCE)
    sessions = {asked["context"]["session"]["session_id"] for asked in hub.wait_for(UTTERANCE, count=2)}
    assert sessions == {client.session_id}


def test_a_message_is_asked_as_it_is(client: HiveMessageBusClient, replying: Replying) -> None:
    answer = replying.to(client, speak("forty-two"), quiet=0.05)
    assert (answer.text, answer.complete) == ("forty-two", True)


def test_nothing_said_and_the_end_told_is_an_empty_answer(
    client: HiveMessageBusClient, replying: Replying
) -> None:
    answer = replying.to(client, Message("ovos.utterance.handled"))
    assert not answer
    assert (answer.text, answer.messages, answer.complete) == ("", (), True)


def test_a_hub_that_does_not_tell_the_end_is_done_when_it_is_quiet(
    client: HiveMessageBusClient, replying: Replying
) -> None:
    answer = replying.to(client, speak("one"), speak("two"), quiet=0.3)
    assert answer.text == "one two"


def test_what_the_hub_says_to_another_session_is_no_answer(
    client: HiveMessageBusClient, replying: Replying
) -> None:
    replies = speak("not yours", "another"), speak("yours", client.session_id)
    assert replying.to(client, *replies, quiet=0.05).text == "yours"


def test_where_the_hub_asks_in_turn_the_answer_is_whole(
    client: HiveMessageBusClient, replying: Replying
) -> None:
    answer = replying.to(client, speak("which city", expect_response=True), quiet=PATIENCE)
    assert (answer.text, answer.complete, answer.expects_response) == ("which city", True, True)


def test_half_an_answer_says_that_it_is_none(client: HiveMessageBusClient, replying: Replying) -> None:
    answer = replying.to(client, speak("well, "), timeout=1.0, quiet=PATIENCE)
    assert (answer.text, answer.complete) == ("well,", False)


def test_nobody_answers(client: HiveMessageBusClient) -> None:
    with pytest.raises(err.QueryTimeout, match=r"nobody answered within 0\.05 s.*Is an OVOS") as caught:
        client.ask(OPEN, timeout=0.05)
    assert isinstance(caught.value, TimeoutError)
    assert len(client.waiters) == 0


def test_the_end_of_the_connection_ends_it(hub: EmbeddedHub, client: HiveMessageBusClient) -> None:
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(client.ask, OPEN, timeout=PATIENCE)
        hub.wait_for(OPEN.msg_type)
        hub.drop()
        with pytest.raises(err.ConnectionLost):
            asked.result(PATIENCE)


def test_close_ends_it(hub: EmbeddedHub, client: HiveMessageBusClient) -> None:
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(client.ask, OPEN, timeout=PATIENCE)
        hub.wait_for(OPEN.msg_type)
        client.close()
        with pytest.raises(err.HiveMindError):
            asked.result(PATIENCE)


def test_the_session_of_a_message_is_the_one_that_answers(hub: EmbeddedHub, make: Make) -> None:
    """As a bridge does it, which speaks for many users."""
    with make(hub) as client:
        asked = Message(UTTERANCE, {"utterances": ["hello"]}, {"session": {"session_id": "user-7"}})
        (spoken,) = client.ask(asked, timeout=PATIENCE).messages
        assert spoken.context["session"]["session_id"] == "user-7"


@pytest.mark.parametrize("options", [{"timeout": -1}, {"timeout": "soon"}, {"quiet": -1}, {"lang": ""}])
def test_options_are_checked(options: Any, client: HiveMessageBusClient) -> None:
    with pytest.raises(err.InvalidOption):
        client.ask("hello", **options)


# what the hub does not take

NEWER = "ovos.utterance.handle"


def choosy(*allowed: str) -> EmbeddedHub:
    """A new hub that takes these types alone."""
    return EmbeddedHub([Account("k", PASSWORD, allowed=allowed)], like=NEWEST)


@needs_noise
def test_what_goes_by_the_newer_name_alone_is_asked_by_that(make: Make) -> None:
    with choosy(NEWER) as hub, make(hub) as client:
        own = Log()
        client.on_mycroft(UTTERANCE, own)
        for text in ("one", "two"):
            assert client.ask(text, timeout=PATIENCE).text == f"you said: {text}"
        types = [message["type"] for message in hub.received if message.msg_type == "bus"]
        assert types == [UTTERANCE, NEWER, NEWER], "it is found out once"
        settled(hub, client)
        assert [message.data["utterances"] for message in own.calls].count(["one"]) == 1


@needs_noise
def test_many_at_once_find_out_by_which_name_they_go(make: Make) -> None:
    with choosy(NEWER) as hub, make(hub) as client, ThreadPoolExecutor(8) as pool:
        texts = [f"number {number}" for number in range(8)]
        answers = list(pool.map(lambda text: client.ask(text, timeout=PATIENCE).text, texts))
        assert answers == [f"you said: {text}" for text in texts]


def test_where_no_utterance_is_taken_it_says_what_allows_them(make: Make) -> None:
    with choosy("speak") as hub, make(hub) as client:
        with pytest.raises(err.MessageDenied) as caught:
            client.ask("may I", timeout=PATIENCE)
        for name in (UTTERANCE, NEWER):
            assert f"hivemind-core allow-msg {name} NODE_ID" in str(caught.value)
        assert client.state == "connected" and len(client.waiters) == 0


@needs_noise
def test_what_is_said_goes_by_the_newer_name_too(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    with choosy(NEWER) as hub, make(hub) as client:
        log = Log()
        client.on_mycroft("speak", log)
        client.say("good morning")
        assert [message.data["utterance"] for message in log.wait(1)] == ["you said: good morning"]
        assert until(lambda: len(client.waiters) == 0)
    assert "denied" not in caplog.text


def test_what_may_not_be_said_is_a_warning(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    with choosy("speak") as hub, make(hub) as client:
        client.say("good morning")
        assert until(lambda: f"allow-msg {UTTERANCE} NODE_ID" in caplog.text)
        hub.broadcast(speak("something else"))
        assert until(lambda: len(client.waiters) == 0)


def test_what_a_hub_never_answers_is_forgotten(client: HiveMessageBusClient) -> None:
    for _ in range(100):
        client.say(OPEN)
    assert len(client.waiters.waiting) < 40
