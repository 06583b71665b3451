"""Sending through an outbox: what waits for the hub goes out in the next session, before what is sent later."""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import TYPE_CHECKING, Any, Callable, Optional, Protocol

from hivemind_core_client.aio.waiting import off_loop
from hivemind_core_client.kernel.delivery import UnconfirmedMessages
from hivemind_core_client.kernel.outbox import DropReason, is_kept, read
from hivemind_core_client.shell.at_once import is_at_once
from hivemind_core_client.wire.errors import (
    FrameError,
    HubConnectionError,
    HubRefused,
    Mend,
    NotConnected,
)
from hivemind_core_client.wire.outbox_errors import OutboxFileError, OutboxFull

if TYPE_CHECKING:
    from hivemind_core_client.kernel.delivery import Ledger
    from hivemind_core_client.kernel.lifecycle import ConnectionLifecycle
    from hivemind_core_client.kernel.outbox import OutboxQueue
    from hivemind_core_client.kernel.outbox_store import StoredMessage
    from hivemind_core_client.kernel.progress import Progress
    from hivemind_core_client.wire.message import HiveMessage

log = logging.getLogger(__name__)

#: The session is over, or does not stand yet: what was to be sent waits for the next one.
_NO_SESSION = (NotConnected, HubConnectionError, HubRefused)


class AsyncKeepingWorker(Protocol):
    """What a keeper asks of its worker."""

    ledger: Ledger
    lifecycle: ConnectionLifecycle
    tell_doubt: Callable[[UnconfirmedMessages], None]

    async def hand_over(self, message: HiveMessage, number: int, progress: Optional[Progress]) -> HiveMessage:
        """Send the message of the outbox with this number, in the session that stands, and return it as it was sent.

        Raises NotConnected where there is none.
        """

    async def wait_until(self, reached: Callable[[], bool], seconds: Optional[float]) -> bool:
        """Wait until `reached()`, which is asked after each `stir`; False when `seconds` were over first."""

    async def prove(self) -> None:
        """Have the hub prove what it has read."""

    def beside(self, work: Callable[[], Any]) -> None:
        """Run `work()` beside what else goes on. Raises RuntimeError where that cannot be."""

    def stir(self) -> None:
        """Let those who wait look again."""

    def check_keeps(self) -> None:
        """Raises why nothing may be kept."""

    def prepared(self, message: HiveMessage) -> HiveMessage:
        """A message as the handlers here hear it, though it is kept."""

    def time(self) -> float:
        """Seconds on the clock of the outbox."""

    def patience_for_room(self) -> float:
        """How long who sends may wait for room in the outbox, in seconds."""

    def tell_drops(self) -> None:
        """Tell what the outbox has dropped."""


