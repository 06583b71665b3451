"""The task that keeps a satellite connected: opens, reads, and comes back after every kind of end."""

from __future__ import annotations

import asyncio
import secrets
from contextlib import suppress
from typing import Callable, NoReturn, Optional

from attrs import field, frozen

from hivemind_core_client.aio.mailbox import AsyncMailbox, cancel_task
from hivemind_core_client.config.profile import ClientProfile
from hivemind_core_client.kernel.events import Doubtful, Event, Meanwhile, Transmit
from hivemind_core_client.kernel.lifecycle import (
    AFTERTHOUGHT,
    VERDICT,
    ClientState,
    Course,
    Listener,
    not_sent,
)
from hivemind_core_client.kernel.link import Link
from hivemind_core_client.kernel.policy import Backoff, Deadlines
from hivemind_core_client.plugins.contract import Frame, Negotiated, Send, SetTimer
from hivemind_core_client.transports.failures import Closed
from hivemind_core_client.transports.shared_socket import Progress
from hivemind_core_client.transports.timing import wake, within
from hivemind_core_client.transports.websocket_asyncio import AsyncTransport
from hivemind_core_client.wire.errors import (
    ClientClosed,
    ConnectionLost,
    HiveMindError,
    HubConnectionError,
    HubRefused,
    again,
)
from hivemind_core_client.wire.message import HiveMessage


@frozen
class AsyncConnection:
    """One connection: its Link, its transport, and the lock under which a message is sealed and written."""

    link: Link
    transport: AsyncTransport
    writing: asyncio.Lock = field(factory=asyncio.Lock)


