"""The task that keeps a client connected."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Optional

from hivemind_core_client.aio.loops import cancel_task
from hivemind_core_client.aio.mailbox import Running
from hivemind_core_client.aio.serving import AsyncServingWorker
from hivemind_core_client.transports.timing import within
from hivemind_core_client.wire.errors import ClientClosed, InvalidOption

if TYPE_CHECKING:
    from hivemind_core_client.wire.message import HiveMessage


class AsyncWorker(AsyncServingWorker):
    """Connects, serves and reconnects in a task of its own until it is stopped or refused."""

    _task: Optional[Running] = None

    @property
    def running(self) -> Running:
        """The task. Raises ClientClosed before there is one."""
        if self._task is None:
            raise ClientClosed("the client was never connected")
        return self._task

    def check_free(self) -> None:
        """Raises InvalidOption while the task has yet to end on another loop, which may still run."""
        loop = None if self._task is None or self.is_finished else self._task.get_loop()
        if loop is not None and not loop.is_closed() and loop is not asyncio.get_running_loop():
            raise InvalidOption("the client is connected on another event loop: close() it there first")

    def start(self, retries: Optional[int]) -> None:
        """Begin. Before the first session stands, give up after `retries` more attempts; None never gives up."""
        self.lifecycle.begin(retries)
        self._task = asyncio.get_running_loop().create_task(self._run(), name="hivemind-link")
        self._task.add_done_callback(self._task_is_done)

    def send_quietly(self, message: HiveMessage, keep: bool = False) -> None:
        """Send a message whose sender is not to be told, from any thread; it is logged where it could not be sent."""
        if not self._mailbox.on_loop(lambda: self._mailbox.spawn(self._try_to_send(message, keep))):
            self._not_sent(message, ClientClosed("the client is not connected"))

    async def stop(self, seconds: float) -> None:
        """Say farewell, and wait for the task, unless it is the one that calls. Idempotent.

        A loop that runs no more is not waited for: the task counts as ended.
        """
        if self.keeper is not None and self._task is not asyncio.current_task():
            await self.keeper.settle(seconds)
        stood, task = self.lifecycle.stands, self._task
        self._stop_trying()
        if task is None or task is asyncio.current_task():
            return
        if task.done() or task.get_loop() is not asyncio.get_running_loop():
            cancel_task(task)
            self._task_is_done(task)
            return
        try:
            if self._sender.connection is not None and stood:
                # In writing somebody may be stuck, which must not hold up the closing.
                with suppress(asyncio.TimeoutError):
                    await within(seconds, self._sender.connection.transport.farewell())
        finally:
            task.cancel()
        await asyncio.wait({task}, timeout=seconds)
        await self._turns.settle(seconds)  # the task may have been cancelled in that

    async def _run(self) -> None:
        try:
            await super()._run()
        except asyncio.CancelledError:
            self._end_with_loop()
            raise

    def _task_is_done(self, task: Running) -> None:
        """The task has ended, or its loop; it may have been cancelled before its first step."""
        if task.cancelled():
            self._end_with_loop()
        self._finish()

    def _end_with_loop(self) -> None:
        """Cancelled. Unless `stop` did that, the loop is about to end: handlers' coroutines would be left behind."""
        if not self.lifecycle.stopping:
            self.lifecycle.stop()
            self._mailbox.end_with_loop(self._deadlines.close)
