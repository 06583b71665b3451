"""Collect-calls of OVOS, awaited: the verbs of collecting.py for an event loop."""

from __future__ import annotations

import inspect
from functools import wraps
from typing import TYPE_CHECKING

from hivemind_core_client.aio.verbs import AsyncVerbs
from hivemind_core_client.aio.waiting import AsyncWaiter
from hivemind_core_client.kernel.collect_calls import Enough, promised
from hivemind_core_client.shell.local_bus import Handler
from hivemind_core_client.sync.collect_verbs import CollectListener, Seconds
from hivemind_core_client.wire.ovos import to_collection_message, to_message

if TYPE_CHECKING:
    from ovos_bus_client.message import Message


class AsyncCollectVerbs(AsyncVerbs, CollectListener):
    """Making and answering collect-calls."""

    async def collect_responses(
        self,
        message: Message,
        min_timeout: Seconds = 0.2,
        max_timeout: Seconds = 3.0,
        direct_return_func: Enough = None,
    ) -> list[Message]:
        """Send an OVOS Message to many, and return the OVOS Messages of those who answer it by `on_collect`.

        Who wants to answer has `min_timeout` seconds to say so. All of them are waited for, `max_timeout` seconds at
        most, unless `direct_return_func(response)` is true, or the connection ends: then what has come is returned.
        Raises like `emit`.
        """
        waiter = AsyncWaiter(lambda _: False, request=True)
        with self._open_call(message, min_timeout, max_timeout, direct_return_func) as collection:
            collection.wake = waiter.give_up
            self.waiters.join(waiter)
            try:
                await self.emit(to_message(collection.call))
                for seconds in collection.pauses():
                    await self._wait(waiter, seconds)
                    self.waiters.join(waiter)
            finally:
                self.waiters.remove(waiter)
        return collection.responses

    def _answering(self, func: Handler, seconds: float) -> Handler:
        @wraps(func)
        async def answering(message: Message) -> None:
            promise, ids = promised(message, seconds)
            await self.emit(promise)
            result = func(to_collection_message(message, *ids))
            if inspect.isawaitable(result):
                await result

        return answering
