"""What the client for asyncio asks of its worker."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Optional

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

    @abstractmethod
    async def send(self, message: HiveMessage, progress: Optional[Progress] = None) -> HiveMessage:
        """Send, and return the message as it was sent.

        Waits a little for a session. Raises NotConnected when none came, and what ended the connection
        when it broke under the message.
        """

    @abstractmethod
    async def ping(self, payload: bytes, seconds: float) -> Optional[float]:
        """Seconds of one round trip, or None when it did not end in time. Raises like `send`."""

    async def _try_to_send(self, message: HiveMessage) -> bool:
        """Send; a failure is logged, and False returned."""
        try:
            await self.send(message)
        except HiveMindError as error:
            self._not_sent(message, error)
            return False
        return True

    @abstractmethod
    async def stop(self) -> None:
        """Say farewell, and wait for the end, but not for the one that calls. Idempotent."""
