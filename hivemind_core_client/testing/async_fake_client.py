"""AsyncFakeHiveMessageBus: the asyncio client without a hub, for tests of satellites and services."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, Optional

from hivemind_core_client.aio.client import AsyncHiveMessageBusClient
from hivemind_core_client.aio.waiting import AsyncGatherer, AsyncWaiter
from hivemind_core_client.config.settings import DEFAULT_SITE
from hivemind_core_client.shell.local_bridge import LocalSide
from hivemind_core_client.sync.waiting import as_packet
from hivemind_core_client.testing.aio_inline import AsyncInlineGatherer, AsyncInlineMailbox, AsyncInlineWorker
from hivemind_core_client.testing.fake_hub import FakeHub, HubPart, completed
from hivemind_core_client.wire.errors import ConnectionLost, HiveMindError
from hivemind_core_client.wire.message import HiveMessage

__all__ = ["AsyncFakeHiveMessageBus"]

_OPTIONS = inspect.signature(AsyncHiveMessageBusClient)


class AsyncFakeHiveMessageBus(HubPart, AsyncHiveMessageBusClient):
    """An AsyncHiveMessageBusClient, with every verb of it, that talks to no hub: neither sockets nor threads.

    It is to that client what FakeHiveMessageBus is to the other: the same options, none needed, `emitted`,
    `emitted_of` and `respond`; and awaited, since they let handlers run: `receive`, `drop`, `restore`, `advance`.
    These return when the handlers have run, coroutines included as far as they do not wait themselves; `settle` waits
    for that alone. `emit` returns before the handlers here run, as ever.

    A wait takes next to no time: when nothing has happened on this bus for 20 ms, and no handler runs, the clock
    jumps to the next timer or the end of the wait. A test that lets something come later says so by `advance`, or by a
    handler. A wait without a bound lasts until it is ended.
    """

    __signature__ = _OPTIONS

    if not TYPE_CHECKING:  # a type checker is to see the options of the client

        def __init__(self, *arguments: Any, **options: Any) -> None:
            given = _OPTIONS.bind(*arguments, **options).arguments
            self._fake_hub = FakeHub()
            self._inline = AsyncInlineMailbox()
            internal_bus = given.pop("internal_bus", None)
            super().__init__(**completed(given))
            self._settle_in(internal_bus, given)

    _inline: AsyncInlineMailbox

    # the hub's part

    async def receive(self, message: Any) -> None:
        """Act as if the hub had sent a HiveMessage, or an OVOS Message as BUS; returns when the handlers have run.

        Raises NotConnected without a session, and InvalidMessage for what cannot travel. What a peer may not
        send is dropped and counted in `rejected`.
        """
        self._fake_worker.receive(as_packet(message))
        await self._inline.settle()

    async def drop(self, error: Optional[HiveMindError] = None) -> None:
        """End the session by `error` (default: ConnectionLost), and refuse any other until `restore`.

        Before `connect`, it is what that will raise. A HubRefused is final, as ever.
        """
        self._fake_hub.outage = error or ConnectionLost("the fake hub is away until restore() is called")
        await self._fake_worker.outage()
        await self._inline.settle()

    async def restore(self) -> None:
        """End the outage; a client that was waiting for it reconnects."""
        self._fake_hub.outage = None
        await self._fake_worker.outage()
        await self._inline.settle()

    async def advance(self, seconds: float) -> None:
        """Move the clock, and let the timers and waits run out that are due."""
        await self._inline.advance(seconds)

    async def settle(self) -> None:
        """Return when the handlers have run: those of what was emitted, of the internal bus, of answers."""
        await self._inline.settle()

    # the client's part

    @property
    def _fake_worker(self) -> AsyncInlineWorker:
        worker = self._worker
        assert isinstance(worker, AsyncInlineWorker)  # noqa: S101  # _new_worker makes no other
        return worker

    def _settle_in(self, internal_bus: Any, given: dict[str, Any]) -> None:
        """Replace what the client's constructor has made, and forget what it read in the environment."""
        self.mailbox = self._inline
        self.profile.context.now = self._inline.now
        self._local = LocalSide(
            self.profile.context, self.mailbox.put, self._call, lambda: self.share_bus, self._send_up
        )
        if internal_bus is not None:
            self.internal_bus = internal_bus
        self.password = given.get("password") or self.identity.password
        self.site_id = self.identity.site_id or DEFAULT_SITE
        self._fake_hub.public_key = given.get("hub_key") or ""

    def _new_worker(self) -> AsyncInlineWorker:
        return AsyncInlineWorker(
            self.profile, self._listener(), self._inline, self.deadlines, self._backoff, self._fake_hub
        )

    async def _wait(self, waiter: AsyncWaiter, timeout: Optional[float]) -> Optional[HiveMessage]:
        try:
            await self._inline.wait_until(waiter._ended.done, timeout)
        finally:
            self.waiters.remove(waiter)
        return waiter.message

    async def _asking(self, asked: HiveMessage, gatherer: AsyncGatherer) -> AsyncGatherer:
        return await super()._asking(asked, AsyncInlineGatherer(gatherer, self._inline))
