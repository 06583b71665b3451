"""Waiting for a session, and waiters made before something is sent, with both fakes: no time passes."""

from __future__ import annotations

import asyncio

import pytest
from ovos_bus_client.message import Message

from hivemind_core_client import FakeHiveMessageBus
from hivemind_core_client import errors as err
from hivemind_core_client.async_client import AsyncHiveMessageWaiter, AsyncHivePayloadWaiter
from hivemind_core_client.client import HiveMessageWaiter, HivePayloadWaiter
from hivemind_core_client.fakebus import AsyncFakeHiveMessageBus


def test_waiting_for_the_session_of_a_fake() -> None:
    bus = FakeHiveMessageBus()
    with pytest.raises(RuntimeError, match="never connected"):
        bus.wait_for_handshake(timeout=3600)
    bus.connect()
    bus.wait_for_handshake()
    bus.drop()
    with pytest.raises(err.NotConnected, match=r"no session with .+ came within 7200 s"):
        bus.wait_for_handshake(3600, 1)
    with pytest.raises(err.NotConnected, match="timed out waiting for handshake"):
        bus.wait_for_handshake()  # nothing can end it: here all happens on this thread
    bus.restore()
    bus.wait_for_handshake()
    bus.close(timeout=1)
    with pytest.raises(err.ClientClosed):
        bus.wait_for_handshake()


def test_waiting_for_the_session_of_a_fake_on_a_loop() -> None:
    async def main() -> None:
        bus = AsyncFakeHiveMessageBus()
        with pytest.raises(RuntimeError, match="never connected"):
            await bus.wait_for_handshake(timeout=3600)
        await bus.connect()
        await bus.wait_for_handshake()
        await bus.drop()
        with pytest.raises(err.NotConnected, match=r"no session with .+ came within 7200 s"):
            await bus.wait_for_handshake(3600, 1)
        waiting = asyncio.ensure_future(bus.wait_for_handshake())
        await asyncio.sleep(0)
        assert not waiting.done()
        await bus.restore()
        await waiting
        await bus.close(timeout=1)
        with pytest.raises(err.ClientClosed):
            await bus.wait_for_handshake()

    asyncio.run(main())


def test_a_fake_that_was_refused_says_by_what() -> None:
    bus = FakeHiveMessageBus()
    bus.drop(err.KeyRefused("no such key"))
    bus.run_in_thread()
    with pytest.raises(err.KeyRefused, match="no such key"):
        bus.wait_for_handshake()
    assert bus.stopping


def test_ending_the_connection_of_a_fake() -> None:
    told: list[str] = []
    with FakeHiveMessageBus() as bus:
        bus.on("close", lambda: told.append("close"))
        bus.on("open", lambda: told.append("open"))
        first = bus.protocol
        bus.close_connection()
        assert bus.protocol is not first
        assert (bus.state, told) == ("connected", ["close", "open"])
    bus.close_connection()
    assert bus.state == "closed"


def test_a_connection_that_a_fake_ends_in_an_outage_stays_away() -> None:
    async def main() -> None:
        async with AsyncFakeHiveMessageBus() as bus:
            await bus.drop()
            await bus.close_connection()
            assert bus.state == "reconnecting"
            await bus.restore()
            await bus.close_connection()
            assert bus.state == "connected"

    asyncio.run(main())


def test_waiters_of_a_fake() -> None:
    with FakeHiveMessageBus() as bus:
        bus.respond("ask", Message("told", {"a": 1}))
        whole, inner = HiveMessageWaiter(bus, "told"), HivePayloadWaiter(bus, "told")
        bus.emit(Message("ask"))
        assert whole.wait().data == inner.wait().payload.data == {"a": 1}
        assert HiveMessageWaiter(bus, "never").wait(timeout=3600) is None


def test_waiters_of_a_fake_on_a_loop() -> None:
    async def main() -> None:
        async with AsyncFakeHiveMessageBus() as bus:
            bus.respond("ask", Message("told", {"a": 1}))
            whole, inner = AsyncHiveMessageWaiter(bus, "told"), AsyncHivePayloadWaiter(bus, "told")
            await bus.emit(Message("ask"))
            assert (await whole.wait()).data == (await inner.wait()).payload.data == {"a": 1}
            assert await AsyncHiveMessageWaiter(bus, "never").wait(timeout=3600) is None

    asyncio.run(main())
