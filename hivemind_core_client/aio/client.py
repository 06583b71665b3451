"""AsyncHiveMessageBusClient: a satellite's connection with its hub, for asyncio."""

from __future__ import annotations

import asyncio
import inspect
import logging
import secrets
from collections.abc import Awaitable
from contextlib import suppress
from functools import partial
from typing import Any, Callable, Optional
from weakref import WeakSet

from attrs import evolve, frozen

from hivemind_core_client.aio.collect_verbs import AsyncCollectVerbs
from hivemind_core_client.aio.mailbox import AsyncMailbox
from hivemind_core_client.aio.waiting import LoopEvent, MessageReader
from hivemind_core_client.aio.worker import AsyncWorker
from hivemind_core_client.kernel.lifecycle import ClientState, Listener
from hivemind_core_client.plugins.contract import CallBack
from hivemind_core_client.shell.base import Furnished
from hivemind_core_client.shell.callbacks import BinaryDataCallbacks
from hivemind_core_client.shell.local_bus import Handler, LocalBus
from hivemind_core_client.sync.waiting import as_packet
from hivemind_core_client.transports.shared_socket import Progress
from hivemind_core_client.transports.timing import within
from hivemind_core_client.transports.websocket_asyncio import AsyncTransport
from hivemind_core_client.wire.errors import ClientClosed, HiveMindError, InvalidOption, again
from hivemind_core_client.wire.message import HiveMessage, HiveMindBinaryPayloadType

__all__ = ["AsyncHiveMessageBusClient", "BinaryDataCallbacks"]

log = logging.getLogger(__name__)

_UNDEFINED = HiveMindBinaryPayloadType.UNDEFINED
_NOT_SENT = "a %s message of the local bus was not sent: %s"
#: How many messages an iteration may be behind.
_BEHIND = 10_000


@frozen
class OnLoop:
    """A handler on a bus that may have threads of its own: called on the client's loop. Equal for an equal handler."""

    client: AsyncHiveMessageBusClient
    func: Handler

    def __call__(self, *arguments: Any) -> None:
        """Have it called; from any thread."""
        job = partial(self.client._call, self.func, *arguments)
        if not self.client._on_loop(partial(self.client.mailbox.put, job)):
            log.warning("a handler on the local bus was not called: the client is not connected")


