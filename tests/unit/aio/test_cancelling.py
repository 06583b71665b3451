"""The asyncio client cancelled anywhere: no task, thread or socket is left, and no half frame in the stream."""

from __future__ import annotations

import asyncio
import os
import random
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from typing import Any, Optional

import pytest
from ovos_bus_client.message import Message

from hivemind_core_client import (
    AsyncFakeHiveMessageBus,
    Backoff,
    Deadlines,
    HiveMessage,
    Limits,
)
from hivemind_core_client import errors as err
from hivemind_core_client.aio.sending import AsyncSender
from hivemind_core_client.async_client import AsyncHiveMessageBusClient
from hivemind_core_client.config.settings import Address
from hivemind_core_client.config.tls import Tls
from hivemind_core_client.identity import NodeIdentity
from hivemind_core_client.testing import EmbeddedHub
from hivemind_core_client.transports import websocket_asyncio
from hivemind_core_client.transports.timing import within
from hivemind_core_client.transports.websocket_asyncio import AsyncWebSocketTransport
from tests.unit import client_support, servers
from tests.unit.aio_support import ask, make, off_loop, run, turns, until
from tests.unit.client_support import PATIENCE, QUICK
from tests.unit.servers import stalling_proxy
from tests.unit.support import PASSWORD

BIG = HiveMessage("bin", os.urandom(20 * 2**20))

Waits = Callable[[], Awaitable[None]]


@pytest.fixture(autouse=True)
def nothing_left(ports_kept: list[Any]) -> Iterator[None]:
    """No thread of the client, and no more sockets than before, but for those that keep a hub's port."""
    before, sockets = set(threading.enumerate()), open_sockets()
    yield
    left = [thread.name for thread in set(threading.enumerate()) - before if "hivemind" in thread.name]
    assert left == []
    sockets += len(ports_kept)
    # The servers' own threads take a moment.
    assert client_support.until(lambda: open_sockets() <= sockets, 5)


def open_sockets() -> int:
    count = 0
    for name in os.listdir("/proc/self/fd"):
        with suppress(OSError):
            count += os.readlink(f"/proc/self/fd/{name}").startswith("socket:")
    return count


def at(port: int, scheme: str = "ws", **options: Any) -> AsyncHiveMessageBusClient:
    defaults: dict[str, Any] = {
        "host": f"{scheme}://127.0.0.1:{port}",
        "backoff": Backoff(first=60),
        "compress": False,
    }
    return AsyncHiveMessageBusClient(
        **{"key": "k", "password": PASSWORD, "identity": NodeIdentity({}), **defaults, **options}
    )


# connecting

PHASES = {
    "tls": (servers.silent, "wss"),
    "upgrade": (servers.silent, "ws"),
    "first frame": (servers.upgraded_then_silent, "ws"),
    "dripping": (servers.upgraded_then_drips, "ws"),
    "retrying": (servers.not_found, "ws"),
}


@pytest.mark.parametrize("how", ["cancel", "wait_for", "close", "twice"])
@pytest.mark.parametrize("phase", PHASES)
def test_connecting_can_be_cancelled_in_every_phase(phase: str, how: str) -> None:
    script, scheme = PHASES[phase]
    reached = threading.Event()

    def noting(connection: socket.socket, stop: threading.Event) -> None:
        class Noting(threading.Event):
            """A server waits for its end once it has said what it says."""

            def wait(self, timeout: Optional[float] = None) -> bool:
                reached.set()
                return stop.wait(timeout)

        connection.recv(1, socket.MSG_PEEK)  # the client is past TCP
        script(connection, Noting())

    async def main() -> None:
        before, client = asyncio.all_tasks(), at(port, scheme)
        connecting = asyncio.ensure_future(client.connect(handshake_max_retries=5))
        await off_loop(reached.wait, PATIENCE)
        await turns()
        if how == "close":
            await client.close()
            with pytest.raises(err.HiveMindError):
                await connecting
        elif how == "wait_for":
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(connecting, 0.01)
        else:
            connecting.cancel()
            if how == "twice":
                await asyncio.sleep(0)
                connecting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await connecting
        await until(lambda: asyncio.all_tasks() == before)
        assert client.state == "closed"

    with servers.server(noting) as port:
        run(main())


def test_connecting_can_be_cancelled_while_the_address_is_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, release, real = threading.Event(), threading.Event(), socket.getaddrinfo

    def slow(*arguments: Any, **options: Any) -> Any:
        asked.set()
        release.wait(PATIENCE)
        return real(*arguments, **options)

    async def main() -> None:
        client = at(9)
        connecting = asyncio.ensure_future(client.connect())
        await off_loop(asked.wait, PATIENCE)
        connecting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await connecting
        release.set()

    monkeypatch.setattr("socket.getaddrinfo", slow)
    run(main())


