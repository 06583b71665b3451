"""The task that keeps a client connected: opens, reads, and reconnects after any disconnect."""

from __future__ import annotations

import asyncio
import secrets
from contextlib import nullcontext, suppress
from functools import partial
from typing import TYPE_CHECKING, Callable, NoReturn, Optional

from attrs import field, frozen

from hivemind_core_client.aio.base_worker import AsyncBaseWorker
from hivemind_core_client.aio.mailbox import AsyncMailbox, Running, cancel_task
from hivemind_core_client.aio.waiting import AsyncNotifier, off_loop
from hivemind_core_client.kernel.events import AwaitProof, Event, RunDuringWait, Transmit
from hivemind_core_client.kernel.lifecycle import CLOSE_REASON_WAIT_S, ClientState
from hivemind_core_client.shell.worker import not_sent
from hivemind_core_client.transports.failures import Closed
from hivemind_core_client.transports.timing import within
from hivemind_core_client.wire.errors import (
    ClientClosed,
    ConnectionLost,
    HiveMindError,
    HubConnectionError,
    InvalidOption,
    again,
)

if TYPE_CHECKING:
    from hivemind_core_client.config.profile import ClientProfile
    from hivemind_core_client.kernel.link import Link
    from hivemind_core_client.kernel.policy import Backoff, Deadlines
    from hivemind_core_client.kernel.progress import Progress
    from hivemind_core_client.plugins.contract import Frame
    from hivemind_core_client.transports.base import AsyncTransport
    from hivemind_core_client.wire.message import HiveMessage


@frozen
class AsyncConnection:
    """One connection: its Link, its transport, and the lock under which a message is sealed and written."""

    link: Link
    transport: AsyncTransport
    writing: asyncio.Lock = field(factory=asyncio.Lock)


