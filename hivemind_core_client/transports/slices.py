"""What came over a socket, taken in slices: nothing that a peer sends keeps the event loop for long."""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import Callable, Optional

#: How much is taken at once, at first and then; from a peer that has sent a piece full of frames as short as these, so
#: little for ever. An answer to a ping costs four random bytes, for which Python gives other threads their turn: beside
#: a busy one that is 5 ms.
_FIRST_BYTES, _PIECE_BYTES, _DENSE_PIECE_BYTES = 256, 4096, 64
_DENSE_FRAME_BYTES = 16
#: Seconds after which the loop has its turn, though more has come.
TURN_S = 0.005


class Slices:
    """Hands bytes to `take`, which tells how many frames they had, piece by piece; calls `emptied` when none are left.

    While some wait here, or whoever takes them has set `is_full`, nothing more is read from the socket; who is full no
    more calls `go_on`.
    """

    def __init__(self, take: Callable[[bytes], int], emptied: Callable[[], None]) -> None:
        self.is_full = False
        #: Nothing is read at present.
        self.is_held = False
        self._take = take
        self._emptied = emptied
        self._loop = asyncio.get_running_loop()
        self._transport: Optional[asyncio.Transport] = None
        self._rest = b""
        self._at = 0
        self._size, self._most = _FIRST_BYTES, _PIECE_BYTES
        self._next: Optional[asyncio.Handle] = None

    def begin(self, transport: asyncio.Transport) -> None:
        """Go on with what came before there was a transport, and with what comes over this one."""
        self._transport = transport
        self.go_on()

    def feed(self, data: bytes) -> None:
        """Take bytes in."""
        if self._rest:
            self._rest, self._at = self._rest[self._at :] + data, 0
        elif len(data) <= self._size and self._transport is not None:
            frames = self._take(data)
            if self._size < _PIECE_BYTES or frames * _DENSE_FRAME_BYTES > len(data):
                self._fit(len(data), frames)
            if self.is_full:
                self._read_or_not()
        else:
            self._rest = data
            self.go_on()

    def go_on(self) -> None:
        """Take what has come, for one turn of the loop at most: the rest has the next turns."""
        if self._next is not None:
            self._next.cancel()
            self._next = None
        ends = monotonic() + TURN_S
        while self._rest and self._transport is not None and not self.is_full:
            if monotonic() >= ends:
                self._next = self._loop.call_soon(self.go_on)
                break
            piece = self._piece()
            try:
                self._fit(len(piece), self._take(piece))
            except BaseException:
                self._transport.abort()  # on a turn of its own, nobody else would end the connection
                raise
        self._read_or_not()
        if not self._rest:
            self._emptied()

    def drop(self) -> None:
        """Take nothing more of what has come."""
        self._rest, self._at = b"", 0

    def _piece(self) -> bytes:
        at, self._at = self._at, self._at + self._size
        piece = self._rest[at : self._at]
        if self._at >= len(self._rest):
            self.drop()
        return piece

    def _fit(self, size: int, frames: int) -> None:
        if frames * _DENSE_FRAME_BYTES > size > _DENSE_PIECE_BYTES:
            self._size = self._most = _DENSE_PIECE_BYTES
        elif self._size < self._most:
            self._size *= 2

    def _read_or_not(self) -> None:
        held = bool(self._rest) or self.is_full
        if self._transport is None or held is self.is_held or self._transport.is_closing():
            return
        self.is_held = held
        if held:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()
