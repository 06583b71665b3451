"""One connection after the other: opened, and read until it ends."""

from __future__ import annotations

import secrets
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Callable, NoReturn, Optional

from hivemind_core_client.aio.base_worker import AsyncBaseWorker
from hivemind_core_client.aio.finding import AsyncHubFinder
from hivemind_core_client.aio.in_turn import AsyncTurns
from hivemind_core_client.aio.keeping import AsyncKeeper
from hivemind_core_client.aio.sending import AsyncConnection, AsyncSender
from hivemind_core_client.aio.waiting import (
    READS_APART,
    AsyncBeside,
    AsyncNotifier,
    AsyncWritingLock,
    new_link_lock,
    off_loop,
)
from hivemind_core_client.config.key_use import KeyUse
from hivemind_core_client.kernel.delivery import Ask
from hivemind_core_client.kernel.events import AwaitProof, RunApart, RunDuringWait, RunInTurn, Transmit
from hivemind_core_client.transports.failures import Closed
from hivemind_core_client.wire.errors import (
    ClientClosed,
    HiveMindError,
    HubConnectionError,
)

if TYPE_CHECKING:
    from hivemind_core_client.aio.mailbox import AsyncMailbox
    from hivemind_core_client.config.profile import ClientProfile
    from hivemind_core_client.kernel.events import Event
    from hivemind_core_client.kernel.link import Link
    from hivemind_core_client.kernel.outbox import OutboxQueue
    from hivemind_core_client.kernel.policy import Backoff, Deadlines
    from hivemind_core_client.kernel.progress import Progress
    from hivemind_core_client.plugins.contract import Frame
    from hivemind_core_client.transports.base import AsyncTransport
    from hivemind_core_client.wire.message import HiveMessage


