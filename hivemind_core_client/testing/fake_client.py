"""FakeHiveMessageBus: the client without a hub, for tests of satellites and skills."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, Optional

from hivemind_core_client.config.settings import DEFAULT_SITE
from hivemind_core_client.kernel.lifecycle import ClientState
from hivemind_core_client.shell.waiters import Waiter
from hivemind_core_client.sync.client import HiveMessageBusClient
from hivemind_core_client.sync.gathering import Gatherer
from hivemind_core_client.sync.waiting import as_packet
from hivemind_core_client.testing.fake_hub import FakeHub, HubPart, completed
from hivemind_core_client.testing.inline import InlineGatherer, InlineMailbox, InlineWorker
from hivemind_core_client.transports.shared_socket import Progress
from hivemind_core_client.wire.errors import ConnectionLost, HiveMindError
from hivemind_core_client.wire.message import HiveMessage, HiveMindBinaryPayloadType

__all__ = ["FakeHiveMessageBus"]

_UNDEFINED = HiveMindBinaryPayloadType.UNDEFINED
_OPTIONS = inspect.signature(HiveMessageBusClient)


class FakeHiveMessageBus(HubPart, HiveMessageBusClient):
    """A HiveMessageBusClient, with every verb of it, that talks to no hub: neither sockets nor threads.

    It takes the same options; none is needed, and without `identity` it has one in memory. Neither the
    identity file nor the environment is read. `connect()` succeeds at once; before it, `emit` raises NotConnected
    as ever. `hub_key` is also the key that the hub shows.

    What is emitted is in `emitted`, as the hub would read it. `receive(message)` is what the hub sends; it takes
    the way of a real message, through the handlers of the plugins, with their judgement of trust. `respond(…)` answers.

    Handlers run on the thread that calls, before `emit` and `receive` return; inside a handler, after that handler.
    Nothing can come while somebody waits, so a wait takes no time: it moves a clock by its timeout, which
    lets timers run out (that of a QUERY, say), and ends. `advance` moves the clock too. `on_collect` of this client
    fakes an answer to `collect_responses`.
    """

    __signature__ = _OPTIONS

    if not TYPE_CHECKING:  # a type checker is to see the options of the client

        def __init__(self, *arguments: Any, **options: Any) -> None:
            given = _OPTIONS.bind(*arguments, **options).arguments
            self._fake_hub = FakeHub()
            self._inline = InlineMailbox()
            internal_bus = given.pop("internal_bus", None)
            super().__init__(**completed(given))
            self._settle_in(internal_bus, given)

    _inline: InlineMailbox

    # the hub's part

    def receive(self, message: Any) -> None:
        """Act as if the hub had sent a HiveMessage, or an OVOS Message as BUS.

        Raises NotConnected without a session, and InvalidMessage for what cannot travel. What a peer may not
        send is dropped and counted in `rejected`.
        """
        self._fake_worker.receive(as_packet(message))

    def drop(self, error: Optional[HiveMindError] = None) -> None:
        """End the session by `error` (default: ConnectionLost), and refuse any other until `restore`.

        Before `connect`, it is what that will raise. A HubRefused is final, as ever.
        """
        self._fake_hub.outage = error or ConnectionLost("the fake hub is away until restore() is called")
        if self._worker.standing.is_set():
            self._fake_worker.lose(self._fake_hub.outage)

    def restore(self) -> None:
        """End the outage; a client that was waiting for it reconnects."""
        self._fake_hub.outage = None
        if self.state is ClientState.RECONNECTING:
            self._fake_worker.resume()

    def advance(self, seconds: float) -> None:
        """Move the clock, and let the timers run out that are due."""
        self._inline.run_until(lambda: False, seconds)

    # the client's part

    def emit(
        self,
        message: Any,
        binary_type: HiveMindBinaryPayloadType = _UNDEFINED,
        progress: Optional[Progress] = None,
    ) -> None:
        """Send, as the real client does; what answers comes after the handlers here."""
        with self._inline.held():
            super().emit(message, binary_type, progress)

    def run_forever(self, *args: Any, **kwargs: Any) -> None:
        """Connect and return: nothing comes by itself. Raises what refused the client."""
        self.run_in_thread()
        if self.state is ClientState.REFUSED and self.last_error is not None:
            raise self.last_error

    @property
    def _fake_worker(self) -> InlineWorker:
        worker = self._worker
        assert isinstance(worker, InlineWorker)  # noqa: S101  # _new_worker makes no other
        return worker

    def _settle_in(self, internal_bus: Any, given: dict[str, Any]) -> None:
        """Replace what the client's constructor has made for threads, and forget what it read in the environment."""
        self.mailbox = self._inline
        self.profile.context.now = self._inline.now
        self._furnish(internal_bus)
        self.password = given.get("password") or self.identity.password
        self.site_id = self.identity.site_id or DEFAULT_SITE
        self._fake_hub.public_key = given.get("hub_key") or ""

    def _new_worker(self) -> InlineWorker:
        return InlineWorker(
            self.profile, self._listener(), self._inline, self.deadlines, self._backoff, self._fake_hub
        )

    def _wait(self, waiter: Waiter, timeout: Optional[float]) -> Optional[HiveMessage]:
        try:
            self._inline.run_until(lambda: waiter.is_over, timeout)
        finally:
            self.waiters.remove(waiter)
        return waiter.message

    def _asking(self, asked: HiveMessage, gatherer: Gatherer) -> Gatherer:
        return super()._asking(asked, InlineGatherer(gatherer, self._inline))
