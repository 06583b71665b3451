"""Telling of the pings of a connection of the library websockets, those of its keepalive too."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection as Base

    from hivemind_core_client.kernel.delivery import Delivery
else:
    Base = object


class TellsPings(Base):
    """Before a ClientConnection among the bases: tells `delivery` of every ping, and of its pong."""

    delivery: Delivery

    async def ping(self, data: Any = None) -> Awaitable[float]:
        """Send a ping; its pong is what the result waits for."""
        payload = self.delivery.asked(self.loop.time(), data)
        pong = await super().ping(payload)
        asyncio.ensure_future(pong).add_done_callback(partial(self._note_pong, payload))
        return pong

    def _note_pong(self, payload: bytes, pong: asyncio.Future[float]) -> None:
        if not pong.cancelled() and pong.exception() is None:
            self.delivery.ponged(payload, self.loop.time())
