"""Utterances and their answers, sans IO: what belongs to which, when an answer is whole, what a denial leads to."""

from __future__ import annotations

from typing import Any, Optional

import pytest
from ovos_bus_client.message import Message

from hivemind_core_client.errors import ConnectionLost, InvalidOption, MessageDenied, QueryTimeout
from hivemind_core_client.kernel.conversation import ASK_ID, UTTERANCES, Conversation, Exchange
from hivemind_core_client.message import HiveMessage, HiveMessageType, HiveMindBinaryPayloadType

OWN = "session-1"
OLD, NEW = UTTERANCES


def opened(conversation: Conversation, question: Any = "hello", lang: Optional[str] = None) -> Exchange:
    """A question that was sent."""
    exchange = conversation.ask(question, lang, OWN)
    assert exchange.take_packet() is not None
    return exchange


def heard(
    conversation: Conversation, exchange: Exchange, name: str = "speak", context: Any = None, **data: Any
) -> bool:
    """Whether it takes what the hub says."""
    message = HiveMessage(HiveMessageType.BUS, {"type": name, "data": data, "context": context or {}})
    return conversation.taker(exchange)(message)


def answered(exchange: Exchange, complete: bool = True) -> Any:
    return exchange.answer(complete, 10.0, lambda: ConnectionLost("gone"))


def test_a_text_goes_as_an_utterance_with_an_id() -> None:
    packet = Conversation().ask("what time is it", "pt-pt", OWN).take_packet()
    assert packet is not None and packet.msg_type is HiveMessageType.BUS
    assert packet["type"] == OLD
    assert packet["data"] == {"utterances": ["what time is it"], "lang": "pt-pt"}
    assert packet["context"][ASK_ID]


def test_without_a_language_none_is_said() -> None:
    packet = Conversation().ask("hello", None, OWN).take_packet()
    assert packet is not None and packet["data"] == {"utterances": ["hello"]}


@pytest.mark.parametrize("question", ["", "  \n"])
def test_an_empty_question_is_refused(question: str) -> None:
    with pytest.raises(InvalidOption, match="the question is empty"):
        Conversation().ask(question, None, OWN)


@pytest.mark.parametrize("lang", ["", " ", 3])
def test_a_language_is_a_text(lang: Any) -> None:
    with pytest.raises(InvalidOption, match="must be a language"):
        Conversation().ask("hello", lang, OWN)


def test_a_language_is_for_texts_alone() -> None:
    with pytest.raises(InvalidOption, match="put it into the message"):
        Conversation().ask(Message(OLD, {"utterances": ["hello"]}), "en-us", OWN)


def test_a_message_goes_as_it_is_with_an_id_more() -> None:
    exchange = Conversation().ask(Message("my.question", {"a": 1}, {"b": 2}), None, OWN)
    packet = exchange.take_packet()
    assert packet is not None
    assert (packet["type"], packet["data"]) == ("my.question", {"a": 1})
    assert packet["context"]["b"] == 2 and packet["context"][ASK_ID]
    assert exchange.take_packet() is None


def test_a_hive_message_goes_as_it_is() -> None:
    sound = HiveMessage(HiveMessageType.BINARY, b"sound", bin_type=HiveMindBinaryPayloadType.STT_AUDIO_HANDLE)
    conversation = Conversation()
    exchange = conversation.ask(sound, None, OWN)
    assert exchange.take_packet() is sound
    assert heard(conversation, exchange, context={"session": {"session_id": OWN}}, utterance="hello")
    assert answered(exchange).text == "hello"


@pytest.mark.parametrize("speech", ["speak", "ovos.utterance.speak"])
def test_the_answer_is_all_that_is_spoken(speech: str) -> None:
    conversation = Conversation()
    exchange = opened(conversation)
    context = {ASK_ID: exchange.ask_id, "lang": "en-gb"}
    assert heard(conversation, exchange, speech, context, utterance=" one ", lang="en-us")
    assert heard(conversation, exchange, speech, context, utterance="two")
    answer = answered(exchange)
    assert answer.text == str(answer) == "one two"
    assert [message.data["utterance"] for message in answer.messages] == [" one ", "two"]
    assert (answer.lang, answer.complete, answer.expects_response) == ("en-us", True, False)
    assert answer


