"""AsyncFakeHiveMessageBus does what tests that were written for that of the reference client count on."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine
from typing import Any, Callable

import pytest
from hivemind_bus_client.message import HiveMessage, HiveMessageType
from ovos_bus_client.message import Message

import hivemind_core_client

pytestmark = pytest.mark.skipif(sys.version_info < (3, 10), reason="the client for asyncio needs Python 3.10")


def fake(**options: Any) -> Any:
    from hivemind_bus_client.fakebus import AsyncFakeHiveMessageBus

    assert issubclass(AsyncFakeHiveMessageBus, hivemind_core_client.AsyncFakeHiveMessageBus)
    return AsyncFakeHiveMessageBus(**options)


def on_loop(test: Callable[[], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    """Run a test that is a coroutine function."""

    def run() -> None:
        asyncio.run(test())

    run.__doc__ = test.__doc__
    return run


@on_loop
async def test_what_is_sent_is_heard_by_handlers_before_anybody_connects() -> None:
    bus = fake()
    heard: list[str] = []

    async def hear_later(message: HiveMessage) -> None:
        heard.append(f"later {message['type']}")

    bus.on(HiveMessageType.BUS, lambda message: heard.append(f"hive {message['type']}"))
    bus.on(HiveMessageType.BUS, hear_later)
    bus.on_mycroft("speak", lambda message: heard.append(f"ovos {message.msg_type}"))
    await bus.emit(Message("speak", {"utterance": "hello"}))
    assert sorted(heard) == ["hive speak", "later speak", "ovos speak"]
    assert [message.msg_type for message in bus.emitted] == [HiveMessageType.BUS]
    context = bus.emitted[0].payload.context
    assert context["source"] == context["platform"] == "AsyncFakeHiveMessageBus"
    assert context["destination"] == "HiveMind"
    assert context["session"]["session_id"] == "fake-hivemind-session"
    assert context["session"]["site_id"] == "fake-site"
    await bus.close()


@on_loop
async def test_session_site_and_name_can_be_given() -> None:
    bus = fake(session_id="s1", site_id="attic", useragent="Lamp")
    assert (bus.session_id, bus.site_id, bus.useragent) == ("s1", "attic", "Lamp")
    await bus.connect(site_id="cellar")
    assert bus.site_id == "cellar" and bus.connected_event.is_set() and bus.handshake_event.is_set()
    await bus.close()
    assert not bus.connected_event.is_set()


@on_loop
async def test_who_waits_hears_what_is_sent_later() -> None:
    bus = fake()
    await bus.connect()
    waits = [
        asyncio.create_task(bus.wait_for_message(HiveMessageType.THIRDPRTY, timeout=20)),
        asyncio.create_task(bus.wait_for_mycroft("speak", timeout=20)),
    ]
    for _ in range(100):  # more turns of the loop than a clock would wait that jumps
        await asyncio.sleep(0)
    assert not any(wait.done() for wait in waits)
    await bus.emit(HiveMessage(HiveMessageType.THIRDPRTY, {"a": 1}))
    await bus.emit(Message("speak"))
    third, speak = await asyncio.wait_for(asyncio.gather(*waits), 20)
    assert third.payload == {"a": 1} and speak.payload.msg_type == "speak"
    await bus.close()


@on_loop
async def test_a_wait_in_vain_takes_its_time() -> None:
    bus, loop = fake(), asyncio.get_running_loop()
    await bus.connect()
    began = loop.time()
    assert await bus.wait_for_message("nothing", timeout=0.05) is None
    assert loop.time() - began >= 0.045
    with pytest.raises(hivemind_core_client.errors.QueryTimeout):
        await bus.query(Message("question"), timeout=0.05)
    assert loop.time() - began >= 0.09
    await bus.close()


@on_loop
async def test_a_message_of_a_hive_type_is_its_own_response() -> None:
    bus = fake()
    sent = HiveMessage(HiveMessageType.THIRDPRTY, {"a": 1})
    answer = await bus.wait_for_response(sent, timeout=5)
    assert answer.payload == {"a": 1}
    await bus.close()