class AsyncWorker(AsyncBaseWorker):
    """Connects, serves and reconnects in a task of its own until it is stopped or refused."""

    _link_lock = nullcontext()
    _mailbox: AsyncMailbox

    def __init__(
        self,
        profile: ClientProfile,
        mailbox: AsyncMailbox,
        new_transport: Callable[[], AsyncTransport],
        deadlines: Deadlines,
        backoff: Backoff,
    ) -> None:
        super().__init__(profile, mailbox, deadlines, backoff)
        self.is_finished = False
        self.task: Optional[Running] = None
        self._new_transport = new_transport
        self._changed = AsyncNotifier()
        self._connection: Optional[AsyncConnection] = None
        self._ended: Optional[AsyncConnection] = None
        self._proof: Optional[Running] = None

    @property
    def running(self) -> Running:
        """The task. Raises ClientClosed before there is one."""
        if self.task is None:
            raise ClientClosed("the client was never connected")
        return self.task

    def check_free(self) -> None:
        """Raises InvalidOption while the task has yet to end on another loop, which may still run."""
        loop = None if self.task is None or self.is_finished else self.task.get_loop()
        if loop is not None and not loop.is_closed() and loop is not asyncio.get_running_loop():
            raise InvalidOption("the client is connected on another event loop: close() it there first")

    def start(self, retries: Optional[int]) -> None:
        """Begin. Before the first session stands, give up after `retries` more attempts; None never gives up."""
        self.lifecycle.begin(retries)
        self.task = asyncio.get_running_loop().create_task(self._run(), name="hivemind-link")
        self.task.add_done_callback(self._task_is_done)

    async def wait_connected(self, seconds: Optional[float]) -> bool:
        """Wait until a session stands or none will; False when neither came in time."""
        return await self._changed.wait_until(self._is_settled, seconds)

    async def wait_finished(self, seconds: Optional[float] = None) -> bool:
        """Wait until the task has ended its work."""
        return await self._changed.wait_until(lambda: self.is_finished, seconds)

    async def send(self, message: HiveMessage, progress: Optional[Progress] = None) -> HiveMessage:
        """Send, and return the message as it was sent; see the worker of threads."""
        connection = self._connection
        if connection is None or self.lifecycle.state is not ClientState.CONNECTED:
            connection = await self._session()
        link = connection.link
        prepared = link.prepare(message)
        events: list[Event] = []

        try:
            async with connection.writing:
                frames = self._sealed(connection, prepared, events)
                await connection.transport.send(frames, progress)
        except ConnectionLost as error:
            raise await self._why_broken(connection, error) from error
        if events:
            self._act(events)
        return prepared

    def send_quietly(self, message: HiveMessage) -> None:
        """Send a message whose sender is not to be told, from any thread; it is logged where it could not be sent."""
        if not self._mailbox.on_loop(lambda: self._mailbox.spawn(self._try_to_send(message))):
            not_sent(message, ClientClosed("the client is not connected"))

    async def ping(self, payload: bytes, seconds: float) -> Optional[float]:
        """Seconds of one round trip, or None when it did not end in time. Raises like `send`."""
        connection = await self._session()
        try:
            return await connection.transport.ping(payload, seconds)
        except ConnectionLost as error:
            raise await self._why_broken(connection, error) from error

    async def stop(self) -> None:
        """Say farewell, and wait for the task, unless it is the one that calls. Idempotent.

        A loop that runs no more is not waited for: the task counts as ended.
        """
        stood, task = self.lifecycle.stands, self.task
        self._abandon_attempts()
        if task is None or task is asyncio.current_task():
            return
        if task.done() or task.get_loop() is not asyncio.get_running_loop():
            cancel_task(task)
            self._task_is_done(task)
            return
        try:
            if self._connection is not None and stood:
                # In writing somebody may be stuck, which must not hold up the closing.
                with suppress(asyncio.TimeoutError):
                    await within(self._deadlines.close, self._connection.transport.farewell())
        finally:
            task.cancel()
        await asyncio.wait({task}, timeout=self._deadlines.close)

    def _is_settled(self) -> bool:
        return self.lifecycle.stands or self.is_finished or self.lifecycle.stopping

    async def _session(self) -> AsyncConnection:
        """The connection of a session that stands, now or soon."""
        self.lifecycle.check_begun()
        if not self.lifecycle.stands:
            await self.wait_connected(self._deadlines.send)
        if self._connection is None or not self.lifecycle.stands:
            raise again(self.lifecycle.why_not_sent())
        return self._connection

    def _sealed(self, connection: AsyncConnection, prepared: HiveMessage, events: list[Event]) -> list[Frame]:
        try:
            frames = connection.link.seal(prepared)
            events.extend(connection.link.sending(prepared))
            return frames
        except HiveMindError:
            raise
        except BaseException:
            # Such as Ctrl-C: a frame that was sealed and is not written would keep the next from being opened.
            connection.transport.abort()
            raise

    async def _why_broken(self, connection: AsyncConnection, error: HiveMindError) -> HiveMindError:
        await self._changed.wait_until(partial(self._has_ended, connection), CLOSE_REASON_WAIT_S)
        return self.lifecycle.why_broken(error)

    def _has_ended(self, connection: AsyncConnection) -> bool:
        return self._ended is connection or self.is_finished

    async def _run(self) -> None:
        delay = await self._attempt()
        while delay is not None:
            if await self._changed.wait_until(self._is_stopping, delay):
                return
            delay = await self._attempt()

    def _is_stopping(self) -> bool:
        return self.lifecycle.stopping

    def _task_is_done(self, task: Running) -> None:
        """The task has ended, or its loop; it may have been cancelled before its first step."""
        if task.cancelled():
            self._end_with_loop()
        if not self.is_finished:
            self.lifecycle.finish()
            self.is_finished = True
        self._changed.notify()
        self._tell_over()

    def _end_with_loop(self) -> None:
        """Cancelled. Unless `stop` did that, the loop is about to end: handlers' coroutines would be left behind."""
        if not self.lifecycle.stopping:
            self.lifecycle.stop()
            self._mailbox.shut()

    async def _attempt(self) -> Optional[float]:
        """Seconds until the next connection, None for none, once one has been opened and has ended."""
        connection: Optional[AsyncConnection] = None
        cause: HiveMindError = ClientClosed("the client is closed")
        try:
            connection = self._new_connection()
            await self._converse(connection)
        except HiveMindError as error:
            cause = error
        except Exception as error:
            cause = self.lifecycle.fault(error)
        except asyncio.CancelledError:
            self._end_with_loop()
            raise
        finally:
            delay = self._close_off(connection, cause)
            await self._release(connection)
        return delay

    def _new_connection(self) -> AsyncConnection:
        self.link = self._profile.new_link()
        self._connection = AsyncConnection(self.link, self._new_transport())
        return self._connection

    def _close_off(self, connection: Optional[AsyncConnection], cause: HiveMindError) -> Optional[float]:
        if connection is not None:
            connection.link.ended(now=self._changed.now())  # who waits for a proof finds the session closed
        delay = self._end(cause)
        self._ended = connection
        self._changed.notify()
        return delay

    async def _release(self, connection: Optional[AsyncConnection]) -> None:
        proof, self._proof = self._proof, None
        if proof is not None:
            proof.cancel()
            await asyncio.wait({proof})
        if connection is not None:
            await connection.transport.release()

    async def _converse(self, connection: AsyncConnection) -> NoReturn:
        """Serve one connection; raises what ended it."""
        link, transport = connection.link, connection.transport
        if self.lifecycle.stopping:
            raise ClientClosed("the client is closed")
        await transport.open(self._profile.settings.url())
        link.opened()
        while link.phase is not None:
            phase = link.phase
            await transport.deadline(phase, self._deadlines.of(phase), self._pass(connection, phase))
        while True:
            self._act(link.receive(await self._frame(connection)))
            if self._mailbox.is_crowded():
                await self._mailbox.room()

    async def _pass(self, connection: AsyncConnection, phase: str) -> None:
        """Take frames until the phase is over. A handshake derives keys, which would hold up the loop."""
        while connection.link.phase == phase:
            frame = await self._frame(connection)
            for event in await off_loop(partial(connection.link.receive, frame)):
                if type(event) is Transmit:
                    async with connection.writing:
                        await connection.transport.send(event.frames)
                elif type(event) is RunDuringWait:
                    await off_loop(event.work)
                else:
                    self._handle[type(event)](event)

    async def _frame(self, connection: AsyncConnection) -> Frame:
        incoming = await connection.transport.receive()
        if isinstance(incoming, Closed):
            raise connection.link.ended(incoming.code, incoming.reason, now=self._changed.now())
        return incoming

    def _await_proof(self, event: AwaitProof) -> None:
        if self._connection is not None:
            self._connection.transport.watch()
            self._proof = asyncio.get_running_loop().create_task(self._prove(self._connection))

    async def _prove(self, connection: AsyncConnection) -> None:
        with suppress(HubConnectionError):  # the reader finds out what that means
            await connection.transport.ping(secrets.token_bytes(8), self._deadlines.handshake)
            self._act(connection.link.hub_answered(self._changed.now()))

    def _session_stands(self) -> None:
        if self._connection is not None:
            self._connection.transport.watch()
            self._connection.transport.stand()
        self._changed.notify()

    def _abandon(self) -> None:
        self._abandon_attempts()
        if self._connection is not None and not self.is_finished:
            self._connection.transport.abort()

    def _abandon_attempts(self) -> None:
        self.lifecycle.stop()
        self._changed.notify()

    async def _try_to_send(self, message: HiveMessage) -> None:
        try:
            await self.send(message)
        except HiveMindError as error:
            not_sent(message, error)
