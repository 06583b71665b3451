"""A microphone's audio on its way to the hub, as it comes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Optional, cast

from hivemind_core_client.aio.waiting import AsyncBeside, AsyncNotifier, at_home
from hivemind_core_client.shell.chunks import Chunks, as_they_come, pieces_of
from hivemind_core_client.shell.waiters import checked_seconds
from hivemind_core_client.wire.errors import ClientClosed, HiveMindError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hivemind_core_client.aio.client import AsyncHiveMessageBusClient
    from hivemind_core_client.shell.chunks import Data, OnDrop, Stream
    from hivemind_core_client.wire.message import HiveMessage


class AsyncMicrophone:
    """Streams audio to the hub: mono samples of 16 bit at 16,000 Hz, little-endian, without a header.

    `async with client.sound.microphone() as microphone:` begins it. At the end of the block it sends what still waits.

    `put` never waits, and you may call it on any thread. At most `max_bytes` of audio wait to be sent. If there would
    be more, `put` drops the oldest audio. `write` and `stream` wait for room instead, and drop nothing. While the
    client reconnects, audio waits too, within the same `max_bytes`. Audio that cannot be sent is dropped. All that is
    dropped is counted and logged, and `on_drop(bytes)` is called.
    """

    def __init__(
        self,
        client: AsyncHiveMessageBusClient,
        lang: Optional[str],
        max_bytes: int,
        on_drop: Optional[OnDrop],
    ) -> None:
        self._client = client
        self._chunks = Chunks(lang, max_bytes, on_drop)
        self._changed = AsyncNotifier()
        self._home = at_home()
        self._beside = AsyncBeside()
        self._begun = self._closing = self._ended = False

    @property
    def waiting(self) -> int:
        """Bytes that wait to be sent."""
        return self._chunks.waiting

    @property
    def sent(self) -> int:
        """Bytes that were sent."""
        return self._chunks.sent

    @property
    def dropped(self) -> int:
        """Bytes that the hub does not get."""
        return self._chunks.dropped

    async def __aenter__(self) -> AsyncMicrophone:
        """Begin to send."""
        self._home = at_home()
        self._begun = True
        self._beside.begin(self._send_all, "hivemind-microphone")
        return self

    async def __aexit__(self, *exception: object) -> None:
        """Send what waits, and end."""
        await self.close()

    def put(self, chunk: Data) -> bool:
        """Add a chunk, and return at once. Returns False if older audio was dropped for it.

        Raises InvalidMessage for what is no samples, and ClientClosed once this has ended.
        """
        had_room = [self._chunks.put(piece) for piece in pieces_of(chunk)]
        self._home(self._changed.notify)
        return all(had_room)

    async def write(self, chunk: Data) -> None:
        """Add a chunk as soon as there is room for it. Raises like `put`."""
        for piece in pieces_of(chunk):
            await self._changed.wait_until(lambda: self._chunks.has_room or self._chunks.over, None)
            self._chunks.put(piece)
            self._changed.notify()

    async def stream(self, chunks: Stream) -> None:
        """Write all chunks, and return when the last one was added. Raises like `put`, and what `chunks` raises."""
        # asyncio only
        later = as_they_come(chunks)
        if later is not None:
            async for chunk in later:
                await self.write(chunk)
            return
        # end of asyncio only
        for chunk in cast("Iterable[Data]", chunks):
            await self.write(chunk)

    async def flush(self, timeout: Optional[float] = None) -> bool:
        """Wait until all audio is sent or dropped. Returns False if `timeout` seconds end first (None: no limit)."""
        seconds = None if timeout is None else checked_seconds("timeout", timeout)
        return await self._changed.wait_until(lambda: not self._chunks.waiting, seconds)

    async def close(self, timeout: float = 5.0) -> None:
        """Send what waits, for at most `timeout` seconds, and end. What is left is dropped. You may call it twice."""
        if self._begun:
            await self.flush(timeout)
        self._closing = True
        self._end("the microphone was closed before they were sent")
        if self._begun:  # a frame that is cut off would end the connection
            await self._changed.wait_until(lambda: self._ended, self._client.deadlines.send)
            await self._beside.end()

    async def _send_all(self) -> None:
        try:
            while not self._closing:
                await self._changed.wait_until(lambda: self._chunks.has_more or self._closing, None)
                message = self._chunks.take()
                if message is not None:
                    await self._send(message)
        finally:
            self._ended = True
            self._end("nobody sends it any more")

    async def _send(self, message: HiveMessage) -> None:
        try:
            await self._client.emit(message)
        except ClientClosed as error:
            self._closing = True
            self._end(str(error))
        except HiveMindError as error:
            self._chunks.done(message, error)
        else:
            self._chunks.done(message, None)
        self._changed.notify()

    def _end(self, why: str) -> None:
        self._chunks.end(why)
        self._changed.notify()
