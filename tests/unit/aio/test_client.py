"""The asyncio client where it differs from the one for threads: coroutines, iterating, loops, and foreign buses."""

from __future__ import annotations

import asyncio
import hashlib
import importlib.util
import itertools
import logging
import re
import sys
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from ovos_bus_client.message import Message
from ovos_utils.fakebus import FakeBus

from hivemind_core_client import (
    AsyncFakeHiveMessageBus,
    HiveMessage,
    HiveMessageType,
    HiveMindBinaryPayloadType,
    async_client,
    decorators,
)
from hivemind_core_client import errors as err
from hivemind_core_client.aio.mailbox import AsyncMailbox
from hivemind_core_client.aio.waiting import AsyncEvent, MessageReader
from hivemind_core_client.client import BinaryDataCallbacks
from hivemind_core_client.kernel.policy import Deadlines
from hivemind_core_client.plugins.contract import MessageHandler
from hivemind_core_client.shell.local_bus import LocalBus
from hivemind_core_client.testing import Account, EmbeddedHub
from hivemind_core_client.transports import websocket_asyncio, websocket_stream
from tests.unit.aio_support import ask, make, off_loop, run, turns, until
from tests.unit.client_support import PATIENCE
from tests.unit.support import PASSWORD, UTTERANCE

T = HiveMessageType


@pytest.fixture
def hub() -> Iterator[EmbeddedHub]:
    with EmbeddedHub([Account("k", PASSWORD), Account("k2", PASSWORD, admin=True)]) as hub:
        yield hub


async def settled(hub: EmbeddedHub, client: Any) -> None:
    """Return when everything the hub sent so far has been handled."""
    reached = asyncio.Event()
    client.once("test.marker", lambda message: reached.set())
    await off_loop(hub.broadcast, Message("test.marker"))
    await asyncio.wait_for(reached.wait(), PATIENCE)


# handlers


def test_functions_are_called_in_order_and_coroutines_beside_them(hub: EmbeddedHub) -> None:
    async def main() -> None:
        heard: list[Any] = []
        gate = asyncio.Event()

        async def slow(message: Message) -> None:
            await gate.wait()
            heard.append(("slow", message.data["n"]))

        async with make(hub) as client:
            client.on("count", slow)
            client.on("count", lambda message: heard.append(message.data["n"]))
            for number in range(3):
                await off_loop(hub.broadcast, Message("count", {"n": number}))
            await settled(hub, client)
            assert heard == [0, 1, 2]
            gate.set()
            await until(lambda: len(heard) == 6)
        assert heard[3:] == [("slow", 0), ("slow", 1), ("slow", 2)]

    run(main())


@pytest.mark.parametrize("verb", ["on", "once", "on_mycroft"])
def test_every_verb_takes_a_coroutine_function(hub: EmbeddedHub, verb: str) -> None:
    async def main() -> None:
        heard: list[str] = []

        async def handler(message: Message) -> None:
            await asyncio.sleep(0)
            heard.append(message.msg_type)

        async with make(hub) as client:
            getattr(client, verb)("speak", handler)
            for _ in range(2):
                await off_loop(hub.broadcast, Message("speak"))
            await settled(hub, client)
            client.remove("speak", handler)
            await off_loop(hub.broadcast, Message("speak"))
            await settled(hub, client)
            await until(lambda: len(heard) == (1 if verb == "once" else 2))
        assert heard == ["speak"] * len(heard)

    run(main())


