"""All clients, and the fakes: a message that the FakeBus of the installed ovos-utils says by two names goes by both.

So ovos-audio 2, which listens to `ovos.utterance.speak`, hears the `speak` of a hub.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from typing import Any
from unittest import mock

import pytest
from ovos_bus_client.message import Message
from ovos_utils.fakebus import FakeBus as Installed

from hivemind_core_client import FakeHiveMessageBus, HiveMessageBusClient
from hivemind_core_client.testing import EmbeddedHub
from tests.unit.client_support import Log, settled
from tests.unit.fakebus_support import PAIRS, FakeBus, local_bus_over

NAMES = [*PAIRS, *[(new, old) for old, new in PAIRS]]


@pytest.fixture(autouse=True, params=["renaming", "installed"])
def fakebus(request: pytest.FixtureRequest) -> Iterator[Any]:
    """The FakeBus that counts as the installed one."""
    if request.param == "installed":
        yield Installed
        return
    with mock.patch.dict(sys.modules, {"hivemind_core_client.shell.local_bus": local_bus_over(FakeBus)}):
        yield FakeBus


def said_by(fakebus: Any, said: str, heard: str) -> list[str]:
    """What a handler of the name `heard` gets when `said` is said on this FakeBus."""
    bus, types = fakebus(), []
    bus.on(heard, lambda message: types.append(message.msg_type))
    bus.emit(Message(said, {"utterance": "hello"}))
    return types


def types_of(log: Any) -> list[str]:
    return [message.msg_type for message in log.calls]


@pytest.mark.parametrize(("said", "heard"), NAMES)
def test_what_the_hub_says_is_heard_by_either_name(
    hub: EmbeddedHub, client: HiveMessageBusClient, fakebus: Any, said: str, heard: str
) -> None:
    same, other = Log(), Log()
    client.on_mycroft(said, same)
    client.on_mycroft(heard, other)
    for _ in range(2):
        hub.broadcast(Message(said, {"utterance": "hello"}))
    settled(hub, client)
    assert types_of(same) == [said, said]
    assert types_of(other) == said_by(fakebus, said, heard) * 2
    for message in other.calls:
        assert message.data == {"utterance": "hello"} and message.context["session"]["session_id"]


def test_who_listens_to_both_names_is_called_once(hub: EmbeddedHub, client: HiveMessageBusClient) -> None:
    both = Log()
    for name in PAIRS[0]:
        client.on_mycroft(name, both)
    hub.broadcast(Message(PAIRS[0][0], {"utterance": "hello"}))
    settled(hub, client)
    assert types_of(both) == [PAIRS[0][0]]
    client.remove(PAIRS[0][0], both)
    client.remove(PAIRS[0][1], both)
    hub.broadcast(Message(PAIRS[0][0], {"utterance": "hello again"}))
    settled(hub, client)
    assert len(both.calls) == 1


@pytest.mark.parametrize(("said", "heard"), NAMES)
def test_what_we_send_is_heard_here_by_either_name(
    hub: EmbeddedHub, client: HiveMessageBusClient, fakebus: Any, said: str, heard: str
) -> None:
    """And it goes up once, by the name that it has."""
    other = Log()
    client.on_mycroft(heard, other)
    client.emit(Message(said, {"utterance": "hello"}))
    settled(hub, client)
    assert types_of(other) == said_by(fakebus, said, heard)
    assert [message["type"] for message in hub.wait_for(said)] == [said]
    assert not [message for message in hub.received if message.msg_type == "bus" and message["type"] == heard]


def test_what_is_said_on_the_bus_goes_up_once(hub: EmbeddedHub, client: HiveMessageBusClient) -> None:
    assert client.hub is not None
    old, new = PAIRS[0]
    heard = Log()
    client.internal_bus.on(new, heard)
    client.internal_bus.emit(Message(old, {"utterance": "hello"}, {"destination": client.hub.node_id}))
    client.emit(Message("last"))
    hub.wait_for("last")
    assert [message["type"] for message in hub.received if message.msg_type == "bus"] == [old, "last"]


def test_a_coroutine_function_hears_by_either_name(fakebus: Any) -> None:
    if sys.version_info < (3, 10):
        return
    from hivemind_core_client import AsyncFakeHiveMessageBus

    old, new = PAIRS[0]
    heard: list[str] = []

    async def hear(message: Message) -> None:
        await asyncio.sleep(0)
        heard.append(message.msg_type)

    async def main() -> None:
        async with AsyncFakeHiveMessageBus() as bus:
            bus.on_mycroft(new, hear)
            await bus.receive(Message(old, {"utterance": "hello"}))

    asyncio.run(main())
    assert heard == said_by(fakebus, old, new)


def test_the_fake_hears_by_either_name(fakebus: Any) -> None:
    old, new = PAIRS[0]
    heard: list[str] = []
    with FakeHiveMessageBus() as bus:
        bus.on(new, lambda message: heard.append(message.msg_type))
        bus.receive(Message(old, {"utterance": "hello"}))
        bus.emit(Message(old, {"utterance": "to the hub"}))
    assert heard == said_by(fakebus, old, new) * 2
    assert [message["type"] for message in bus.emitted] == [old]


def test_handlers_move_to_a_bus_that_is_given_later(hub: EmbeddedHub, client: HiveMessageBusClient) -> None:
    """What is around them on the first bus stays there."""
    heard = Log()
    client.on_mycroft("speak", heard)
    client.internal_bus = Installed()
    hub.broadcast(Message("speak", {"utterance": "hello"}))
    settled(hub, client)
    assert types_of(heard) == ["speak"]
    client.remove("speak", heard)
    hub.broadcast(Message("speak", {"utterance": "hello again"}))
    settled(hub, client)
    assert types_of(heard) == ["speak"]
