"""`ask` and `say` with both fakes: no time passes."""

from __future__ import annotations

import asyncio

import pytest
from ovos_bus_client.message import Message

from hivemind_core_client import FakeHiveMessageBus
from hivemind_core_client import errors as err
from hivemind_core_client.fakebus import AsyncFakeHiveMessageBus
from tests.unit.support import UTTERANCE

NEWER = "ovos.utterance.handle"


def spoken(message: Message) -> list[Message]:
    """What the fake hub says to an utterance."""
    (text,) = message.data["utterances"]
    return [message.reply("speak", {"utterance": said}) for said in ("well,", f"you said: {text}")]


def denial(message: Message) -> Message:
    return Message("hive.policy.denied", {"denied_type": message.msg_type, "code": "acl_disallowed_type"})


def test_a_fake_is_asked() -> None:
    bus = FakeHiveMessageBus(session_id="s1", site_id="attic")
    bus.respond(UTTERANCE, spoken)
    answer = bus.ask("hello", "en-us", timeout=3600, quiet=60)
    assert (answer.text, answer.lang, answer.complete) == ("well, you said: hello", "en-us", True)
    bus.say("good morning")
    sessions = [packet["context"]["session"]["session_id"] for packet in bus.emitted_of(UTTERANCE)]
    assert sessions == ["s1", "s1"]
    with pytest.raises(err.QueryTimeout, match="within 3600 s"):
        bus.ask(Message("nobody.answers"), timeout=3600)


def test_a_fake_is_asked_on_a_loop() -> None:
    async def main() -> None:
        async with AsyncFakeHiveMessageBus() as bus:
            bus.respond(UTTERANCE, spoken)
            answer = await bus.ask("hello", "en-us", timeout=3600, quiet=60)
            assert answer.text == "well, you said: hello"
            await bus.say("good morning")
            assert len(bus.emitted_of(UTTERANCE)) == 2
            with pytest.raises(err.QueryTimeout, match="within 3600 s"):
                await bus.ask(Message("nobody.answers"), timeout=3600)

    asyncio.run(main())


def test_a_fake_hub_denies() -> None:
    bus = FakeHiveMessageBus()
    bus.respond(UTTERANCE, denial)
    bus.respond(NEWER, spoken)
    bus.say("good morning")
    assert bus.ask("hello").text == "well, you said: hello"
    bus.respond(NEWER, denial)
    with pytest.raises(err.MessageDenied, match=f"allow-msg {UTTERANCE} NODE_ID"):
        bus.ask("and now")
    types = [packet["type"] for packet in bus.emitted if packet.msg_type == "bus"]
    assert types == [UTTERANCE, NEWER, NEWER, NEWER, UTTERANCE]


def test_a_fake_hub_denies_on_a_loop() -> None:
    async def main() -> None:
        async with AsyncFakeHiveMessageBus() as bus:
            bus.respond(UTTERANCE, denial)
            bus.respond(NEWER, spoken)
            await bus.say("good morning")
            await bus.settle()
            assert [packet["type"] for packet in bus.emitted[-2:]] == [UTTERANCE, NEWER]
            assert (await bus.ask("hello")).text == "well, you said: hello"

    asyncio.run(main())


def test_the_end_of_a_session_ends_a_question() -> None:
    bus = FakeHiveMessageBus()

    def leave(message: Message) -> None:
        bus.drop()

    bus.respond(UTTERANCE, leave)
    with pytest.raises(err.ConnectionLost):
        bus.ask("hello")
    assert len(bus.waiters) == 0