class AsyncServingWorker(AsyncBaseWorker):
    """Connects, serves and reconnects in `_run`, until it is stopped or refused. A subclass says where that runs."""

    _mailbox: AsyncMailbox
    keeper: Optional[AsyncKeeper] = None

    def __init__(
        self,
        profile: ClientProfile,
        new_link: Callable[[], Link],
        mailbox: AsyncMailbox,
        new_transport: Callable[[], AsyncTransport],
        deadlines: Deadlines,
        backoff: Backoff,
    ) -> None:
        super().__init__(profile, new_link, mailbox, deadlines, backoff)
        self._new_transport = new_transport
        self._link_lock = new_link_lock()
        self._changed = AsyncNotifier()
        self._turns = AsyncTurns(profile, mailbox, self.lifecycle, self._changed, self._followed)
        self._handle[RunInTurn] = self._turns.begin
        self._sender = AsyncSender(
            self.lifecycle, mailbox, deadlines, self._changed, self._link_lock, self._turns
        )
        self._proof, self._farewell, self._outgoing = AsyncBeside(), AsyncBeside(), AsyncBeside()
        self._key_use = KeyUse()
        self._finder = AsyncHubFinder(self.lifecycle, self._changed, self._tracer)

    @property
    def transport(self) -> Optional[AsyncTransport]:
        """What moves the frames of the present or last connection."""
        connection = self._sender.connection
        return None if connection is None else connection.transport

    async def wait_connected(self, seconds: Optional[float]) -> bool:
        """Wait until a session stands or none will; False when neither came in time."""
        return await self._sender.wait_connected(seconds)

    async def wait_finished(self, seconds: Optional[float] = None) -> bool:
        """Wait until nothing more is tried; False when that did not come in time."""
        return await self._sender.wait_finished(seconds)

    async def send(self, message: HiveMessage, progress: Optional[Progress] = None) -> HiveMessage:
        """Send, and do what handlers want done about it. Returns the message as it was sent; raises as promised."""
        if self.keeper is not None and self.keeper.keeps(message):
            return await self.keeper.send(message, progress)
        try:
            prepared, events, ask = await self._sender.send(message, progress)
        except BaseException:
            self.ledger.not_sent()
            raise
        if events:
            self._act(events)
        if ask is not None:
            await self._sender.confirm(ask)
        return prepared

    def keep(self, queue: OutboxQueue) -> None:
        """Have this outbox from now on."""
        self.ledger.outbox, self.keeper = queue, AsyncKeeper(self, queue)

    async def hand_over(self, message: HiveMessage, number: int, progress: Optional[Progress]) -> HiveMessage:
        """Send the message of the outbox with this number. Returns it as it was sent; raises as promised."""
        prepared, events, ask = await self._sender.send(message, progress, number)
        self._act(events)
        await self._sender.confirm(ask)
        return prepared

    async def wait_until(self, reached: Callable[[], bool], seconds: Optional[float]) -> bool:
        """Wait until `reached()`, which is asked after each `stir`; False when `seconds` were over first."""
        with self._mailbox.blocking():
            return await self._changed.wait_until(reached, seconds)

    async def prove(self) -> None:
        """Have the hub prove what it has read."""
        await self._sender.confirm(Ask.NOW)

    def beside(self, work: Callable[[], Any]) -> None:
        """Hand over what waits in the outbox, beside what else goes on. Raises RuntimeError without a thread."""
        self._outgoing.begin(work, "hivemind-outbox")

    def stir(self) -> None:
        """Let those who wait look again."""
        self._changed.notify()

    async def ping(self, payload: bytes, seconds: float) -> Optional[float]:
        """Seconds of one round trip, or None when it did not end in time. Raises like `send`."""
        return await self._sender.ping(payload, seconds)

    async def break_off(self) -> None:
        """End the present connection, with a farewell where a session stands. Returns when it has ended."""
        connection = self._sender.connection
        if connection is None or self._sender.ended is connection:
            return
        if self.lifecycle.stands:
            # Beside: somebody may be stuck in writing, and whoever breaks off must not wait for that.
            self._farewell.begin(connection.transport.farewell, "hivemind-farewell")
            await self._sender.wait_ended(connection, self._deadlines.close)
        connection.transport.abort()
        await self._sender.wait_ended(connection, self._deadlines.close)

    def disown(self) -> None:
        """Leave the connection to the parent process."""
        super().disown()
        if self._sender.connection is not None:
            self._sender.connection.disown()

    async def _run(self) -> None:
        """One attempt after the other, until the lifecycle says that it was the last."""
        while (delay := await self._attempt()) is not None:
            if await self._changed.wait_until(lambda: self.lifecycle.stopping, delay):
                return

    async def _attempt(self) -> Optional[float]:
        """One connection from its opening to its end. Returns the seconds until the next one, None for none."""
        connection: Optional[AsyncConnection] = None
        cause: HiveMindError = ClientClosed("the client is closed")
        try:
            self.link = link = self._new_link()
            writing = AsyncWritingLock(self._deadlines.write, self.lifecycle.hub_is_stuck)
            self.delivery = delivery = self.ledger.opened()
            if self._profile.search is not None:
                await self._finder.find(self._profile.search, self.ledger.sessions)
            transport = self._new_transport()
            self._acquaint(transport)
            self._own_outbox()
            self._sender.connection = connection = AsyncConnection(link, transport, writing, delivery)
            await self._serve(connection)
        except HiveMindError as error:
            cause = error
        except Exception as error:
            cause = self.lifecycle.fault(error)
        finally:
            delay = self._close_off(connection, cause)
            try:
                await self._proof.end()
                await self._outgoing.end()
                await self._turns.settle(self._deadlines.close)
            finally:
                if connection is not None:
                    await connection.transport.release()
        return delay

    def _close_off(self, connection: Optional[AsyncConnection], cause: HiveMindError) -> Optional[float]:
        if connection is not None:
            connection.transport.abort()  # nobody waits in it while the end is told
            with self._link_lock:  # whoever still waits for a proof of this session finds it closed
                connection.link.ended(now=self._changed.now())
        delay = self._end(cause)
        self._sender.ended = connection
        self._changed.notify()
        return delay

    async def _serve(self, connection: AsyncConnection) -> NoReturn:
        """Serve one connection; raises what ended it."""
        link, transport = connection.link, connection.transport
        if self.lifecycle.stopping:  # after the connection is known to `stop`, so that one of the two ends it
            raise ClientClosed("the client is closed")
        await transport.open(self._profile.url())
        link.opened()
        while link.phase is not None:
            phase = link.phase
            seconds = self._deadlines.of(phase)
            with self._tracer.phase(phase, seconds):
                await transport.within(phase, seconds, partial(self._run_phase, connection, phase))
        while True:
            incoming = await transport.receive()
            if isinstance(incoming, Closed):
                raise link.ended(incoming.code, incoming.reason, now=self._changed.now())
            with self._link_lock:
                events = link.receive(incoming, apart=READS_APART)
            del incoming  # which is not held while the next one is waited for
            for event in events:
                # asyncio only
                if type(event) is RunApart:
                    events += (await off_loop(event.work))()  # whose turn comes in this loop too
                    continue
                # end of asyncio only
                if type(event) is RunInTurn:
                    if not (event.weight and self._is_full()):  # else it counts as dropped
                        await self._turns.take(event)
                    continue
                self._handle[type(event)](event)
            # asyncio only
            if self._mailbox.is_crowded():
                await self._mailbox.room()
            # end of asyncio only

    async def _run_phase(self, connection: AsyncConnection, phase: str) -> None:
        """Take frames until the phase is over. A handshake derives keys, which takes long."""
        link = connection.link
        while link.phase == phase:
            incoming = await connection.transport.receive()
            if isinstance(incoming, Closed):
                raise link.ended(incoming.code, incoming.reason, now=self._changed.now())
            for event in await off_loop(partial(self._taken, link, incoming)):
                if type(event) is Transmit:
                    async with connection.writing:
                        await connection.transport.send(event.frames)
                elif type(event) is RunDuringWait:
                    await off_loop(event.work)
                else:
                    self._handle[type(event)](event)

    def _taken(self, link: Link, frame: Frame) -> list[Event]:
        with self._link_lock:
            return link.receive(frame)

    def _await_proof(self, event: AwaitProof) -> None:
        connection = self._sender.connection
        if connection is not None:
            self._sender.watch(connection)
            self._proof.begin(partial(self._prove, connection), "hivemind-proof")

    async def _prove(self, connection: AsyncConnection) -> None:
        with suppress(HubConnectionError):  # the reader finds out what that means
            await connection.transport.ping(secrets.token_bytes(8), self._deadlines.handshake)
            with self._link_lock:
                self._act(connection.link.hub_answered(now=self._changed.now()))

    def _session_stands(self) -> None:
        connection = self._sender.connection
        if connection is not None:
            self._sender.watch(connection)
            connection.transport.stand()
        self._changed.notify()
        if self.keeper is not None:
            self.keeper.begin()
        settings = self._profile.settings
        self._key_use.begin(self._profile.identity.path, settings.key, str(settings.address))

    def _abandon(self) -> None:
        self._stop_trying()
        if self._sender.connection is not None and not self.is_finished:
            self._sender.connection.transport.abort()

    def _stop_trying(self) -> None:
        self.lifecycle.stop()
        self._changed.notify()

    def _finish(self) -> None:
        """Nothing more is tried."""
        self._key_use.end()
        if not self.is_finished:
            self.lifecycle.finish()
            self._tell_over()
            self.is_finished = self._sender.is_finished = True
        self._changed.notify()