@pytest.mark.parametrize("data", [{"utterance": None}, {"utterance": 3, "lang": 4}, {}])
def test_nonsense_is_spoken_as_nothing(data: Any) -> None:
    conversation = Conversation()
    exchange = opened(conversation, lang="de-de")
    assert heard(conversation, exchange, context={"lang": 5}, **data)
    answer = answered(exchange)
    assert (answer.text, answer.lang, len(answer.messages)) == ("", "de-de", 1)


def test_contexts_that_are_none_belong_to_nobody_else() -> None:
    conversation = Conversation()
    exchange = opened(conversation)
    contexts: list[Any] = [[], {"session": "x"}, {"session": {}}]
    for context in contexts:
        assert heard(conversation, exchange, context=context, utterance="hello")


def test_what_is_said_by_both_names_is_heard_once() -> None:
    conversation = Conversation()
    exchange = opened(conversation)
    for name in ("speak", "ovos.utterance.speak", "speak", "speak"):
        heard(conversation, exchange, name, utterance="hello")
    assert answered(exchange).text == "hello hello hello"


@pytest.mark.parametrize(
    "context", [{"session": {"session_id": "another"}}, {ASK_ID: "another"}, {ASK_ID: ["another"]}]
)
def test_what_is_for_another_session_or_question_is_not_taken(context: Any) -> None:
    conversation = Conversation()
    assert not heard(conversation, opened(conversation), context=context, utterance="for somebody else")


def test_a_message_may_bring_a_session_of_its_own() -> None:
    conversation = Conversation()
    session = {"session_id": "user-7"}
    exchange = opened(conversation, Message(OLD, {"utterances": ["hello"]}, {"session": session}))
    assert not heard(conversation, exchange, context={"session": {"session_id": OWN}})
    assert heard(conversation, exchange, context={"session": session}, utterance="hello, seven")


def test_other_messages_are_not_taken() -> None:
    conversation = Conversation()
    exchange = opened(conversation)
    assert not heard(conversation, exchange, "mycroft.volume.set", utterance="x")
    assert not conversation.taker(exchange)(HiveMessage(HiveMessageType.THIRDPRTY, {"type": "speak"}))


def test_each_of_several_gets_its_own_answer() -> None:
    conversation = Conversation()
    first, second = opened(conversation, "one"), opened(conversation, "two")
    assert not heard(conversation, first, context={ASK_ID: second.ask_id}, utterance="second")
    assert heard(conversation, second, context={ASK_ID: second.ask_id}, utterance="second")
    assert heard(conversation, first, context={ASK_ID: first.ask_id}, utterance="first")
    assert (answered(first).text, answered(second).text) == ("first", "second")


def test_what_names_no_question_is_for_the_oldest_and_for_one_alone() -> None:
    conversation = Conversation()
    first, second = opened(conversation, "one"), opened(conversation, "two")
    message = HiveMessage(HiveMessageType.BUS, {"type": "speak", "data": {"utterance": "x"}, "context": {}})
    assert conversation.taker(first)(message)
    conversation_of_second = conversation.taker(second)
    assert not conversation_of_second(message)
    conversation.close(first)
    assert conversation_of_second(message.copy())


def test_a_question_is_kept_whoever_asks_and_closes_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    """Threads ask at once: here another one does all it can at each moment in which this one looks at an exchange."""
    conversation = Conversation()
    opened(conversation)
    meanwhile = [opened(conversation)]

    def is_over(exchange: Exchange) -> bool:
        if len(meanwhile) == 1:
            meanwhile.append(exchange)  # once
            meanwhile.append(opened(conversation, "meanwhile"))
            conversation.close(meanwhile[0])
        return False

    monkeypatch.setattr(Exchange, "over", property(is_over, lambda exchange, value: None), raising=False)
    last = opened(conversation, "last")
    for exchange in (meanwhile[2], last):
        assert heard(conversation, exchange, context={ASK_ID: exchange.ask_id}, utterance="yours")
    assert not heard(conversation, meanwhile[0], context={ASK_ID: meanwhile[0].ask_id}, utterance="too late")