class AsyncHiveMessageBusClient(Furnished, AsyncCollectVerbs):
    """A satellite's connection with its hub, on one event loop.

    The arguments are those of HiveMessageBusClient, and so are the verbs, awaited where they wait. Handlers may be
    functions or coroutine functions: functions run in order, coroutines beside them. `async with client:` connects
    and closes; `async for message in client:` gives every HiveMessage that arrives. All calls belong to the loop
    that connects, and handlers run on it, those of an `internal_bus` with threads of its own too. It may be made
    without a loop, and used in another one once it is closed.

    Raises what HiveMessageBusClient raises.
    """

    _worker: AsyncWorker
    mailbox: AsyncMailbox
    #: How many are in `close` just now.
    _closing = 0

    # connecting and closing

    async def connect(
        self,
        bus: Any = None,
        protocol: None = None,
        site_id: Optional[str] = None,
        handshake_max_retries: Optional[int] = None,
    ) -> None:
        """Return when the session stands; from then on the client reconnects by itself.

        `bus` becomes the internal bus, `site_id` our site. The first attempt counts, and `handshake_max_retries`
        more (default 0). Raises the error of the last attempt: HubUnreachable, HubTimeout, KeyRefused,
        PasswordRefused, … A refusal is never tried again.
        """
        self._adopt(bus, protocol, site_id)
        retries = handshake_max_retries or 0
        ours = not self._runs
        if ours:
            self._start(retries)
        worker = self._worker
        try:
            await worker.wait_settled(self._patience(retries))
        except asyncio.CancelledError:
            if ours:
                await self.close()
            raise
        if not worker.standing:
            await self._give_up(worker, ours)

    def run_in_thread(self) -> asyncio.Task[None]:
        """Connect in the background, for ever; returns the task, since there is no thread here."""
        return self._start(None)

    async def run_forever(self, *args: Any, **kwargs: Any) -> None:
        """Return when the client is closed or refused; connects first if nobody did. Raises what refused it."""
        ours = not self._runs
        self._start(None)
        try:
            await self._worker.wait_finished()
        except asyncio.CancelledError:
            if ours:
                await self.close()
            raise
        if not self._closed and self.last_error is not None and self._worker.is_final(self.last_error):
            raise again(self.last_error)

    async def close(self) -> None:
        """End the session, the tasks and all waits. Idempotent; from any task, handlers included, on any loop."""
        home = self.mailbox.loop
        if home is not None and home is not asyncio.get_running_loop() and home.is_running():
            closing = asyncio.wrap_future(asyncio.run_coroutine_threadsafe(self.close(), home))
            with suppress(asyncio.TimeoutError):
                await within(self.deadlines.close, closing)
            return
        self._closed = True
        self._closing += 1
        try:
            await self._worker.stop()
            self._finished()
            await self.mailbox.close(self.deadlines.close)
        finally:
            self._closing -= 1
            self._finished()
            self.mailbox.shut()

    async def __aenter__(self) -> AsyncHiveMessageBusClient:
        """Connect."""
        if not self._runs:
            self._start(0)
            try:
                await self.connect()
            except BaseException:
                await self.close()
                raise
        return self

    async def __aexit__(self, *exception: object) -> None:
        """Close."""
        await self.close()

    async def round_trip(self, timeout: float = 5.0) -> float:
        """Seconds of one WebSocket ping and pong, which every hub answers. Raises HubTimeout or NotConnected."""
        seconds = await self._worker.ping(secrets.token_bytes(8), timeout)
        if seconds is None:
            raise self._too_late("pong", timeout)
        return seconds

    # sending and receiving

    async def emit(
        self,
        message: Any,
        binary_type: HiveMindBinaryPayloadType = _UNDEFINED,
        progress: Optional[Progress] = None,
    ) -> None:
        """Send a HiveMessage, or an OVOS Message as BUS, which reaches the local handlers of its type too.

        `binary_type` is for BINARY and wins over the message's own. `progress(written, total)` is told the bytes of the
        frame as they are written, which is of use for large ones. Waits up to `deadlines.send` for a session.
        Raises NotConnected, ConnectionLost or HubRefused when the message was not sent, and InvalidMessage
        for one that cannot be.
        """
        self._local.from_us(await self._worker.send(as_packet(message, binary_type), progress))

    async def emit_mycroft(self, message: Any) -> None:
        """Send an OVOS Message as BUS; see `emit`."""
        await self.emit(as_packet(message))

    def __aiter__(self) -> MessageReader:
        """Every HiveMessage that arrives from now on, until the client is closed; raises what refused it.

        Reconnecting goes unnoticed. A reader that is 10,000 messages behind loses what comes then: it is logged, and
        counted in its `dropped`.
        """
        reader = MessageReader(_BEHIND)
        self._readers.add(reader)
        if self._worker.finished or self._closed:
            reader.end(self._refusal)
        return reader

    # what the worker tells

    @property
    def _runs(self) -> bool:
        """True while a worker keeps this client connected, on the loop that asks."""
        return self.started_running and self.mailbox.loop is asyncio.get_running_loop()

    @property
    def _refusal(self) -> Optional[HiveMindError]:
        return self.last_error if self.state is ClientState.REFUSED else None

    def _furnish(self, internal_bus: Any) -> None:
        self._readers: WeakSet[MessageReader] = WeakSet()
        super()._furnish(internal_bus)

    def _listener(self) -> Listener:
        return evolve(super()._listener(), finished=self._finished)

    def _start(self, retries: Optional[int]) -> asyncio.Task[None]:
        worker = self._worker
        if worker.task is not None and self._runs:
            return worker.task
        if self._closing:
            raise ClientClosed("the client is being closed: connect when close() has returned")
        if worker.runs_elsewhere:
            raise InvalidOption("the client is connected on another event loop: close() it there first")
        self._ready_worker()
        self.waiters.reopen()
        self.mailbox.reopen()
        self._closed = False
        self.started_running = True
        return self._worker.start(retries)

    def _new_event(self) -> LoopEvent:
        return LoopEvent()

    def _new_mailbox(self) -> AsyncMailbox:
        return AsyncMailbox()

    def _new_worker(self) -> AsyncWorker:
        return AsyncWorker(
            self.profile, self._listener(), self.mailbox, self._new_transport, self.deadlines, self._backoff
        )

    def _new_transport(self) -> AsyncTransport:
        address, limits = self.profile.settings.address, self.profile.options.limits
        return AsyncTransport(address, self._tls, self.deadlines, limits.frame, *self._ping)

    async def _give_up(self, worker: AsyncWorker, ours: bool) -> None:
        if worker.finished or worker.stopping:
            await worker.wait_finished()
            self.started_running = self.started_running and self._worker is not worker
        error = worker.last_error or self._not_connected(worker.stopping)
        if ours and not worker.finished:
            await self.close()
        raise again(error)

    def _call(self, handler: Handler, *arguments: Any) -> None:
        self.mailbox.call(handler, *arguments)

    def _call_back(self, event: CallBack) -> None:
        self.mailbox.put(
            lambda: self._call(partial(getattr(self.bin_callbacks, event.method), **event.arguments))
        )

    def _arrived(self, message: HiveMessage) -> None:
        super()._arrived(message)
        for reader in self._readers:
            reader.take(message)

    def _finished(self) -> None:
        """Nothing more can come: the worker has ended, or will be waited for no longer."""
        self.waiters.close()
        for reader in self._readers:
            reader.end(self._refusal)
        if self._worker.stopping:
            self._closed = True
            self.started_running = False
            self.connected_event.clear()
            self.handshake_event.clear()

    def _picked(self, answer: Optional[HiveMessage]) -> None:
        if answer is not None:
            self.mailbox.spawn(self._worker.admit(answer.payload))

    def _take_pick(self, answers: list[HiveMessage], picked: Any, name: Any) -> None:
        if inspect.isawaitable(picked):
            self.mailbox.spawn(self._take_later(answers, picked, name), picked)
        else:
            super()._take_pick(answers, picked, name)

    async def _take_later(self, answers: list[HiveMessage], picking: Awaitable[Any], name: Any) -> None:
        try:
            picked = await picking
        except (Exception, SystemExit) as error:  # a user's callback may fail, the client may not
            self._pick_failed(answers, name, error)
        else:
            super()._take_pick(answers, picked, name)

    def _for_bus(self, bus: Any, func: Handler) -> Handler:
        return func if isinstance(bus, LocalBus) or not callable(func) else OnLoop(self, func)

    def _on_loop(self, job: Callable[[], None]) -> bool:
        """Run a job on the loop, at once where the loop itself calls. False when there is none, or none any more."""
        return not self._closed and self.mailbox.on_loop(job)

    def _send_up(self, packet: HiveMessage) -> None:
        if not self._on_loop(lambda: self.mailbox.spawn(self._send_quietly(packet))):
            log.warning(_NOT_SENT, packet.msg_type.name, "the client is not connected")

    async def _send_quietly(self, packet: HiveMessage) -> None:
        try:
            await self._worker.send(packet)
        except HiveMindError as error:
            log.warning(_NOT_SENT, packet.msg_type.name, error)
