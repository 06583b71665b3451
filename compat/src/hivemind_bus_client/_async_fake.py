"""AsyncFakeHiveMessageBus as tests for the reference client count on it."""

from __future__ import annotations

from typing import Any, Optional

from hivemind_core_client.fakebus import AsyncFakeHiveMessageBus as Fake
from hivemind_core_client.kernel.progress import Progress
from hivemind_core_client.message import AnyBinaryType, HiveMindBinaryPayloadType
from hivemind_core_client.testing.async_fake_mailbox import AsyncFakeMailbox

__all__ = ["AsyncFakeHiveMessageBus"]


class AsyncFakeHiveMessageBus(Fake):
    """The fake of hivemind_core_client, with session, site and name of its own, and with a clock that runs.

    What is sent reaches the handlers of its hive type too (`echoes`), before `emit` returns.
    """

    def __init__(
        self,
        *arguments: Any,
        session_id: Optional[str] = "fake-hivemind-session",
        site_id: Optional[str] = "fake-site",
        **options: Any,
    ) -> None:
        super().__init__(
            *arguments,
            session_id=session_id,
            site_id=site_id,
            **{"useragent": type(self).__name__, **options},
        )
        self.echoes = True

    async def emit(
        self,
        message: Any,
        binary_type: AnyBinaryType = HiveMindBinaryPayloadType.UNDEFINED,
        progress: Optional[Progress] = None,
    ) -> None:
        """Send, and return when the handlers here have run, coroutines as far as they do not wait."""
        await super().emit(message, binary_type, progress)
        await self.settle()

    def _new_mailbox(self) -> AsyncFakeMailbox:
        return AsyncFakeMailbox(runs=True)