def test_a_coroutine_that_raises_stops_nobody(hub: EmbeddedHub, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async def broken(message: Any) -> None:
            await asyncio.sleep(0)
            raise RuntimeError("mine to mend")

        async def leaving(message: Any) -> None:
            raise SystemExit(1)

        def broken_function(message: Any) -> None:
            raise SystemExit(2)

        async with make(hub) as client:
            for handler in (broken, leaving, broken_function):
                client.on(T.BUS, handler)
                client.on("speak", handler)
            await off_loop(hub.broadcast, Message("speak"))
            await settled(hub, client)
            assert await ask(client) == "you said: hello"

    run(main())
    for name in ("broken", "leaving", "broken_function"):
        assert f"{name} raised" in caplog.text


def test_a_coroutine_may_ask_and_wait_and_close(hub: EmbeddedHub) -> None:
    async def main() -> None:
        client = make(hub)
        answers: list[str] = []

        async def handler(message: Message) -> None:
            answers.append(await ask(client, "inner"))
            await client.close()
            answers.append(str(client.state))

        client.on("start", handler)
        await client.connect()
        running = asyncio.ensure_future(client.run_forever())
        await off_loop(hub.broadcast, Message("start"))
        await running
        await until(lambda: len(answers) == 2)
        assert answers == ["you said: inner", "closed"]

    run(main())


def test_a_function_may_close_by_a_task(hub: EmbeddedHub) -> None:
    async def main() -> None:
        client = make(hub)
        tasks: list[asyncio.Task[None]] = []
        await client.connect()
        client.on("speak", lambda message: tasks.append(asyncio.ensure_future(client.close())))
        running = asyncio.ensure_future(client.run_forever())
        await client.emit(Message(UTTERANCE, {"utterances": ["bye"]}))
        await running
        await asyncio.gather(*tasks, client.close(), client.close())
        assert client.state == "closed" and not client.connected_event.is_set()
        await off_loop(hub.wait_for_sessions, 0)

    run(main())


def test_events_of_the_connection_reach_coroutines(hub: EmbeddedHub) -> None:
    async def main() -> None:
        told: list[str] = []

        def note(name: str) -> Any:
            async def handler(*arguments: Any) -> None:
                told.append(name)

            return handler

        client = make(hub)
        for name in ("open", "close", "reconnecting"):
            client.on(name, note(name))
        async with client:
            await off_loop(hub.drop)
            await until(lambda: told.count("open") == 2)
        assert told == ["open", "close", "reconnecting", "open", "close"]

    run(main())


def test_binary_callbacks_may_be_coroutines(hub: EmbeddedHub, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        got: list[Any] = []

        class Mine(BinaryDataCallbacks):
            async def handle_receive_tts(self, *arguments: Any, **named: Any) -> None:  # type: ignore[override]
                await asyncio.sleep(0)
                got.append(named or arguments)

            async def handle_receive_file(self, *arguments: Any, **named: Any) -> None:  # type: ignore[override]
                raise RuntimeError("disk full")

        async with make(hub) as client:
            client.bin_callbacks = Mine()
            await off_loop(hub.send_tts, b"RIFF", "hello", "en", "../speech.wav")
            await off_loop(
                hub.broadcast,
                HiveMessage(
                    "bin", b"x", bin_type=HiveMindBinaryPayloadType.FILE, metadata={"file_name": "f"}
                ),
            )
            await until(lambda: bool(got))
            await settled(hub, client)
        assert got[0]["bin_data"] == b"RIFF" and got[0]["file_name"] == "speech.wav"

    run(main())
    assert "handle_receive_file raised" in caplog.text


@pytest.mark.parametrize("as_method", [False, True])
def test_decorated_coroutine_functions_run(hub: EmbeddedHub, as_method: bool) -> None:
    async def main() -> None:
        heard: list[Any] = []

        class Skill:
            async def heard(self, payload: Any) -> None:
                await asyncio.sleep(0)
                heard.append(payload)

        async with make(hub) as client:
            if as_method:
                handler: Any = decorators.on_mycroft_message("speak", client)(Skill().heard)
            else:

                @decorators.on_mycroft_message("speak", client)
                async def handler(payload: Any) -> None:
                    heard.append(payload)

            await off_loop(hub.broadcast, Message("speak", {"n": 1}))
            await until(lambda: bool(heard))
            handler.shutdown()
            await off_loop(hub.broadcast, Message("speak", {"n": 2}))
            await settled(hub, client)
        assert [message.data["n"] for message in heard] == [1]

    run(main())


def test_what_waits_when_the_client_is_closed_still_runs_and_then_no_more(hub: EmbeddedHub) -> None:
    async def main() -> None:
        done: list[str] = []

        async def handler() -> None:
            await turns()
            done.append("coroutine")

        async def endless() -> None:
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                done.append("cancelled")
                raise

        async with make(hub, deadlines=Deadlines(close=0.2)) as client:
            client.mailbox.put(lambda: done.append("function"))
            client.mailbox.put(lambda: client.mailbox.call(handler))
            client.mailbox.put(lambda: client.mailbox.call(endless))
        assert done == ["function", "coroutine", "cancelled"]
        client.mailbox.put(lambda: done.append("too late"))
        client.mailbox.spawn(handler())
        await turns(30)
        assert len(done) == 3

    run(main())


def test_a_coroutine_that_will_not_end_does_not_hold_up_close() -> None:
    async def main() -> None:
        mailbox, gate = AsyncMailbox(), asyncio.Event()
        ended: list[int] = []

        async def stubborn() -> None:
            while not gate.is_set():
                try:
                    await gate.wait()
                except asyncio.CancelledError:
                    ended.append(1)

        mailbox.call(stubborn)
        await asyncio.wait_for(mailbox.close(0.01), PATIENCE)
        assert ended == [1]
        gate.set()
        await turns()

    run(main())


def test_too_many_coroutines_hold_up_what_comes_and_are_dropped_then(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def main() -> None:
        mailbox, gate = AsyncMailbox(limit=2), asyncio.Event()
        for _ in range(3):
            mailbox.call(gate.wait)
        assert mailbox.dropped == 1
        waiting = asyncio.ensure_future(mailbox.room())
        await turns()
        assert not waiting.done()
        gate.set()
        await waiting
        for _ in range(3):
            mailbox.put(lambda: None)
        assert mailbox.dropped == 2
        await mailbox.close(1)

    run(main())
    assert "Is a handler stuck?" in caplog.text


def test_what_messages_hold_is_bounded_until_their_coroutines_have_ended(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def main() -> None:
        mailbox, gate = AsyncMailbox(most_held=100), asyncio.Event()
        mailbox.put(partial(mailbox.call, gate.wait))
        assert mailbox.hold(100)  # whatever it is that takes the last room
        assert not mailbox.hold(0)
        mailbox.drop()
        waiting = asyncio.ensure_future(mailbox.room())
        await turns()
        assert mailbox.is_crowded() and not waiting.done()
        gate.set()
        await asyncio.wait_for(waiting, PATIENCE)
        assert mailbox.hold(0) and not mailbox.is_crowded()
        mailbox.put(lambda: None)
        assert mailbox.hold(100) and mailbox.is_crowded()
        await mailbox.room()  # a function has run when its turn came
        assert mailbox.hold(0)
        await mailbox.close(1)
        assert mailbox.hold(200)
        assert mailbox.dropped == 1

    run(main())
    assert "callbacks and coroutines hold 0 MiB of messages; dropped one (1 so far)" in caplog.text


def test_who_has_waited_in_vain_is_read_on_until_there_was_room() -> None:
    async def main() -> None:
        mailbox, gate = AsyncMailbox(most_held=100, stall=0.01), asyncio.Event()
        mailbox.put(partial(mailbox.call, gate.wait))
        assert mailbox.hold(100) and mailbox.is_crowded()
        await mailbox.room()
        assert not mailbox.hold(0) and not mailbox.is_crowded()
        gate.set()
        await turns()
        assert mailbox.hold(0) and not mailbox.is_crowded()
        mailbox.put(partial(mailbox.call, asyncio.Event().wait))
        assert mailbox.hold(100) and mailbox.is_crowded()
        await mailbox.close(0.01)

    run(main())


def test_a_coroutine_without_an_end_holds_no_more_than_its_own_message() -> None:
    async def main() -> None:
        mailbox = AsyncMailbox(most_held=100)
        for handler in (asyncio.Event().wait, *[lambda: None] * 9):
            mailbox.put(partial(mailbox.call, handler))
        assert mailbox.hold(1000) and not mailbox.hold(0)
        await turns()
        assert mailbox.hold(0) is False  # 100 of it are that of the first
        mailbox.put(lambda: None)
        await mailbox.close(0.01)
        mailbox = AsyncMailbox(most_held=101)
        for handler in (asyncio.Event().wait, *[lambda: None] * 9):
            mailbox.put(partial(mailbox.call, handler))
        assert mailbox.hold(1000)
        await turns()
        assert mailbox.hold(0)
        await mailbox.close(0.01)

    run(main())


def test_what_a_reader_has_not_read_is_bounded_in_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        reader = MessageReader(10, lambda: None)
        message = HiveMessage("ping", {})
        message.weight = 60
        for _ in range(3):
            reader.take(message)
        assert reader.dropped == 1
        assert await reader.__anext__() is message
        reader.take(message)
        assert reader.dropped == 1

    monkeypatch.setattr("hivemind_core_client.aio.waiting.MOST_HELD_BYTES", 100)
    run(main())


def test_callbacks_that_take_long_let_the_loop_have_its_turns() -> None:
    async def main() -> None:
        mailbox, turns, seen = AsyncMailbox(), itertools.count(), []

        async def others() -> None:
            while True:
                next(turns)
                await asyncio.sleep(0)

        def slow() -> None:
            end = time.monotonic() + 0.01
            while time.monotonic() < end:
                hashlib.sha256(b"busy").digest()
            seen.append(next(turns))

        beside = asyncio.ensure_future(others())
        for _ in range(5):
            mailbox.put(slow)
        await mailbox.room()
        assert all(after > before + 1 for before, after in zip(seen, seen[1:])) and len(seen) == 5
        for _ in range(1000):
            mailbox.put(slow)
        began = time.monotonic()
        await mailbox.close(0.05)
        assert time.monotonic() - began < 2.0 and len(seen) < 500, "the rest is dropped"
        beside.cancel()

    run(main())


@pytest.mark.parametrize("coroutines", [False, True], ids=["functions", "coroutines"])
def test_a_burst_loses_nothing_where_no_handler_is_stuck(coroutines: bool) -> None:
    """One read may bring thousands of frames: they would all be queued before the first is handled."""

    async def main() -> None:
        mailbox, handled = AsyncMailbox(limit=500), []

        async def coroutine(number: int) -> None:
            handled.append(number)

        for number in range(5000):
            mailbox.put(partial(mailbox.call, coroutine if coroutines else handled.append, number))
            await mailbox.room()
        await mailbox.close(PATIENCE)
        assert mailbox.dropped == 0
        assert handled == list(range(5000))

    run(main())


def test_a_function_that_raises_a_cancellation_stops_nobody(
    hub: EmbeddedHub, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        heard: list[str] = []

        def cancelled(message: Message) -> None:
            raise asyncio.CancelledError

        async with make(hub) as client:
            client.on("speak", cancelled)
            client.on("speak", lambda message: heard.append(message.msg_type))
            client.mailbox.put(partial(cancelled, Message("x")))
            await off_loop(hub.broadcast, Message("speak"))
            await settled(hub, client)
        assert heard == ["speak"]

    run(main())
    assert "cancelled raised" in caplog.text
    assert "a callback raised" in caplog.text


def test_handlers_that_close_do_not_wait_for_each_other(hub: EmbeddedHub) -> None:
    async def main() -> None:
        client = make(hub, deadlines=Deadlines(close=2 * PATIENCE))
        ended: list[str] = []

        async def closing(message: Message, name: str) -> None:
            await client.close()
            ended.append(name)

        for name in ("first", "second"):
            client.on("speak", partial(closing, name=name))
        await client.connect()
        running = asyncio.ensure_future(client.run_forever())
        await off_loop(hub.broadcast, Message("speak"))
        await asyncio.wait_for(running, PATIENCE)
        await asyncio.wait_for(client.close(), PATIENCE)
        assert sorted(ended) == ["first", "second"]

    run(main())


# CASCADE


@pytest.mark.parametrize("pick", ["coroutine", "raises", "nonsense"])
def test_the_pick_of_a_cascade_may_be_a_coroutine(
    hub: EmbeddedHub, pick: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def later(answers: list[HiveMessage]) -> Any:
        await asyncio.sleep(0)
        if pick == "raises":
            raise RuntimeError("cannot choose")
        return "nonsense" if pick == "nonsense" else answers[-1]

    async def main() -> None:
        heard: list[str] = []
        async with make(hub) as asker, make(hub, key="k2") as other:

            async def reply(request: HiveMessage) -> None:
                await other.answer(request, Message("colour", {"is": "blue"}))

            other.on(T.CASCADE, reply)
            asker.cascade_select_callback = later
            asker.on("colour", lambda message: heard.append(message.data["is"]))
            asker.on("hive.query.timeout", lambda message: heard.append("none"))
            await off_loop(hub.wait_for_sessions, 2)
            answers = await asker.cascade(Message("question"), timeout=0.5)
            assert [answer.message.data["is"] for answer in answers] == ["blue"]
            await until(lambda: bool(heard))
        assert heard == (["blue"] if pick == "coroutine" else ["none"])

    run(main())
    assert ("cascade_select_callback" in caplog.text) == (pick in ("raises", "nonsense"))


# questions


def test_questions_are_awaited_and_their_answers_iterated_over(hub: EmbeddedHub) -> None:
    async def main() -> None:
        async with make(hub) as client, make(hub, key="k2") as other:
            stream = await client.query(Message(UTTERANCE, {"utterances": ["hi"]}), timeout=PATIENCE)
            assert stream.first.message.data["utterance"] == "you said: hi"
            both = await asyncio.gather(*[collected(stream) for _ in range(2)])
            assert both == [["speak"], ["speak"]]
            assert [one async for one in stream] == [stream.first]
            await off_loop(hub.wait_for_sessions, 2)
            hive_map = await client.ping(timeout=PATIENCE, settle=0.2)
            while (
                other.peer not in hive_map.nodes
            ):  # on a busy machine a flood may settle before all have answered
                hive_map = await client.ping(timeout=PATIENCE, settle=0.2)
            assert len(client.waiters) == 0

    async def collected(stream: Any) -> list[str]:
        return [answer.message.msg_type async for answer in stream]

    run(main())


def test_an_intercom_message_is_sealed_by_a_key_that_was_made_first(
    hub: EmbeddedHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        async with make(hub) as client:
            made: list[threading.Thread] = []

            def seal(context: Any, message: HiveMessage) -> HiveMessage:
                assert made
                return message.copy(payload={"ciphertext": "sealed"})

            handler = MessageHandler(T.INTERCOM, "sealing", lambda context, message: None, seal)
            monkeypatch.setitem(client.profile.registry.handlers, T.INTERCOM, handler)
            key = client.profile.private_key
            monkeypatch.setattr(
                type(client.profile),
                "private_key",
                lambda profile: made.append(threading.current_thread()) or key,
            )
            await client.emit_intercom(Message("secret", {"a": 1}), "PEM")
            (carrier,) = await off_loop(hub.wait_for, "propagate")
            assert carrier.payload.raw_payload == {"ciphertext": "sealed"}
            assert made[0] is not threading.current_thread()

    run(main())


def test_a_question_ends_with_its_connection() -> None:
    gate = threading.Event()

    def agent(utterance: str) -> None:
        gate.wait(PATIENCE)

    async def main() -> None:
        with EmbeddedHub({"k": PASSWORD}, agent=agent) as hub:
            async with make(hub) as client:
                asking = [
                    asyncio.ensure_future(client.cascade(Message("x"), timeout=60)),
                    asyncio.ensure_future(client.wait_for_response(Message("x"), timeout=None)),
                ]
                await off_loop(hub.wait_for, "cascade")
                await off_loop(hub.wait_for, "x")
                question = Message(UTTERANCE, {"utterances": ["never mind"]})
                asking.insert(0, asyncio.ensure_future(client.query(question, timeout=0)))
                await off_loop(hub.wait_for, "query")
                await off_loop(hub.drop)
                done = await asyncio.gather(*asking, return_exceptions=True)
                gate.set()
                assert [type(one) for one in done] == [err.ConnectionLost, err.ConnectionLost, type(None)]

    run(main())


# collect-calls


def test_a_collect_call_is_answered_by_coroutines_and_may_be_cancelled(hub: EmbeddedHub) -> None:
    async def main() -> None:
        async with make(hub, deadlines=Deadlines(close=0.1)) as client:
            never = asyncio.Event()

            async def quick(request: Any) -> None:
                await client.emit(request.success({"n": 1}))

            async def stuck(request: Any) -> None:
                await never.wait()

            client.on_collect("count", quick, timeout=PATIENCE)
            (found,) = await client.collect_responses(Message("count"), 0.01, PATIENCE)
            assert found.data["n"] == 1
            client.on_collect("count", stuck, timeout=3600)
            asking = asyncio.ensure_future(client.collect_responses(Message("count"), 0.01, 3600))
            await until(lambda: len(client.waiters) > 0)
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
            assert asking.cancelled() and not len(client.waiters)
            assert not client.internal_bus.subscriptions.take("count.response")

    run(main())


def test_a_collect_call_takes_no_time_without_a_hub() -> None:
    async def main() -> None:
        async with AsyncFakeHiveMessageBus() as bus:
            bus.on_collect("count", lambda request: None, timeout=3600)
            assert await bus.collect_responses(Message("count"), 0.2, 60.0) == []
            assert bus.mailbox.elapsed == pytest.approx(60.0)
            bus.on_collect("count", lambda request: bus.emit(request.success({"n": 1})), timeout=3600)
            (response,) = await bus.collect_responses(Message("count"), 0.2, 30.0)
            assert response.data["n"] == 1

    run(main())


def test_who_judges_responses_is_no_coroutine_function(hub: EmbeddedHub) -> None:
    async def sure(response: Message) -> bool:
        return True

    async def main() -> None:
        async with make(hub) as client:
            with pytest.raises(err.InvalidOption, match="no coroutine function"):
                await client.collect_responses(Message("count"), direct_return_func=sure)

    run(main())


# iterating


def test_iterating_gives_every_message_across_connections(hub: EmbeddedHub) -> None:
    async def main() -> None:
        async with make(hub) as client:
            one, two = aiter_of(client), aiter_of(client)
            reading = [asyncio.ensure_future(numbers(reader)) for reader in (one, two)]
            for number in range(5):
                await off_loop(hub.broadcast, Message("count", {"n": number}))
            await settled(hub, client)
            await off_loop(hub.drop)
            await off_loop(hub.wait_for, "hello", PATIENCE, 2)
            await off_loop(hub.broadcast, Message("count", {"n": 5}))
            await settled(hub, client)
        assert await asyncio.gather(*reading) == [list(range(6))] * 2
        assert [message async for message in client] == []

    async def numbers(reader: Any) -> list[int]:
        found = [message.payload async for message in reader if message.msg_type is T.BUS]
        return [message.data["n"] for message in found if message.msg_type == "count"]

    run(main())


def aiter_of(client: Any) -> Any:
    return client.__aiter__()


def test_leaving_an_iteration_leaves_nothing_behind(hub: EmbeddedHub) -> None:
    async def main() -> None:
        async with make(hub) as client:
            await off_loop(hub.broadcast, Message("before"))
            await settled(hub, client)
            sender = asyncio.ensure_future(off_loop(hub.broadcast, Message("first")))
            reader = aiter_of(client)
            async for message in reader:
                assert message.payload.msg_type == "first"
                break
            await sender
            del reader
            assert len(client.waiters) == 0

    run(main())


def test_iterating_raises_the_refusal(hub: EmbeddedHub) -> None:
    async def main() -> None:
        client = make(hub, key="unknown")
        reader = aiter_of(client)
        client.run_in_thread()
        for _ in range(2):
            with pytest.raises(err.KeyRefused):
                await reader.__anext__()
        with pytest.raises(err.KeyRefused):
            await aiter_of(client).__anext__()
        await client.close()

    run(main())


def test_an_iteration_over_a_client_that_was_closed_ends_at_once(hub: EmbeddedHub) -> None:
    async def main() -> None:
        client = make(hub)
        await client.close()
        assert [message async for message in client] == []
        async with client:
            reading = asyncio.ensure_future(aiter_of(client).__anext__())
            await off_loop(hub.broadcast, Message("speak"))
            assert (await asyncio.wait_for(reading, PATIENCE))["type"] == "speak"

    run(main())


def test_an_iteration_ends_when_connecting_is_given_up() -> None:
    async def main() -> None:
        with EmbeddedHub({"k": PASSWORD}) as hub:
            client = make(hub)
        reader = aiter_of(client)
        with pytest.raises(err.HubUnreachable):
            await client.connect()
        assert [message async for message in reader] == []

    run(main())


def test_a_reader_that_is_behind_loses_what_comes_and_says_so_once(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        reader = MessageReader(2, lambda: None)
        sent = [HiveMessage("ping", {"n": number}) for number in range(5)]
        for message in sent:
            reader.take(message)
        reader.end()
        assert [message async for message in reader] == sent[:2]
        assert reader.dropped == 3

    run(main())
    assert len([record for record in caplog.records if "2 behind" in record.getMessage()]) == 1


# buses of others


class ThreadedBus(FakeBus):
    """An OVOS bus whose handlers are called by threads of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.threads: list[threading.Thread] = []

    def emit(self, message: Any) -> None:
        thread = threading.Thread(target=super().emit, args=(message,))
        self.threads.append(thread)
        thread.start()


@pytest.mark.parametrize("kind", [FakeBus, ThreadedBus, None])
def test_handlers_of_any_bus_run_on_the_loop(hub: EmbeddedHub, kind: Any) -> None:
    async def main() -> None:
        bus = kind() if kind else None
        here, heard = threading.current_thread(), []

        def function(message: Message) -> None:
            heard.append(("function", threading.current_thread() is here))

        async def coroutine(message: Message) -> None:
            heard.append(("coroutine", threading.current_thread() is here))

        client = make(hub)
        client.on("speak", function)
        async with client:
            if bus is not None:
                client.internal_bus = bus
                assert client.internal_bus is bus
            client.on("speak", coroutine)
            client.once("speak", coroutine)
            await off_loop(hub.broadcast, Message("speak"))
            await until(lambda: len(heard) >= 2)
            await settled(hub, client)
            client.remove("speak", function)
            client.remove("speak", coroutine)
            await off_loop(hub.broadcast, Message("speak"))
            await settled(hub, client)
        assert sorted(set(heard)) == [("coroutine", True), ("function", True)]
        for thread in getattr(bus, "threads", []):
            thread.join(PATIENCE)

    run(main())


def test_what_a_bus_with_threads_says_goes_up_in_order_and_once(hub: EmbeddedHub) -> None:
    async def main() -> None:
        bus = ThreadedBus()
        async with make(hub, internal_bus=bus, share_bus=True) as client:

            def talk() -> None:
                for number in range(20):
                    FakeBus.emit(bus, Message("overheard", {"n": number}))

            await off_loop(talk)
            shared = await off_loop(hub.wait_for, "shared_bus", PATIENCE, 20)
            assert [message.payload.data["n"] for message in shared] == list(range(20))
            await client.emit(Message("mine"))
            await off_loop(hub.wait_for, "mine")
        assert len([one for one in hub.received if one.msg_type == "shared_bus"]) == 20
        for thread in bus.threads:
            thread.join(PATIENCE)

    run(main())


def test_what_a_bus_says_without_a_connection_is_told_of(
    hub: EmbeddedHub, caplog: pytest.LogCaptureFixture
) -> None:
    bus = FakeBus()
    client = make(hub, internal_bus=bus, share_bus=True, deadlines=Deadlines(send=0.01))
    client.on("overheard", lambda message: None)

    async def main() -> None:
        await client.connect()
        await client.close()

    def say() -> int:
        caplog.clear()
        bus.emit(Message("overheard"))
        return len([one for one in caplog.records if "was not sent" in one.getMessage()])

    assert say() == 1
    assert "not called" in caplog.text
    run(main())
    assert say() == 1  # closed, and the loop with it

    async def away() -> None:
        await client.connect()
        lost = asyncio.Event()
        client.on("close", lost.set)
        await off_loop(hub.stop)
        await lost.wait()
        assert say() == 0
        await until(lambda: "was not sent" in caplog.text)
        await client.close()

    run(away())


def test_what_another_thread_says_on_the_internal_bus_is_heard_on_the_loop(hub: EmbeddedHub) -> None:
    async def main() -> None:
        here, heard = threading.current_thread(), []
        async with make(hub) as client:
            client.on_mycroft("said.here", lambda message: heard.append(threading.current_thread()))
            await off_loop(client.internal_bus.emit, Message("said.here"))
            await until(lambda: bool(heard))
            saying = threading.Thread(target=client.internal_bus.emit, args=(Message("said.here"),))
            saying.start()
            saying.join(PATIENCE)
        assert heard == [here, here]

    run(main())


def test_what_is_said_without_any_loop_is_dropped_and_told_of(
    hub: EmbeddedHub, caplog: pytest.LogCaptureFixture
) -> None:
    client = make(hub)
    client.on_mycroft("said.here", lambda message: None)
    client.internal_bus.emit(Message("said.here"))
    assert client.mailbox.dropped == 1
    assert "there is no event loop" in caplog.text

    async def main() -> None:
        await client.connect()
        await asyncio.wait_for(client.close(), PATIENCE)

    run(main())


# loops


def test_a_client_made_without_a_loop_works_in_one_after_the_other(hub: EmbeddedHub) -> None:
    client = make(hub)
    heard: list[str] = []
    client.on("speak", lambda message: heard.append(message.data["utterance"]))

    async def main() -> None:
        waiting = asyncio.ensure_future(client.connected_event.wait())
        async with client:
            assert await waiting
            assert await ask(client) == "you said: hello"
            await settled(hub, client)
        assert not client.connected_event.is_set()

    for _ in range(2):
        run(main())
    assert len(heard) == 2


def test_a_loop_that_ends_without_close_ends_the_client(hub: EmbeddedHub) -> None:
    client = make(hub, deadlines=Deadlines(close=0.05))

    async def forever(*arguments: Any) -> None:
        called.append(arguments)
        await asyncio.sleep(3600)

    for name in ("open", "close", "speak"):
        client.on(name, forever)

    async def main() -> None:
        await client.connect()
        await client.emit(Message(UTTERANCE, {"utterances": ["x"]}))
        reader.append(asyncio.ensure_future(aiter_of(client).__anext__()))
        await until(lambda: len(called) == 2)

    reader: list[Any] = []
    called: list[Any] = []
    run(main(), tidy=False)
    assert client.state == "closed"
    hub.wait_for_sessions(0)

    async def again() -> None:
        async with client:
            assert await ask(client) == "you said: hello"

    run(again())


@pytest.mark.parametrize("how", ["closed", "connected", "refused"])
def test_closing_again_in_another_loop_does_nothing(hub: EmbeddedHub, how: str) -> None:
    client = make(hub, key="unknown" if how == "refused" else "k")

    async def main() -> None:
        try:
            await client.connect()
        except err.KeyRefused:
            assert how == "refused"
        if how == "closed":
            await client.close()

    run(main(), tidy=False)
    for _ in range(2):
        run(client.close())
    assert client.state == ("refused" if how == "refused" else "closed")
    assert not client.started_running


@pytest.mark.parametrize("closed", [False, True], ids=["halted", "closed"])
def test_a_loop_that_runs_no_more_is_not_waited_for(closed: bool) -> None:
    """A loop that was ended by hand, with a connection and those who wait on it."""
    bus = AsyncFakeHiveMessageBus()
    loop = asyncio.new_event_loop()
    ended: list[str] = []

    async def handler(message: Message) -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            ended.append("handler")

    async def main() -> list[Any]:
        bus.on("speak", handler)
        await bus.connect()
        await bus.receive(Message("speak"))
        waits = [bus.wait_for_message("never", None), aiter_of(bus).__anext__(), bus.run_forever()]
        tasks = [asyncio.ensure_future(wait) for wait in waits]
        await asyncio.sleep(0)
        return tasks

    async def again() -> None:
        async with bus:
            assert bus.state == "connected"

    tasks = loop.run_until_complete(main())
    if closed:
        loop.close()
    run(bus.close())
    assert bus.state == "closed" and isinstance(bus.last_error, err.ClientClosed)
    run(again())
    if not closed:
        for task in tasks:
            task.cancel()
        loop.run_until_complete(asyncio.wait([*tasks, *asyncio.all_tasks(loop)], timeout=PATIENCE))
        assert ended == ["handler"]
        assert asyncio.all_tasks(loop) == set()
        loop.close()


def test_closing_from_another_loop_happens_on_the_own_one(hub: EmbeddedHub) -> None:
    async def main() -> None:
        ended: list[threading.Thread] = []

        async def endless(message: Message) -> None:
            try:
                await asyncio.sleep(3600)
            finally:
                ended.append(threading.current_thread())

        client = make(hub, deadlines=Deadlines(close=0.1))
        await client.connect()
        client.on("speak", endless)
        await off_loop(hub.broadcast, Message("speak"))
        await settled(hub, client)
        waiting = asyncio.ensure_future(client.wait_for_message("never", None))
        await asyncio.sleep(0)
        await off_loop(lambda: asyncio.run(client.close()))
        assert await waiting is None
        await until(lambda: bool(ended))
        await client.close()
        assert client.state == "closed" and ended == [threading.current_thread()]
        await off_loop(hub.wait_for_sessions, 0)

    run(main())


@pytest.mark.parametrize("verb", ["connect", "run_forever", "__aenter__"])
def test_a_client_that_another_loop_keeps_connected_is_not_taken_over(hub: EmbeddedHub, verb: str) -> None:
    async def main() -> None:
        async with make(hub) as client:
            with pytest.raises(err.InvalidOption, match="another event loop"):
                await off_loop(lambda: asyncio.run(getattr(client, verb)()))
            assert client.state == "connected"
            assert await ask(client) == "you said: hello"

    run(main())


def test_connecting_while_the_client_is_being_closed_is_refused(hub: EmbeddedHub) -> None:
    """A handler still runs, or has only now heard that the session ended."""

    async def main() -> None:
        client = make(hub)
        refused: list[BaseException] = []
        closing, gate = asyncio.Event(), asyncio.Event()

        async def connecting() -> None:
            try:
                await client.connect()
            except err.ClientClosed as error:
                refused.append(error)
            closing.set()
            await gate.wait()

        client.on("close", connecting)
        await client.connect()
        ending = asyncio.ensure_future(client.close())
        await closing.wait()
        for start in (client.connect, client.__aenter__, client.run_forever):
            with pytest.raises(err.ClientClosed, match="being closed"):
                await start()
        gate.set()
        await ending
        client.remove("close", connecting)
        assert len(refused) == 1
        assert client.state == "closed"
        await off_loop(hub.wait_for_sessions, 0)

        heard: list[Any] = []
        async with client:
            client.on("speak", heard.append)
            assert await ask(client) == "you said: hello"
            await until(lambda: bool(heard))

    run(main())


def test_connecting_twice_at_once_makes_one_connection(hub: EmbeddedHub) -> None:
    async def main() -> None:
        client = make(hub)
        await asyncio.gather(client.connect(), client.connect(), client.connect())
        assert client.run_in_thread() is client.run_in_thread()
        await off_loop(hub.wait_for_sessions, 1)
        await client.close()
        assert len(hub.wait_for("hello")) == 1

    run(main())


def test_run_in_thread_connects_in_a_task(hub: EmbeddedHub) -> None:
    async def main() -> None:
        client = make(hub)
        task = client.run_in_thread()
        await client.connected_event.wait()
        assert client.started_running and not task.done()
        await client.close()
        assert task.done()

    run(main())


def test_a_client_that_is_closed_before_its_first_step(hub: EmbeddedHub) -> None:
    async def main() -> None:
        client = make(hub)
        task = client.run_in_thread()
        await client.close()
        assert task.cancelled() and client.state == "closed"
        with pytest.raises(err.ClientClosed):
            await client.emit(Message("x"))
        with pytest.raises(err.ClientClosed):
            raise client.last_error or AssertionError

    run(main())


def test_a_failed_context_leaves_nothing_behind(hub: EmbeddedHub) -> None:
    async def main() -> None:
        async def told(error: Exception) -> None:
            await asyncio.sleep(3600)

        client = make(hub, key="unknown", deadlines=Deadlines(close=0.05))
        client.on("error", told)
        with pytest.raises(err.KeyRefused):
            async with client:
                raise AssertionError("not reached")
        assert client.state == "refused"

    run(main())


def test_an_event_serves_one_loop_after_the_other() -> None:
    event = AsyncEvent()

    async def main() -> None:
        event.clear()
        waiting = [asyncio.ensure_future(event.wait()) for _ in range(3)]
        await asyncio.sleep(0)
        waiting[0].cancel()
        event.set()
        assert await asyncio.gather(*waiting[1:]) == [True, True]
        assert await event.wait() and event.is_set()

    for _ in range(2):
        run(main())


# what it needs


@pytest.mark.parametrize("missing", ["websockets", "python"])
def test_what_is_missing_is_named(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if missing == "websockets":
        monkeypatch.setitem(sys.modules, "websockets.client", None)
        monkeypatch.delitem(sys.modules, websocket_stream.__name__)
    else:
        monkeypatch.setattr(sys, "version_info", (3, 9, 18, "final", 0))
    spec = importlib.util.spec_from_file_location("transport_anew", websocket_asyncio.__file__)
    assert spec is not None and spec.loader is not None
    with pytest.raises(ImportError, match=re.escape(str(err.Install("async")))) as caught:
        spec.loader.exec_module(importlib.util.module_from_spec(spec))
    assert "3.10" in str(caught.value)


def test_the_extra_names_a_version_that_is_not_too_old() -> None:
    """Before 14.2 websockets forgets what has come when the hub hangs up."""
    text = (Path(async_client.__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8")
    (line,) = [line for line in text.splitlines() if line.startswith("async = ")]
    assert """"websockets>=15; python_version >= '3.10'\"""" in line


def test_what_websockets_says_holds_no_key(hub: EmbeddedHub, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with make(hub, key="k2") as client:
            await ask(client)

    with caplog.at_level(logging.DEBUG):
        run(main())
    ours = [record for record in caplog.records if record.name.startswith("hivemind_core_client")]
    assert not [record for record in ours if "authorization" in record.getMessage()]
    assert isinstance(make(hub).internal_bus, LocalBus)
    assert {"AsyncHiveMessageBusClient", "BinaryDataCallbacks"} <= set(async_client.__all__)


def test_a_handler_that_closes_when_the_session_ends_leaves_no_session_at_the_hub() -> None:
    async def main(hub: EmbeddedHub) -> None:
        client = make(hub)

        async def close() -> None:
            await client.close()
            closed.set()

        closed = asyncio.Event()
        client.on("close", close)
        await client.connect()
        await off_loop(hub.send_raw, bytes(64))  # opens with no key: the client ends the session by itself
        await asyncio.wait_for(closed.wait(), PATIENCE)
        await until(lambda: hub.sessions == 0)

    with EmbeddedHub({"k": PASSWORD}, versions=(3, 3)) as hub:
        run(main(hub), tidy=False)
