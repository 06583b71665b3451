"""Audio that waits to be sent, bounded in bytes: what a microphone of either shell fills and empties."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Iterable
from threading import Lock
from typing import Any, Callable, Optional, Union

from hivemind_core_client.wire.errors import ClientClosed, HiveMindError, InvalidMessage, InvalidOption, Mend
from hivemind_core_client.wire.log_lines import LogLines
from hivemind_core_client.wire.message import HiveMessage, HiveMessageType
from hivemind_core_client.wire.message import HiveMindBinaryPayloadType as BinType
from hivemind_core_client.wire.text import printable

log = logging.getLogger(__name__)

#: What hubs hear: samples a second, and bytes a sample.
RATE, WIDTH = 16_000, 2

#: Called with the bytes that were dropped just now.
OnDrop = Callable[[int], object]
Data = Union[bytes, bytearray, memoryview]
Stream = Union[Iterable[Data], AsyncIterable[Data]]

#: What hubs expect in one message: 128 ms of sound.
PIECE = 4096
TEN_SECONDS = 10 * RATE * WIDTH


class Chunks:
    """Chunks of samples in the order in which they came; `waiting` bytes, those that are being sent among them.

    `sent` and `dropped` count bytes. Any thread may put, and another one take.
    """

    def __init__(self, lang: Optional[str], max_bytes: int, on_drop: Optional[OnDrop]) -> None:
        if type(max_bytes) is not int or max_bytes < PIECE:
            raise InvalidOption(f"max_bytes is {max_bytes!r}; it is a whole number of {PIECE} bytes or more")
        self.waiting = self.sent = self.dropped = 0
        self.over = False
        self._metadata: dict[str, Any] = {"sample_rate": RATE, "sample_width": WIDTH}
        if lang is not None:
            self._metadata["lang"] = lang
        self._max_bytes = max_bytes
        self._on_drop = on_drop
        self._pieces: deque[bytes] = deque()
        self._lock = Lock()
        self._lines = LogLines()

    @property
    def has_room(self) -> bool:
        """Whether one piece more may wait."""
        return self.waiting + PIECE <= self._max_bytes

    @property
    def has_more(self) -> bool:
        """Whether there is something to take."""
        return bool(self._pieces)

    def put(self, piece: bytes) -> bool:
        """Add a piece. Where there is no room the oldest are dropped, of which `on_drop` is told; False then."""
        gone = 0
        with self._lock:
            if self.over:
                raise ClientClosed("this microphone was closed, and sends no more")
            while self._pieces and self.waiting + len(piece) > self._max_bytes:
                gone += len(self._pieces[0])
                self.waiting -= len(self._pieces.popleft())
            self._pieces.append(piece)
            self.waiting += len(piece)
        if gone:
            self._tell(gone, "it comes faster than the hub takes it")
        return not gone

    def take(self) -> Optional[HiveMessage]:
        """The oldest piece as a message, None where nothing waits; `done` tells what became of it."""
        with self._lock:
            piece = self._pieces.popleft() if self._pieces else b""
        if not piece:
            return None
        metadata = dict(self._metadata)
        return HiveMessage(HiveMessageType.BINARY, piece, bin_type=BinType.RAW_AUDIO, metadata=metadata)

    def done(self, message: HiveMessage, error: Optional[HiveMindError]) -> None:
        """The piece in a message was sent, or lost by an error."""
        size = len(message.raw_payload)
        with self._lock:
            if self.over:
                return
            self.waiting -= size
            self.sent += 0 if error else size
        if error is not None:
            self._tell(size, printable(str(error), 300))

    def end(self, why: str) -> None:
        """Drop all that waits, and take no more. Idempotent."""
        with self._lock:
            gone, self.waiting, self.over = self.waiting, 0, True
            self._pieces.clear()
        if gone:
            self._tell(gone, why)

    def _tell(self, size: int, why: str) -> None:
        """Count bytes that the hub will not get, and tell of them."""
        with self._lock:  # whoever puts may drop, and whoever sends
            self.dropped += size
        text = "%d bytes of audio were dropped (%d in all): %s"
        self._lines.write(time.monotonic(), log.warning, text, size, self.dropped, why, kind="drop")
        if self._on_drop is not None:
            try:
                self._on_drop(size)
            except Exception:  # the user's: the audio goes on
                log.exception("on_drop raised")


def pieces_of(chunk: Data) -> list[bytes]:
    """A chunk in pieces of at most PIECE bytes. Raises InvalidMessage for what is no samples of 16 bit."""
    if not isinstance(chunk, (bytes, bytearray, memoryview)):
        raise InvalidMessage(f"a chunk is a {type(chunk).__name__}", Mend("pass bytes", joint="; "))
    data = bytes(chunk)
    if len(data) % WIDTH:
        raise InvalidMessage(
            f"a chunk has {len(data)} bytes, and a sample {WIDTH}",
            Mend("pass mono samples of 16 bit at 16,000 Hz, without a WAV header"),
        )
    return [data[at : at + PIECE] for at in range(0, len(data), PIECE)]


def as_they_come(chunks: Stream) -> Optional[AsyncIterator[Data]]:
    """What is to be awaited for each chunk; None for a plain iterable."""
    return chunks.__aiter__() if isinstance(chunks, AsyncIterable) else None