def test_a_name_that_another_hub_took_is_forgotten_where_nobody_answers() -> None:
    conversation = Conversation()
    exchange = opened(conversation)
    assert exchange.deny(MessageDenied(OLD)) and exchange.take_packet() is not None
    assert heard(conversation, exchange, context={ASK_ID: exchange.ask_id}, utterance="hi")
    conversation.close(exchange)
    unanswered = opened(conversation)
    assert unanswered.sent_type == NEW
    conversation.close(unanswered)
    assert opened(conversation).sent_type == OLD


def test_once_the_hub_keeps_ids_what_has_none_is_something_else() -> None:
    conversation = Conversation()
    exchange = opened(conversation)
    assert heard(conversation, exchange, context={ASK_ID: exchange.ask_id}, utterance="the answer")
    assert not heard(conversation, exchange, utterance="the kettle boils")
    assert answered(exchange).text == "the answer"


@pytest.mark.parametrize(
    "end",
    [
        "ovos.utterance.handled",
        "ovos.utterance.cancelled",
        "complete_intent_failure",
        "ovos.intent.unmatched",
    ],
)
def test_the_end_is_told(end: str) -> None:
    conversation = Conversation()
    exchange = opened(conversation)
    assert exchange.patience(10.0, 1.0, False) == 10.0
    assert heard(conversation, exchange, end)
    assert exchange.ended and exchange.patience(10.0, 1.0, False) < 0.5
    answer = answered(exchange)
    assert (answer.text, answer.complete, bool(answer)) == ("", True, False)


@pytest.mark.parametrize("listening", ["mycroft.mic.listen", "ovos.mic.listen"])
def test_it_is_our_turn_where_the_hub_listens(listening: str) -> None:
    conversation = Conversation()
    exchange = opened(conversation)
    heard(conversation, exchange, utterance="which city")
    assert exchange.patience(10.0, 1.0, False) == 1.0
    assert exchange.patience(10.0, 1.0, True) == 10.0
    heard(conversation, exchange, listening)
    assert exchange.ended and answered(exchange).expects_response
    assert not conversation.is_told  # that does not say that a hub tells the end of each


def test_it_is_our_turn_where_what_is_spoken_says_so() -> None:
    conversation = Conversation()
    exchange = opened(conversation)
    heard(conversation, exchange, utterance="which city", expect_response=True)
    assert exchange.ended and answered(exchange).expects_response


def test_a_hub_that_told_the_end_is_trusted_to_tell_it_until_it_does_not() -> None:
    conversation = Conversation()
    told = opened(conversation)
    heard(conversation, told, "ovos.utterance.handled")
    conversation.close(told)
    assert conversation.is_told
    exchange = opened(conversation)
    heard(conversation, exchange, context={ASK_ID: exchange.ask_id}, utterance="hello")
    conversation.close(exchange)
    assert not conversation.is_told


def test_an_answer_is_bounded() -> None:
    conversation = Conversation()
    exchange = opened(conversation)
    for number in range(2000):
        if not exchange.over:
            heard(conversation, exchange, utterance=str(number))
    assert len(answered(exchange, complete=False).messages) == 1000


def test_silence_says_what_to_look_at() -> None:
    with pytest.raises(QueryTimeout, match=r"within 10 s.*Is an OVOS .*allow-msg recognizer_loop"):
        answered(opened(Conversation()), complete=False)
    sound = HiveMessage(HiveMessageType.BINARY, b"sound")
    with pytest.raises(QueryTimeout) as caught:
        answered(opened(Conversation(), sound), complete=False)
    assert "allow-msg" not in str(caught.value)


def test_silence_quotes_no_type_that_a_shell_would_read() -> None:
    with pytest.raises(QueryTimeout, match="allow-msg TYPE NODE_ID"):
        answered(opened(Conversation(), Message("x; reboot")), complete=False)


def test_the_end_of_the_connection_is_raised_where_nothing_was_said() -> None:
    conversation = Conversation()
    exchange, other = opened(conversation), opened(conversation)
    heard(conversation, other, context={ASK_ID: other.ask_id}, utterance="half of")
    for each in (exchange, other):
        each.lose()
        assert each.over and each.lost
    with pytest.raises(ConnectionLost):
        answered(exchange, complete=False)
    answer = answered(other, complete=False)
    assert (answer.text, answer.complete) == ("half of", False)


