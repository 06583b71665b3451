"""Workers of the group `path` without a library: `path_by_hand.py threads|asyncio TARGET` (JSON)."""

from __future__ import annotations

import json
import sys
from typing import Any

from hivebench.by_hand import COUNTED, Json, Speaker
from hivebench.path_worker import AsyncioClient, Handler, ThreadsClient, serve_asyncio, serve_threads


class Threads(ThreadsClient):
    """A loop over websocket-client, as it comes."""

    def __init__(self, target: Json) -> None:
        import websocket

        self._speaker = Speaker(target)
        self._ws = websocket.create_connection(self._speaker.url)
        self._ws.recv()  # HELLO
        self._ws.recv()  # the offer
        self._ws.send(self._speaker.begin())
        self._ws.send(self._speaker.finish(self._ws.recv()))

    def up(self, messages: list[Any], ask: Any) -> int:
        for message in messages:
            self._ws.send(self._speaker.frame(message))
        self._ws.send(self._speaker.frame(ask))
        return _count_of(self._speaker.message(self._ws.recv()))

    def down(self, ask: Any, count: int, hear: Handler) -> None:
        self._ws.send(self._speaker.frame(ask))
        for _ in range(count):
            hear(self._speaker.message(self._ws.recv()))


class Asyncio(AsyncioClient):
    """A loop over websockets, as it comes."""

    def __init__(self, speaker: Speaker, ws: Any) -> None:
        self._speaker = speaker
        self._ws = ws

    async def up(self, messages: list[Any], ask: Any) -> int:
        for message in messages:
            await self._ws.send(self._speaker.frame(message))
        await self._ws.send(self._speaker.frame(ask))
        return _count_of(self._speaker.message(await self._ws.recv()))

    async def down(self, ask: Any, count: int, hear: Handler) -> None:
        await self._ws.send(self._speaker.frame(ask))
        for _ in range(count):
            hear(self._speaker.message(await self._ws.recv()))


async def connected(target: Json) -> Asyncio:
    """The loop over websockets, when its handshake is done."""
    from websockets.asyncio.client import connect

    speaker = Speaker(target)
    ws = await connect(speaker.url)
    await ws.recv()  # HELLO
    await ws.recv()  # the offer
    await ws.send(speaker.begin())
    await ws.send(speaker.finish(await ws.recv()))
    return Asyncio(speaker, ws)


def _count_of(message: Any) -> int:
    if message.msg_type != COUNTED:
        raise RuntimeError(f"the peer sent {message.msg_type}")
    return int(message.data["count"])


if __name__ == "__main__":
    if sys.argv[1] == "threads":
        serve_threads(Threads, json.loads(sys.argv[2]))
    else:
        serve_asyncio(connected, json.loads(sys.argv[2]))
