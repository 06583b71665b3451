"""Waiting by the clock of a fake."""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable, Optional

from hivemind_core_client.aio.waiting import AsyncNotifier

if TYPE_CHECKING:
    from hivemind_core_client.testing.async_fake_mailbox import AsyncFakeMailbox


class AsyncFakeNotifier(AsyncNotifier):
    """Waits by the clock of an AsyncFakeMailbox, which is moved by hand, or jumps."""

    def __init__(self, mailbox: AsyncFakeMailbox) -> None:
        super().__init__()
        self._mailbox = mailbox

    def now(self) -> float:
        """Seconds on that clock."""
        return self._mailbox.elapsed

    def notify(self) -> None:
        """Let those who wait look again."""
        self._mailbox.stir()

    async def wait_until(self, reached: Callable[[], bool], seconds: Optional[float]) -> bool:
        """Wait until `reached()`, for `seconds` of the clock at most; returns whether it was."""
        return await self._mailbox.wait_until(reached, seconds)