class AsyncWorker(Course):
    """Connects, serves and reconnects in a task of its own until it is stopped or refused."""

    def __init__(
        self,
        profile: ClientProfile,
        listener: Listener,
        mailbox: AsyncMailbox,
        new_transport: Callable[[], AsyncTransport],
        deadlines: Deadlines,
        backoff: Backoff,
    ) -> None:
        super().__init__(profile, listener, mailbox, new_transport, deadlines, backoff)
        self.task: Optional[asyncio.Task[None]] = None
        self._connection: Optional[AsyncConnection] = None
        self._standing = False
        self._finished = False
        self._stopping = False
        self._ended: Optional[AsyncConnection] = None
        self._proof: Optional[asyncio.Task[None]] = None
        self._changed: dict[asyncio.Future[None], None] = {}
        self._handle[Send] = lambda event: mailbox.spawn(self._send_later(event.message))

    @property
    def stopping(self) -> bool:
        """True once the worker was told to end."""
        return self._stopping

    @property
    def standing(self) -> bool:
        """True while a session stands."""
        return self._standing

    @property
    def finished(self) -> bool:
        """True once the worker has ended for good."""
        return self._finished

    @property
    def runs_elsewhere(self) -> bool:
        """True while the task has yet to end on another loop, which may still run."""
        loop = asyncio.get_running_loop() if self.task is None or self._finished else self.task.get_loop()
        return not loop.is_closed() and loop is not asyncio.get_running_loop()

    def start(self, retries: Optional[int]) -> asyncio.Task[None]:
        """Begin. Before the first session stands, give up after `retries` more attempts; None never gives up."""
        self._begin(retries)
        self.task = asyncio.get_running_loop().create_task(self._run(), name="hivemind-link")
        self.task.add_done_callback(self._over)
        return self.task

    async def wait_settled(self, seconds: Optional[float]) -> bool:
        """Wait until a session stands or the worker gave up; False when neither came in time."""
        return await self._wait(lambda: self._standing or self._finished or self._stopping, seconds)

    async def wait_finished(self) -> None:
        """Wait until the worker has ended for good."""
        await self._wait(lambda: self._finished, None)

    async def send(self, message: HiveMessage, progress: Optional[Progress] = None) -> HiveMessage:
        """Send, and return the message as it was sent.

        Waits a little for a session. Raises NotConnected when none came, and what ended the connection
        when it broke under the message.
        """
        connection = await self._standing_connection()
        prepared = connection.link.prepare(message)
        events: list[Event] = []

        def frames() -> list[Frame]:
            sealed = connection.link.seal(prepared)
            events.extend(connection.link.sending(prepared))
            return sealed

        try:
            await self._write(connection, frames, progress)
        except ConnectionLost as error:
            raise await self._verdict(connection, error) from error
        await self._act(events)
        return prepared

    async def admit(self, message: HiveMessage) -> None:
        """Treat a message that a handler had kept back as arrived."""
        if self.link is not None:
            await self._act(self.link.admit(message))

    async def ping(self, payload: bytes, seconds: float) -> Optional[float]:
        """Seconds of one WebSocket round trip, or None when no pong came in time. Raises like `send`."""
        connection = await self._standing_connection()
        try:
            return await connection.transport.ping(payload, seconds)
        except ConnectionLost as error:
            raise await self._verdict(connection, error) from error

    async def stop(self) -> None:
        """Say farewell, and wait for the task, unless it is the one that calls. Idempotent.

        A loop that runs no more is not waited for: the task counts as ended.
        """
        self._stopping = True
        self._settle()
        connection, task = self._connection, self.task
        if task is None or task is asyncio.current_task():
            return
        if task.done() or task.get_loop() is not asyncio.get_running_loop():
            cancel_task(task)
            self._over(task)
            return
        try:
            if connection is not None and self._standing:
                # In writing somebody may be stuck, which must not hold up the closing.
                with suppress(asyncio.TimeoutError):
                    await within(self._deadlines.close, connection.transport.farewell())
        finally:
            task.cancel()
        await asyncio.wait({task}, timeout=self._deadlines.close)

    async def _standing_connection(self) -> AsyncConnection:
        self._check_begun()
        if not self._standing:
            await self.wait_settled(self._deadlines.send)
        if self._standing and self._connection is not None:
            return self._connection
        raise again(self._not_connected())

    async def _write(
        self,
        connection: AsyncConnection,
        frames: Callable[[], list[Frame]],
        progress: Optional[Progress] = None,
    ) -> None:
        """Seal and write under one lock, so that frames leave in the order they were sealed."""
        stuck: list[HiveMindError] = []

        def give_up() -> None:
            stuck.append(self._stuck())
            connection.transport.abort()

        async with connection.writing:
            timer = asyncio.get_running_loop().call_later(self._deadlines.write, give_up)
            try:
                sealed = self._sealed(connection, frames)
                await connection.transport.send(sealed, progress)
            except ConnectionLost as error:
                raise (stuck[0] if stuck else error) from error
            finally:
                timer.cancel()

    def _sealed(self, connection: AsyncConnection, frames: Callable[[], list[Frame]]) -> list[Frame]:
        try:
            return frames()
        except HiveMindError:
            raise
        except BaseException:
            # Such as Ctrl-C: what was sealed has its place, and nothing after it would open.
            connection.transport.abort()
            raise

    async def _verdict(self, connection: AsyncConnection, error: HiveMindError) -> HiveMindError:
        """What ended the connection, if the reader finds it out at once; else the failure to send."""
        await self._wait(lambda: self._ended is connection or self._finished, VERDICT)
        return self.last_error if isinstance(self.last_error, HubRefused) else error

    async def _run(self) -> None:
        while True:
            await self._attempt()
            delay = self._next_delay()
            if delay is None or await self._wait(lambda: self._stopping, delay):
                return

    def _over(self, task: asyncio.Task[None]) -> None:
        """The task has ended, or its loop; it may have been cancelled before its first step."""
        if task.cancelled():
            self._forsaken()
        if self._stopping:
            self.last_error = self.last_error or ClientClosed("the client is closed")
        self._standing = False
        self._finish()
        self._finished = True
        self._settle()
        self._listener.finished()

    def _forsaken(self) -> None:
        """Cancelled. Unless `stop` did that, the loop is about to end: handlers' coroutines would be left behind."""
        if not self._stopping:
            self._stopping = True
            self._mailbox.shut()

    async def _attempt(self) -> None:
        """One connection from its opening to its end."""
        connection: Optional[AsyncConnection] = None
        error: HiveMindError = ClientClosed("the client is closed")
        try:
            self._connection = connection = AsyncConnection(self._profile.new_link(), self._new_transport())
            await self._converse(connection)
        except HiveMindError as raised:
            error = raised
        except Exception as raised:
            error = self._fault(raised)
        except asyncio.CancelledError:
            self._forsaken()
            raise
        finally:
            self._end(connection, error)
            proof, self._proof = self._proof, None
            if proof is not None:
                proof.cancel()
                await asyncio.wait({proof})
            if connection is not None:
                await connection.transport.release()

    def _end(self, connection: Optional[AsyncConnection], error: HiveMindError) -> None:
        if connection is not None:
            connection.link.ended()  # whoever still waits for a proof of this session finds it closed
        stood, self._standing = self._standing, False
        self._attempted(error, stood)
        if connection is not None and stood:
            self._act_now(connection.link.lapsed())
        self._listener.ended(self.last_error or error, stood)
        self._ended = connection
        self._settle()

    async def _converse(self, connection: AsyncConnection) -> NoReturn:
        """Serve one connection; raises what ended it."""
        link, transport = connection.link, connection.transport
        if self._stopping:
            raise ClientClosed("the client is closed")
        await transport.open(self._profile.settings.url())
        link.opened()
        while link.phase is not None:
            phase = link.phase
            await transport.deadline(phase, self._deadlines.of(phase), self._pass(connection, phase))
        while True:
            await self._act(link.receive(await self._incoming(connection)))
            await self._mailbox.room()

    async def _pass(self, connection: AsyncConnection, phase: str) -> None:
        """Take frames until the phase is over. A handshake derives keys, which would hold up the loop."""
        loop = asyncio.get_running_loop()
        while connection.link.phase == phase:
            frame = await self._incoming(connection)
            await self._act(await loop.run_in_executor(None, connection.link.receive, frame))

    async def _incoming(self, connection: AsyncConnection) -> Frame:
        incoming = await connection.transport.receive()
        if isinstance(incoming, Closed):
            raise connection.link.ended(incoming.code, incoming.reason)
        return incoming

    async def _act(self, events: list[Event]) -> None:
        for event in events:
            if type(event) is Transmit:
                await self._transmit(event)
            elif type(event) is Meanwhile:
                await asyncio.get_running_loop().run_in_executor(None, event.work)
            else:
                self._handle[type(event)](event)

    def _act_now(self, events: list[Event]) -> None:
        """Events with nothing to transmit among them."""
        for event in events:
            self._handle[type(event)](event)

    async def _transmit(self, event: Transmit) -> None:
        if self._connection is not None:
            await self._write(self._connection, lambda: event.frames)

    def _prove(self, event: Doubtful) -> None:
        connection = self._connection
        if connection is not None:
            self._proof = asyncio.get_running_loop().create_task(self._wait_for_pong(connection))

    async def _wait_for_pong(self, connection: AsyncConnection) -> None:
        try:
            await connection.transport.ping(secrets.token_bytes(8), self._deadlines.handshake)
        except HubConnectionError:
            return  # the reader finds out what that means
        self._act_now(connection.link.proven())
        await self._wait(lambda: self._ended is connection or self._stopping, AFTERTHOUGHT)
        connection.link.confirm()

    def _stand(self, negotiated: Negotiated) -> None:
        self.state = ClientState.CONNECTED
        self._standing = True
        self._listener.established(negotiated)
        self._settle()

    async def _send_later(self, message: HiveMessage) -> None:
        try:
            await self.send(message)
        except HiveMindError as error:
            not_sent(message, error)

    def _due(self, event: SetTimer) -> None:
        if self.link is not None:
            self._act_now(self.link.due(event.msg_type, event.key))

    async def _wait(self, reached: Callable[[], bool], seconds: Optional[float]) -> bool:
        """Wait until `reached()`, which is asked after every change of the worker; False when time was over first."""
        loop = asyncio.get_running_loop()
        end = None if seconds is None else loop.time() + seconds
        while not reached():
            left = None if end is None else end - loop.time()
            if left is not None and left <= 0:
                return False
            change = loop.create_future()
            self._changed[change] = None
            try:
                await asyncio.wait({change}, timeout=left)
            finally:
                self._changed.pop(change, None)
        return True

    def _settle(self) -> None:
        changed, self._changed = self._changed, {}
        for change in changed:
            wake(change)
