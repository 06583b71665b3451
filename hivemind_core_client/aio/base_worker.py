"""What the client for asyncio asks of its worker."""

from __future__ import annotations

from abc import abstractmethod
from contextlib import nullcontext
from typing import TYPE_CHECKING, Optional

from hivemind_core_client.kernel.lifecycle import ClientState
from hivemind_core_client.shell.at_once import at_once
from hivemind_core_client.shell.worker import SharedWorker
from hivemind_core_client.wire.errors import HiveMindError

if TYPE_CHECKING:
    from hivemind_core_client.aio.mailbox import Running
    from hivemind_core_client.kernel.progress import Progress
    from hivemind_core_client.wire.message import HiveMessage


class AsyncBaseWorker(SharedWorker):
    """Keeps a client connected, with a real hub or a fake one. `is_finished` is True when nothing more is tried."""

    is_finished = False

    @property
    @abstractmethod
    def running(self) -> Running:
        """What it runs in."""

    @abstractmethod
    async def wait_connected(self, seconds: Optional[float]) -> bool:
        """Wait until a session stands or none will; False when neither came in time."""

    @abstractmethod
    async def wait_finished(self, seconds: Optional[float] = None) -> bool:
        """Wait until nothing more is tried; False when that did not come in time."""

    async def wait_for_session(self, timeout: float, retries: Optional[int]) -> None:
        """Return when a session stands. Raises why none does, a RuntimeError: at once where no more attempts are made.

        Waits `timeout` seconds and, `retries` times, as long again; with None for as long as attempts are made.
        """
        lifecycle, bound = self.lifecycle, timeout * (1 + (retries or 0))
        is_idle = lifecycle.state is ClientState.IDLE
        # Whoever is about to connect is waited for, but not for ever.
        settled = await self.wait_connected(bound if is_idle or retries is not None else None)
        if is_idle and retries is None and lifecycle.state is not ClientState.IDLE:
            settled = await self.wait_connected(None)
        if not (settled or lifecycle.stands) or lifecycle.stopping or self.is_finished:
            raise lifecycle.why_no_session(bound)

    @abstractmethod
    async def break_off(self) -> None:
        """End the present connection, as a loss that is followed by another attempt. Returns when it has ended."""

    @abstractmethod
    async def send(self, message: HiveMessage, progress: Optional[Progress] = None) -> HiveMessage:
        """Send, and return the message as it was sent.

        Waits a little for a session. Raises NotConnected when none came, and what ended the connection
        when it broke under the message.
        """

    @abstractmethod
    async def ping(self, payload: bytes, seconds: float) -> Optional[float]:
        """Seconds of one round trip, or None when it did not end in time. Raises like `send`."""

    async def _try_to_send(self, message: HiveMessage, keep: bool) -> bool:
        """Send; a failure is logged, and False returned. The outbox is for what it shall `keep`."""
        try:
            with nullcontext() if keep else at_once(message):
                await self.send(message)
        except HiveMindError as error:
            self._not_sent(message, error)
            return False
        return True

    @abstractmethod
    async def stop(self, seconds: float) -> None:
        """Say farewell, and wait for the end, but not for the one that calls; each wait is bounded. Idempotent."""