# denials


def test_what_is_denied_by_one_name_goes_by_the_other() -> None:
    conversation = Conversation()
    exchange = opened(conversation, "hello", "en-us")
    assert exchange.is_first
    assert exchange.deny(MessageDenied(OLD))
    assert not exchange.over and not exchange.is_first
    assert not exchange.deny(MessageDenied(NEW)), "it is not sent yet"
    packet = exchange.take_packet()
    assert packet is not None and packet["type"] == NEW
    assert packet["data"] == {"utterances": ["hello"], "lang": "en-us"}
    assert heard(conversation, exchange, context={ASK_ID: packet["context"][ASK_ID]}, utterance="hi")
    again = conversation.ask("hello again", None, OWN).take_packet()
    assert again is not None and again["type"] == NEW, "what was taken is remembered"


def test_where_both_names_are_denied_both_mends_are_told() -> None:
    exchange = opened(Conversation())
    exchange.deny(MessageDenied(OLD))
    exchange.take_packet()
    assert exchange.deny(MessageDenied(NEW, "not in allowed_types"))
    assert exchange.over
    with pytest.raises(MessageDenied) as caught:
        answered(exchange, complete=False)
    for name in UTTERANCES:
        assert f"'hivemind-core allow-msg {name} NODE_ID'" in str(caught.value)
    assert not exchange.deny(MessageDenied(NEW)), "it is over"


def test_where_the_hub_lists_what_it_takes_the_other_name_is_not_tried_in_vain() -> None:
    exchange = opened(Conversation())
    assert exchange.deny(MessageDenied(OLD, allowed=("speak",)))
    assert exchange.over and exchange.take_packet() is None
    assert NEW in str(exchange.error)


def test_where_the_bus_of_the_hub_is_away_another_name_is_no_help() -> None:
    exchange = opened(Conversation())
    assert exchange.deny(MessageDenied(OLD, "no bus", "backend_unavailable"))
    assert exchange.over and "allow-msg" not in str(exchange.error)


def test_a_denial_of_something_else_is_for_somebody_else() -> None:
    exchange = opened(Conversation(), Message("my.question"))
    assert not exchange.deny(MessageDenied("speak"))
    assert exchange.deny(MessageDenied("my.question"))
    assert exchange.over and "allow-msg my.question" in str(exchange.error)


def test_a_denial_of_sound_is_for_who_asked_with_it() -> None:
    sound = HiveMessage(HiveMessageType.BINARY, b"sound")
    exchange = opened(Conversation(), sound)
    assert exchange.deny(MessageDenied("binary"))
    assert exchange.over


# what nobody waits for


def test_a_remark_is_over_once_the_hub_took_it() -> None:
    conversation = Conversation()
    remark = conversation.say("good morning", None, OWN)
    assert remark.take_packet() is not None
    assert not heard(conversation, remark, utterance="for who waits")
    assert heard(conversation, remark, context={ASK_ID: remark.ask_id}, utterance="good morning")
    assert remark.over


def test_a_remark_takes_nothing_from_a_question() -> None:
    conversation = Conversation()
    remark = conversation.say("good morning", None, OWN)
    exchange = opened(conversation)
    assert not heard(conversation, remark, utterance="the answer")
    assert heard(conversation, exchange, utterance="the answer")


def test_a_remark_goes_by_the_other_name_and_its_last_denial_is_for_everybody() -> None:
    remark = Conversation().say("good morning", None, OWN)
    remark.take_packet()
    assert remark.deny(MessageDenied(OLD))
    packet = remark.take_packet()
    assert packet is not None and packet["type"] == NEW
    assert not remark.deny(MessageDenied(NEW))
    assert remark.over


def test_remarks_are_bounded() -> None:
    conversation = Conversation()
    remarks = [conversation.say("good morning", None, OWN) for _ in range(100)]
    assert not remarks[-1].over
    assert sum(not remark.over for remark in remarks) == 32
