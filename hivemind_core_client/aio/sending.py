"""Sending on the connection of the session that stands."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Optional

from attrs import define

from hivemind_core_client.kernel.delivery import ASK_AFTER_S, Ask
from hivemind_core_client.kernel.echoes import ECHO, ECHO_VERSION
from hivemind_core_client.kernel.handshake.choice import NOISE_VERSION
from hivemind_core_client.kernel.lifecycle import CLOSE_REASON_WAIT_S, ClientState
from hivemind_core_client.wire.errors import (
    ConnectionLost,
    HiveMindError,
    HubConnectionError,
    InvalidMessage,
    again,
)

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from hivemind_core_client.aio.in_turn import AsyncTurns
    from hivemind_core_client.aio.mailbox import AsyncMailbox
    from hivemind_core_client.aio.waiting import AsyncNotifier, AsyncWritingLock
    from hivemind_core_client.kernel.delivery import Delivery
    from hivemind_core_client.kernel.echoes import Answered
    from hivemind_core_client.kernel.events import Event
    from hivemind_core_client.kernel.leaving import Follow
    from hivemind_core_client.kernel.lifecycle import ConnectionLifecycle
    from hivemind_core_client.kernel.link import Link
    from hivemind_core_client.kernel.policy import Deadlines
    from hivemind_core_client.kernel.progress import Progress
    from hivemind_core_client.transports.base import AsyncTransport
    from hivemind_core_client.wire.message import HiveMessage


class AsyncNoTransport:
    """What is left of a connection in a forked child: whoever ends it ends nothing."""

    def abort(self) -> None:
        """Nothing is open."""

    async def release(self) -> None:
        """Nothing is open."""


@define
class AsyncConnection:
    """One connection: its Link, its transport, the lock under which a message is sealed and written, what was sent."""

    link: Link
    transport: AsyncTransport
    writing: AsyncWritingLock
    delivery: Delivery
    #: A frame was counted, and could not be sent.
    is_spoilt: bool = False

    def disown(self) -> None:
        """Leave the transport to the parent process."""
        self.transport = AsyncNoTransport()  # type: ignore[assignment]  # nobody sends on it


class AsyncSender:
    """Sends on `connection`, which a worker sets, as `ended` when that has ended; it tells `changed` of both."""

    def __init__(
        self,
        lifecycle: ConnectionLifecycle,
        mailbox: AsyncMailbox,
        deadlines: Deadlines,
        changed: AsyncNotifier,
        link_lock: AbstractContextManager[None],
        turns: AsyncTurns,
    ) -> None:
        self.connection: Optional[AsyncConnection] = None
        self.ended: Optional[AsyncConnection] = None
        self.is_finished = False
        self._lifecycle = lifecycle
        self._mailbox = mailbox
        self._deadlines = deadlines
        self._changed = changed
        self._link_lock = link_lock
        self._turns = turns

    async def wait_connected(self, seconds: Optional[float]) -> bool:
        """Wait until a session stands or none will; False when neither came in time."""
        with self._mailbox.blocking():
            return await self._changed.wait_until(self._is_connected_or_over, seconds)

    async def wait_finished(self, seconds: Optional[float]) -> bool:
        """Wait until nothing more is tried; False when that did not come in time."""
        with self._mailbox.blocking():
            return await self._changed.wait_until(lambda: self.is_finished, seconds)

    async def wait_ended(self, connection: AsyncConnection, seconds: float) -> None:
        """Wait until the end of this connection has been told, for so many seconds at most."""
        with self._mailbox.blocking():
            await self._changed.wait_until(lambda: self.ended is connection or self.is_finished, seconds)

    async def send(
        self, message: HiveMessage, progress: Optional[Progress], number: int = 0
    ) -> tuple[HiveMessage, list[Event], Optional[Ask]]:
        """Send; returns the message as it was sent, and what handlers and its confirmation want done.

        One of the outbox has a `number` there, and waits for no session. Raises like the worker's `send`.
        """
        while True:
            connection = self.connection
            if connection is None or self._lifecycle.state is not ClientState.CONNECTED:
                connection = await self._session(0.0 if number else self._deadlines.send)
            link = connection.link
            told: Optional[Follow] = None
            if link.sent_in_turn and message.msg_type in link.sent_in_turn:
                prepared, told = await self._turns.leaving(link.leaving(message), self._deadlines.send)
            else:
                prepared = link.prepare(message)
            try:
                async with connection.writing:
                    # Where the session ended meanwhile nothing is sealed yet, so the message goes in the next one.
                    if connection is self.connection and connection is not self.ended:
                        events, ask = await self._write(connection, prepared, progress, told, number)
                        return prepared, events, ask
            except ConnectionLost as error:
                raise await self._why_broken(connection, error) from error
            except InvalidMessage as error:
                if connection.is_spoilt:
                    await self._why_broken(connection, error)  # what is sent next waits for the next session
                raise

    async def ping(self, payload: bytes, seconds: float) -> Optional[float]:
        """Seconds of one round trip, or None when it did not end in time. Raises like `send`."""
        connection = await self._session(self._deadlines.send)
        try:
            return await connection.transport.ping(payload, seconds)
        except ConnectionLost as error:
            raise await self._why_broken(connection, error) from error

    def watch(self, connection: AsyncConnection) -> None:
        """Both sides own the key: from now on the connection is probed, by echoes where it has no pings."""
        agreed = connection.link.negotiated
        if agreed is not None and agreed.version >= ECHO_VERSION:
            connection.transport.echo_by(partial(self._echo, connection))
        connection.transport.watch()

    async def _echo(self, connection: AsyncConnection, answered: Answered) -> None:
        async with connection.writing:
            await connection.transport.send(connection.link.seal(ECHO, answered))

    async def confirm(self, ask: Optional[Ask]) -> None:
        """Have the hub prove, by its pong, that it has read what was sent."""
        connection = self.connection
        if connection is None or ask is None:
            return
        if ask is Ask.NOW and not connection.writing.locked():  # else whoever writes will ask
            with suppress(HubConnectionError):  # the reader finds out what that means
                await connection.transport.ask()
            # asyncio only
            await asyncio.sleep(0)  # or who sends without a pause would never read that the hub has it
            # end of asyncio only
        if ask is Ask.LATER:
            self._look_later(connection)

    def _look_later(self, connection: AsyncConnection) -> None:
        with suppress(RuntimeError):  # the interpreter ends, and starts no thread any more
            self._mailbox.later(ASK_AFTER_S, connection.delivery, partial(self._look, connection))

    def _look(self, connection: AsyncConnection) -> None:
        ask = connection.delivery.look()
        if ask is not None and connection is self.connection:
            self._look_later(connection)  # whatever becomes of the ping
            if ask is Ask.NOW:
                self._mailbox.call(self.confirm, ask)

    async def _session(self, seconds: float) -> AsyncConnection:
        """The connection of a session that stands, now or within so many seconds."""
        self._lifecycle.check_begun()
        await self.wait_connected(seconds)
        if self.connection is None or not self._lifecycle.stands:
            raise again(self._lifecycle.why_not_sent())
        return self.connection

    async def _write(
        self,
        connection: AsyncConnection,
        prepared: HiveMessage,
        progress: Optional[Progress],
        told: Optional[Follow],
        number: int,
    ) -> tuple[list[Event], Optional[Ask]]:
        """Seal and write; returns what handlers and the confirmation want done.

        Handlers are asked before: an answer may be quick. One that was `told` in its turn is not asked again.
        """
        link, is_sealed = connection.link, False
        try:
            if number:
                connection.delivery.leaving(number)
            frames = link.seal(prepared)
            is_sealed = True
            with self._link_lock:
                events = link.sending(prepared) if told is None else told()
            answered = await connection.transport.send(frames, progress)
            ask = connection.delivery.handed(prepared, frames, answered, number)
        except InvalidMessage:
            agreed = link.negotiated
            if is_sealed and agreed is not None and agreed.version >= NOISE_VERSION:
                connection.is_spoilt = True  # the hub would open no frame after it
                connection.transport.abort()
            raise
        except HiveMindError:
            raise
        # asyncio only
        except asyncio.CancelledError:
            raise  # the transport writes a frame whole, or ends the connection
        # end of asyncio only
        except BaseException:
            # Such as Ctrl-C: a frame that was sealed and is not written would keep the next from being opened.
            connection.transport.abort()
            raise
        return events, ask

    async def _why_broken(self, connection: AsyncConnection, error: HiveMindError) -> HiveMindError:
        """The refusal that ended the connection, if the reader finds one out at once; else the failure to send."""
        await self._changed.wait_until(
            lambda: self.ended is connection or self.is_finished, CLOSE_REASON_WAIT_S
        )
        return self._lifecycle.why_broken(error)

    def _is_connected_or_over(self) -> bool:
        lifecycle = self._lifecycle
        return lifecycle.stands or lifecycle.stopping or self.is_finished