class AsyncKeeper:
    """Sends for a worker that has an outbox, `queue`."""

    def __init__(self, worker: AsyncKeepingWorker, queue: OutboxQueue) -> None:
        self._worker = worker
        self._queue = queue
        queue.changed = worker.stir
        # asyncio only
        self._order = asyncio.Lock()
        # end of asyncio only

    def keeps(self, message: HiveMessage) -> bool:
        """Whether this message goes through the outbox."""
        return is_kept(message) and not is_at_once(message)

    async def send(self, message: HiveMessage, progress: Optional[Progress] = None) -> HiveMessage:
        """Keep a message, and send it now where nothing waits before it. Returns it as the handlers here hear it.

        Waits for room while a session stands. Raises what `emit` promises.
        """
        worker, queue = self._worker, self._queue
        try:
            worker.check_keeps()
            prepared = worker.prepared(message)
            number = await self._enter(message.serialize().encode())
        except BaseException:
            worker.ledger.not_sent()
            raise
        finally:
            worker.tell_drops()
        if not worker.lifecycle.stands:
            return prepared
        if not queue.claim(number):
            self.begin()
            return prepared
        try:
            return await self._send_now(message, number, progress) or prepared
        finally:
            self._let_go()

    def begin(self) -> None:
        """Hand over what waits, beside what else goes on, unless somebody does so already."""
        if self._queue.claim():
            try:
                self._worker.beside(self._drain)
            except RuntimeError:  # the system gives no thread, or the interpreter ends
                self._queue.release()

    async def settle(self, seconds: float) -> None:
        """Wait until nothing waits, or the session has ended, for so many seconds at most."""
        queue, lifecycle = self._queue, self._worker.lifecycle
        if lifecycle.stands and not queue.is_settled:
            self.begin()
            await self._worker.wait_until(lambda: queue.is_settled or not lifecycle.stands, seconds)

    async def _enter(self, data: bytes) -> int:
        """Put a message into the outbox, as soon as there is room; returns its number."""
        worker, queue = self._worker, self._queue
        queue.check(data)
        while (number := await self._put(data)) is None:
            self.begin()
            await worker.prove()
            seconds = worker.patience_for_room()
            if not await worker.wait_until(
                lambda: queue.has_room(len(data)) or not worker.lifecycle.stands, seconds
            ):
                raise OutboxFull(
                    f"the outbox is full, and had no room after {seconds:g} s",
                    Mend("send less at a time, or raise Outbox.messages or Outbox.bytes"),
                )
        return number

    async def _put(self, data: bytes) -> Optional[int]:
        worker = self._worker
        put = partial(self._queue.enter, data, worker.time(), worker.lifecycle.stands)
        # asyncio only
        if self._queue.options.path is not None:
            async with self._order:  # what is sent first is kept first
                return await self._put_off_loop(put)  # a file is flushed to the disk
        # end of asyncio only
        return put()

    # asyncio only
    async def _put_off_loop(self, put: Callable[[], Optional[int]]) -> Optional[int]:
        """Where who waits for that is cancelled, the message is not kept: it counts as raised."""
        putting = asyncio.ensure_future(off_loop(put))
        try:
            return await asyncio.shield(putting)
        except asyncio.CancelledError:
            putting.add_done_callback(self._forget)
            raise

    def _forget(self, putting: asyncio.Future[Optional[int]]) -> None:
        number = None if putting.cancelled() or putting.exception() else putting.result()
        ledger = self._worker.ledger
        with ledger.lock:
            if number is not None and not self._queue.withdraw(number):
                ledger.raised -= 1  # it was sent already

    # end of asyncio only

    async def _send_now(
        self, message: HiveMessage, number: int, progress: Optional[Progress]
    ) -> Optional[HiveMessage]:
        """Hand over what nobody else has kept since; None where the session has ended, so that it waits."""
        ledger = self._worker.ledger
        try:
            return await self._worker.hand_over(message, number, progress)
        except BaseException as error:
            with ledger.lock:
                has_left = self._queue.has_left(number)
                if isinstance(error, _NO_SESSION) and not has_left:
                    return None
                if has_left or isinstance(error, Exception):
                    self._queue.withdraw(number)
                    ledger.not_sent()
            raise

    def _let_go(self) -> None:
        """Whoever else has kept something meanwhile left it to us."""
        if self._queue.release() and self._worker.lifecycle.stands:
            self.begin()
        self._worker.stir()

    async def _drain(self) -> bool:
        """Hand over what waits. Returns whether the store could be read."""
        queue, worker = self._queue, self._worker
        can_read = goes_on = True
        try:
            while await worker.wait_until(lambda: queue.has_way or not worker.lifecycle.stands, None):
                stored = queue.next(worker.time()) if worker.lifecycle.stands else None
                if stored is None or not await self._hand_over(stored):
                    break
            else:
                goes_on = False  # nobody waits in a fake
        except OutboxFileError as error:
            log.error("the outbox cannot be used, so nothing of it is sent now: %s", error)
            can_read = goes_on = False
        finally:
            worker.tell_drops()
            if goes_on:
                self._let_go()
            else:
                queue.release()
        return can_read

    async def _hand_over(self, stored: StoredMessage) -> bool:
        """Send what waits longest. False where there is no session for it any more."""
        try:
            message = read(stored)
        except FrameError:
            self._queue.reject(stored, DropReason.UNREADABLE)
            return True
        try:
            await self._worker.hand_over(message, stored.number, None)
        except OutboxFileError:
            raise
        except BaseException as error:
            goes_on = self._not_handed_over(stored, message, error)
            if not isinstance(error, Exception):  # the session has ended, and this task with it
                raise
            return goes_on
        return True

    def _not_handed_over(self, stored: StoredMessage, message: HiveMessage, error: BaseException) -> bool:
        """What becomes of a message that was not sent. False where there is no session for it any more."""
        ledger = self._worker.ledger
        is_over = isinstance(error, _NO_SESSION) or not isinstance(error, Exception)
        with ledger.lock:
            in_doubt = self._queue.has_left(stored.number) and is_over
            ledger.in_doubt += in_doubt
            if not is_over:
                self._queue.reject(stored, DropReason.NOT_SENDABLE)
        if in_doubt:
            self._worker.tell_doubt(UnconfirmedMessages((message,)))
        elif not is_over:
            log.error("dropped a %s message of the outbox: %s", message.msg_type.name, error)
        return not is_over
