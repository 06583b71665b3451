"""What is sent over a socket of an event loop: how much of it the system has yet to take, and who waits for that."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Callable, Optional

from hivemind_core_client.transports.timing import wake
from hivemind_core_client.transports.watches import PROGRESS_PAUSE_S, WriteWatch

if TYPE_CHECKING:
    from hivemind_core_client.kernel.progress import ProgressReporter

#: More bytes than this in the buffer make who sends wait, until no more than a quarter is left.
_BUFFER_BYTES = 2**15


class WriteBuffer:
    """Writes to a transport. A peer that takes nothing for `seconds`, while somebody waits for that, is `stalled`.

    Of pongs one waits at most, the latest (RFC 6455, 5.5.3): a peer that reads none of them costs no memory.
    """

    def __init__(self, seconds: float, stalled: Callable[[], None]) -> None:
        self._seconds = seconds
        self._stalled = stalled
        self._transport: Optional[asyncio.WriteTransport] = None
        #: Below the TLS, where there is any: bytes wait in both, and which of them is not documented.
        self._below: Optional[asyncio.WriteTransport] = None
        self._written = 0
        self._is_full = False
        self._is_over = False
        self._waiting: list[asyncio.Future[None]] = []
        self._pong = b""
        self._pong_watch: Optional[WriteWatch] = None

    def begin(self, transport: asyncio.WriteTransport, below: Optional[asyncio.WriteTransport]) -> None:
        """Write to this transport from now on."""
        transport.set_write_buffer_limits(_BUFFER_BYTES)
        self._transport, self._below = transport, below

    def left(self) -> int:
        """How many bytes the system has not taken yet."""
        if self._transport is None:
            return 0
        left = self._transport.get_write_buffer_size()
        return left if self._below is None else left + self._below.get_write_buffer_size()

    def has_room(self) -> bool:
        """Whether so little is left that nobody need wait."""
        return self.left() <= _BUFFER_BYTES // 4

    def write(self, data: bytes) -> None:
        """Write this, whole."""
        if self._transport is not None and not self._is_over:
            self._written += len(data)
            self._transport.write(data)

    def pong(self, data: bytes) -> None:
        """Write this answer to a ping, or keep it in the place of the last one that waits."""
        if self.has_room():
            self.write(data)
            return
        self._pong = data
        if self._pong_watch is None:
            self._pong_watch = WriteWatch(lambda: -self._taken(), self._seconds, self._stalled, self._retry)

    async def drained(self, total: int, reporter: Optional[ProgressReporter]) -> None:
        """Return when nearly all is with the system; how far the last `total` bytes are is told meanwhile."""
        target = self._written

        def report(left: int) -> None:
            if reporter is not None:
                reporter(min(total, max(0, total - left)), total)

        watch = WriteWatch(
            lambda: target - self._taken(),
            self._seconds,
            self._stalled,
            None if reporter is None else report,
        )
        try:
            while self._is_full and not self._is_over:
                self._waiting.append(asyncio.get_running_loop().create_future())
                await self._waiting[-1]
            while self._below is not None and not self._is_over and self.left() > _BUFFER_BYTES:
                await asyncio.sleep(PROGRESS_PAUSE_S)  # asyncio's TLS takes any amount at once
        finally:
            watch.stop()

    def fill(self) -> None:
        """The buffer is full."""
        self._is_full = True

    def empty(self) -> None:
        """It is nearly empty."""
        self._is_full = False
        self._wake()

    def end(self) -> None:
        """Nothing is written any more, and nobody waits."""
        self._is_over = True
        self._stop_pongs()
        self._wake()

    def _taken(self) -> int:
        return self._written - self.left()

    def _retry(self, _: int) -> None:
        if self.has_room():
            pong = self._pong
            self._stop_pongs()
            self.write(pong)

    def _stop_pongs(self) -> None:
        if self._pong_watch is not None:
            self._pong_watch.stop()
        self._pong, self._pong_watch = b"", None

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, []
        for one in waiting:
            wake(one)