def test_connecting_can_be_cancelled_while_nobody_accepts() -> None:
    """A full backlog: the system answers no more."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        port = full.getsockname()[1]
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))

        async def main() -> None:
            client = at(port)
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(client.connect(), 0.05)
            slow = at(port, deadlines=Deadlines(tcp=0.05))
            with pytest.raises(err.HubTimeout, match="'tcp'"):
                await slow.connect()

        run(main())
        for filler in fillers:
            filler.close()


def test_cancelling_at_any_moment_of_connecting_leaves_nothing() -> None:
    """Further in each time, through every phase of a real handshake and beyond."""

    async def main() -> None:
        stood = 0
        for step in range(0, 60, 3):
            client = make(hub)
            connecting = asyncio.ensure_future(client.connect())
            for _ in range(step):
                await asyncio.sleep(0)
            connecting.cancel()
            with suppress(asyncio.CancelledError):
                await connecting
                stood += 1
            await client.close()
            assert client.state in ("idle", "closed", "refused")
        seconds = 0.0
        while not stood:
            client = make(hub)
            connecting = asyncio.ensure_future(client.connect())
            await asyncio.sleep(seconds)
            connecting.cancel()
            with suppress(asyncio.CancelledError):
                await connecting
                stood += 1
            await client.close()
            seconds += 0.01
        await off_loop(hub.wait_for_sessions, 0)

    with EmbeddedHub({"k": PASSWORD}, tls=True) as hub:
        run(main())


def test_connecting_by_somebody_else_is_not_ended_by_a_cancellation() -> None:
    async def main() -> None:
        client = make(hub)
        first, second = asyncio.ensure_future(client.connect()), asyncio.ensure_future(client.connect())
        await asyncio.sleep(0)
        second.cancel()
        await first
        assert await ask(client) == "you said: hello"
        await client.close()

    with EmbeddedHub({"k": PASSWORD}) as hub:
        run(main())


# writing


@pytest.fixture
def flow() -> threading.Event:
    flow = threading.Event()
    flow.set()
    return flow


@pytest.fixture
def being_written(monkeypatch: pytest.MonkeyPatch) -> Waits:
    """Returns once a large message is being written, as far as the hub takes it."""
    begun: list[Any] = []
    send = AsyncWebSocketTransport.send

    async def noting(transport: AsyncWebSocketTransport, frames: list[Any], *arguments: Any) -> None:
        if sum(map(len, frames)) > 2**20:
            begun.append(frames)
        await send(transport, frames, *arguments)

    async def wait() -> None:
        await until(lambda: bool(begun))
        await turns()

    monkeypatch.setattr(AsyncWebSocketTransport, "send", noting)
    return wait


def stalled(
    flow: threading.Event,
    body: Callable[[EmbeddedHub, AsyncHiveMessageBusClient], Awaitable[None]],
    versions: tuple[int, int] = (0, 1),
    **options: Any,
) -> None:
    """Run `body` with a client whose hub reads only while `flow` is set; not when it begins."""

    async def main() -> None:
        defaults: dict[str, Any] = {"websocket_ping_interval": 0, "backoff": QUICK}
        client = at(port, **{**defaults, **options})
        await client.connect()
        flow.clear()
        try:
            await body(hub, client)
        finally:
            flow.set()
            await client.close()

    with (
        EmbeddedHub({"k": PASSWORD}, versions=versions) as hub,
        servers.server(stalling_proxy(hub.port, flow)) as port,
    ):
        run(main())


@pytest.mark.parametrize("watched", [False, True], ids=["plain", "with-progress"])
def test_a_message_that_is_cancelled_while_it_is_written_leaves_whole(
    flow: threading.Event, being_written: Waits, watched: bool
) -> None:
    """The stream is intact: what is sent afterwards arrives, on the same connection."""
    told: list[tuple[int, int]] = []

    async def body(hub: EmbeddedHub, client: AsyncHiveMessageBusClient) -> None:
        progress = (lambda *figures: told.append(figures)) if watched else None
        sending = asyncio.ensure_future(client.emit(BIG, progress=progress))
        behind = asyncio.ensure_future(client.emit(Message("never.sealed")))
        await until(lambda: bool(told) or not watched)
        await being_written()
        assert not sending.done() and not behind.done()
        behind.cancel()
        sending.cancel()
        for task in (sending, behind):
            with pytest.raises(asyncio.CancelledError):
                await task
        after = asyncio.ensure_future(client.emit(Message("after")))
        flow.set()
        await after
        await off_loop(hub.wait_for, "after", PATIENCE)
        assert len(hub.wait_for("bin")) == 1
        assert [one["type"] for one in hub.received if one.msg_type == "bus"] == ["after"]
        assert len(hub.wait_for("hello")) == 1
        assert await ask(client) == "you said: hello"

    stalled(flow, body)
    assert not watched or 0 <= told[0][0] < told[0][1]


def test_a_message_of_several_frames_that_is_cut_ends_the_connection(
    flow: threading.Event, being_written: Waits
) -> None:
    async def body(hub: EmbeddedHub, client: AsyncHiveMessageBusClient) -> None:
        lost = asyncio.Event()
        client.on("close", lost.set)
        sending = asyncio.ensure_future(client.emit(BIG))  # in pieces, as protocol version 3 has it
        await being_written()
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        await asyncio.wait_for(lost.wait(), PATIENCE)

    stalled(flow, body, versions=(3, 3))


def test_a_hub_that_takes_nothing_is_given_up_and_all_who_write_are_told(flow: threading.Event) -> None:
    async def body(hub: EmbeddedHub, client: AsyncHiveMessageBusClient) -> None:
        writing = [
            asyncio.ensure_future(client.emit(message)) for message in (BIG, Message("x"), Message("y"))
        ]
        done = await asyncio.gather(*writing, return_exceptions=True)
        assert isinstance(done[0], err.ConnectionLost) and "takes no more messages" in str(done[0])
        assert all(isinstance(one, (err.ConnectionLost, err.NotConnected)) for one in done[1:])
        flow.set()
        await off_loop(hub.wait_for, "hello", PATIENCE, 2)
        assert await ask(client) == "you said: hello"

    stalled(flow, body, deadlines=Deadlines(write=0.2, send=0.2))


def test_closing_does_not_wait_for_one_who_is_stuck_in_writing(
    flow: threading.Event, being_written: Waits
) -> None:
    async def body(hub: EmbeddedHub, client: AsyncHiveMessageBusClient) -> None:
        sending = asyncio.ensure_future(client.emit(BIG))
        await being_written()
        began = time.monotonic()
        await client.close()
        assert time.monotonic() - began < 5
        with pytest.raises((err.ConnectionLost, err.NotConnected)):
            await sending

    stalled(flow, body, deadlines=Deadlines(close=0.2))


def test_closing_can_be_cancelled_and_is_done_then(flow: threading.Event, being_written: Waits) -> None:
    async def body(hub: EmbeddedHub, client: AsyncHiveMessageBusClient) -> None:
        async def forever() -> None:
            await asyncio.sleep(3600)

        client.mailbox.call(forever)
        sending, running = asyncio.ensure_future(client.emit(BIG)), client.run_in_thread()
        await being_written()
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(client.close(), 0.05)
        await until(running.done)
        assert client.state == "closed"
        await asyncio.gather(sending, return_exceptions=True)
        await client.close()

    stalled(flow, body, deadlines=Deadlines(close=0.4))


def test_a_round_trip_can_be_cancelled(flow: threading.Event) -> None:
    async def body(hub: EmbeddedHub, client: AsyncHiveMessageBusClient) -> None:
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(client.round_trip(60), 0.02)
        with pytest.raises(err.HubTimeout, match="'pong'"):
            await client.round_trip(0.02)
        flow.set()
        assert await client.round_trip(PATIENCE) > 0

    stalled(flow, body)


# waiting


@pytest.mark.parametrize(
    "verb", ["query", "cascade", "ping", "wait_for_message", "wait_for_response", "run_forever", "iterating"]
)
def test_every_wait_can_be_cancelled(verb: str) -> None:
    async def main() -> None:
        waits: dict[str, Any] = {
            "query": lambda: client.query(Message("recognizer_loop:utterance", {"utterances": ["x"]}), 0),
            "cascade": lambda: client.cascade(Message("x"), 60),
            "ping": lambda: client.ping(60, 60),
            "wait_for_message": lambda: client.wait_for_message("never", None),
            "wait_for_response": lambda: client.wait_for_response(Message("x"), timeout=None),
            "run_forever": lambda: client.run_forever(),
            "iterating": lambda: reader.__anext__(),
        }
        async with make(hub) as client:
            reader = client.__aiter__()
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(waits[verb](), 0.05)
            assert len(client.waiters) == 1  # who reads along
            assert client.state == "connected"
            gate.set()
            assert await ask(client) == "you said: hello"

    gate = threading.Event()

    def agent(utterance: str) -> str:
        gate.wait(PATIENCE)
        return f"you said: {utterance}"

    with EmbeddedHub({"k": PASSWORD}, agent=agent) as hub:
        run(main())


def test_a_cancelled_run_forever_closes_what_it_opened() -> None:
    async def main() -> None:
        client = make(hub)
        running = asyncio.ensure_future(client.run_forever())
        await client.connected_event.wait()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert client.state == "closed"

    with EmbeddedHub({"k": PASSWORD}) as hub:
        run(main())


def test_cancelling_the_task_in_the_background_closes_the_client() -> None:
    async def main() -> None:
        client = make(hub)
        for _ in range(2):
            task = client.run_in_thread()
            await client.connected_event.wait()
            waiting = asyncio.ensure_future(client.wait_for_message("never", None))
            await asyncio.sleep(0)
            task.cancel()
            assert await waiting is None
            assert client.state == "closed" and not client.started_running
        await client.close()

    with EmbeddedHub({"k": PASSWORD}) as hub:
        run(main())


@pytest.mark.parametrize("moment", ["farewell", "handlers", "background"])
def test_handlers_end_with_a_close_that_is_cancelled(moment: str) -> None:
    async def main() -> None:
        client = make(hub)
        task = client.run_in_thread()
        await client.connect()
        running, ended = asyncio.Event(), asyncio.Event()

        async def handler(message: Message) -> None:
            running.set()
            try:
                await asyncio.sleep(3600)
            finally:
                ended.set()

        client.on("speak", handler)
        await off_loop(hub.broadcast, Message("speak"))
        await asyncio.wait_for(running.wait(), PATIENCE)
        cut = task if moment == "background" else asyncio.ensure_future(client.close())
        await (until(task.done) if moment == "handlers" else asyncio.sleep(0))
        cut.cancel()
        with pytest.raises(asyncio.CancelledError):
            await cut
        await asyncio.wait_for(ended.wait(), PATIENCE)
        await until(task.done)
        assert client.state == "closed"

    with EmbeddedHub({"k": PASSWORD}) as hub:
        run(main())


def test_cancellations_at_random_moments_leave_nothing() -> None:
    """With and without a handler that waits; the close that follows is cancelled half of the time as well."""
    chance = random.Random(1)

    async def use(client: AsyncHiveMessageBusClient) -> None:
        await client.connect()
        await client.emit(Message("x"))
        await client.query(Message("recognizer_loop:utterance", {"utterances": ["x"]}))
        await client.wait_for_message("never", None)

    async def cut(work: Any, seconds: float) -> None:
        task = asyncio.ensure_future(work)
        await asyncio.sleep(seconds)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    async def forever(*message: Any) -> None:
        await asyncio.sleep(3600)

    async def main() -> None:
        before, quick = asyncio.all_tasks(), {"deadlines": Deadlines(close=0.001)}
        client = AsyncFakeHiveMessageBus(**quick)
        for name in ("open", "close", "speak"):
            client.on(name, forever)
        for _ in range(200):
            await cut(use(client), chance.choice([0, 0, 0.0005, 0.002]))
            await cut(client.close(), chance.choice([0, 0.001]))
        real = [make(hub, **quick) for _ in range(40)]
        for one in real:
            one.on("speak", forever)
        await asyncio.gather(*(cut(use(one), chance.random() * 0.5) for one in real))
        await asyncio.gather(*(cut(one.close(), chance.random() * 0.02) for one in real))
        await until(lambda: asyncio.all_tasks() == before)
        # A task that is done may have yet to tell its worker, in the next round of the loop.
        await until(lambda: all(one.state in ("idle", "closed", "refused") for one in real))

    with EmbeddedHub({"k": PASSWORD}) as hub:
        run(main())


@pytest.mark.parametrize("result", ["comes", "raises", "late", "ignores"])
def test_a_bound_neither_loses_a_cancellation_nor_leaves_a_task(result: str) -> None:
    async def work(done: asyncio.Event) -> str:
        try:
            await done.wait()
            await asyncio.sleep(3600 if result == "late" else 0)
        except asyncio.CancelledError:
            if result == "ignores":
                return "in spite of it"
            raise
        if result == "raises":
            raise RuntimeError("failed")
        return "done"

    async def main() -> None:
        for count in range(6):
            done = asyncio.Event()
            bounded = asyncio.ensure_future(within(60, work(done)))
            await asyncio.sleep(0)
            done.set()
            for _ in range(count):
                await asyncio.sleep(0)
            already = bounded.done()
            bounded.cancel()
            (outcome,) = await asyncio.gather(bounded, return_exceptions=True)
            if not already:
                assert isinstance(outcome, asyncio.CancelledError), turns
        with pytest.raises(asyncio.TimeoutError) if result != "ignores" else suppress(AssertionError):
            assert await within(0.01, work(asyncio.Event())) == "in spite of it"

    run(main())


# peers that misbehave, which must not hold up the loop's end


def frame(opcode: int, size: int) -> bytes:
    return bytes([0x80 | opcode, 127]) + size.to_bytes(8, "big")


@pytest.mark.parametrize(
    ("bytes_", "error"),
    [
        (frame(2, 20_001), err.FrameTooLarge),
        (b"\xff\x00", err.ConnectionLost),
        (b"\x81\x01\xff", err.ConnectionLost),
        (b"\x88\x02\x03\xf3", err.HiveMindError),
    ],
    ids=["too-large", "no-frame", "no-utf-8", "close-and-stay"],
)
def test_a_hub_that_breaks_the_protocol_and_stays_is_left_at_once(
    bytes_: bytes, error: type[Exception]
) -> None:
    def script(connection: socket.socket, stop: threading.Event) -> None:
        servers.upgrade(connection)
        connection.sendall(bytes_)
        stop.wait(30)

    async def main() -> None:
        client = at(port, limits=Limits(frame=20_000))
        began = time.monotonic()
        with pytest.raises(error):
            await client.connect()
        assert time.monotonic() - began < 5

    with servers.server(script) as port:
        run(main())


def test_what_came_before_the_hub_hung_up_is_read() -> None:
    sent = threading.Event()

    def script(connection: socket.socket, stop: threading.Event) -> None:
        servers.upgrade(connection)
        texts = b"".join(b"\x81\x02%02d" % number for number in range(40))
        connection.sendall(texts + b"\x88\x02\x03\xe8")
        sent.set()
        stop.wait(30)

    async def main() -> None:
        address = Address.read("127.0.0.1", port, 5678)
        transport = AsyncWebSocketTransport(address, Tls(True, None, None), Deadlines(), 1000, None, 20)
        assert await off_loop(lambda: True)
        await transport.open(f"ws://127.0.0.1:{port}/")
        await off_loop(sent.wait, PATIENCE)
        await turns()
        got: list[Any] = []
        while not isinstance(incoming := await transport.receive(), websocket_asyncio.Closed):
            got.append(incoming)
        assert got == [f"{number:02d}" for number in range(40)] and incoming.code == 1000
        await transport.release()

    with servers.server(script) as port:
        run(main())


def test_a_transport_that_never_opened_can_be_ended() -> None:
    async def main() -> None:
        address = Address.read("127.0.0.1", 9, 5678)
        transport = AsyncWebSocketTransport(address, Tls(True, None, None), Deadlines(), 1000, None, 20)
        transport.abort()
        await transport.farewell()
        await transport.release()
        with pytest.raises(err.ConnectionLost, match="closed"):
            await transport.receive()

    run(main())


@pytest.mark.parametrize("message", [Message("small"), BIG], ids=["small", "large"])
def test_an_emit_that_is_cancelled_counts_as_raised_and_never_as_in_doubt(
    hub: EmbeddedHub, message: Any
) -> None:
    flow = threading.Event()
    flow.set()

    async def main() -> None:
        with servers.server(stalling_proxy(hub.port, flow)) as port:
            client = at(port, deadlines=Deadlines(close=0.2))
            if message is BIG:
                await client.connect()
                flow.clear()
            else:
                flow.clear()
                client.run_in_thread()  # no session comes
            emitting = asyncio.create_task(client.emit(message))
            await turns()
            emitting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await emitting
            await client.close()
            metrics = client.metrics
            assert (metrics.sent, metrics.raised, metrics.in_doubt) == (1, 1, 0)
            flow.set()

    run(main())


def test_what_handlers_want_is_done_though_the_sender_is_cancelled_over_the_confirmation(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def cancelled(sender: AsyncSender, ask: Any) -> None:
        raise asyncio.CancelledError

    async def main(hub: EmbeddedHub) -> None:
        async with make(hub, query_timeout=0.05) as client:
            over = asyncio.Event()
            client.on("hive.query.timeout", lambda message: over.set())
            monkeypatch.setattr(AsyncSender, "confirm", cancelled)
            with pytest.raises(asyncio.CancelledError):
                await client.emit(
                    HiveMessage("query", HiveMessage("bus", {"type": "nobody.answers", "data": {}}))
                )
            monkeypatch.undo()
            await asyncio.wait_for(over.wait(), PATIENCE)  # the question's timer was set
            assert client.metrics.raised == 0

    with EmbeddedHub({"k": PASSWORD}, like="4.0.0") as hub:  # which answers no QUERY
        run(main(hub))
