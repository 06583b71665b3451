"""What looks at a connection of an event loop again and again: does the hub take what is sent, does it live."""

from __future__ import annotations

import asyncio
from typing import Callable, Optional

from hivemind_core_client.kernel.write_deadline import WriteDeadline

#: Seconds between two reports of progress.
PROGRESS_PAUSE_S = 0.02


class WriteWatch:
    """Looks, while something is written, how much is left: reports that, and says when the hub takes nothing of it.

    `left()` tells how many bytes have not been taken yet, less than nothing where more was taken than was asked for.
    """

    def __init__(
        self,
        left: Callable[[], int],
        seconds: float,
        stalled: Callable[[], None],
        report: Optional[Callable[[int], None]],
    ) -> None:
        self._left = left
        self._seconds = seconds
        self._stalled = stalled
        self._report = report
        self._deadline: Optional[WriteDeadline] = None
        self._loop = asyncio.get_running_loop()
        self._next: asyncio.Handle = self._loop.call_soon(self._look)

    def stop(self) -> None:
        """Look no more."""
        self._next.cancel()

    def _look(self) -> None:
        now, left = self._loop.time(), self._left()
        if self._deadline is None:
            self._deadline = WriteDeadline(self._seconds, now, left)
        pause = self._deadline.next_look(now, left)
        if pause is None:
            self._stalled()
            return
        if self._report is not None:
            pause = min(pause, PROGRESS_PAUSE_S)
        self._next = self._loop.call_later(pause, self._look)
        if self._report is not None:
            self._report(left)


class IdleWatch:
    """Asks a peer that has said nothing for `interval` seconds; one silent for `timeout` more is `silent`.

    `heard()` tells when it said something, as the loop counts time.
    """

    def __init__(
        self,
        interval: float,
        timeout: float,
        heard: Callable[[], float],
        ask: Callable[[], None],
        silent: Callable[[], None],
    ) -> None:
        self._interval = interval
        self._timeout = timeout
        self._heard = heard
        self._ask = ask
        self._silent = silent
        self._loop = asyncio.get_running_loop()
        self._next: asyncio.Handle = self._loop.call_later(interval, self._look)

    def stop(self) -> None:
        """Look no more."""
        self._next.cancel()

    def _look(self) -> None:
        quiet = self._loop.time() - self._heard()
        if quiet < self._interval:
            self._next = self._loop.call_later(self._interval - quiet, self._look)
            return
        self._next = self._loop.call_later(self._timeout, self._decide, self._loop.time())
        self._ask()

    def _decide(self, asked: float) -> None:
        if self._heard() <= asked:
            self._silent()
            return
        self._next = self._loop.call_soon(self._look)
