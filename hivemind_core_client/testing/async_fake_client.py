"""AsyncFakeHiveMessageBus: the asyncio client without a hub, for tests of satellites and services."""

from __future__ import annotations

import inspect
from functools import partial
from typing import TYPE_CHECKING, Any, Optional

from hivemind_core_client.aio.client import AsyncHiveMessageBusClient
from hivemind_core_client.config.given_texts import cut, site_of
from hivemind_core_client.kernel.lifecycle import ClientState
from hivemind_core_client.shell.links import new_link
from hivemind_core_client.testing.async_fake_mailbox import AsyncFakeMailbox
from hivemind_core_client.testing.async_fake_notifier import AsyncFakeNotifier
from hivemind_core_client.testing.async_fake_worker import AsyncFakeWorker
from hivemind_core_client.testing.fake_hub import NODE_ID, FakeHub, completed, with_keywords
from hivemind_core_client.wire.errors import ConnectionLost, HiveMindError
from hivemind_core_client.wire.message import AnyBinaryType, HiveMessage, HiveMindBinaryPayloadType
from hivemind_core_client.wire.packet import as_packet

if TYPE_CHECKING:
    from hivemind_core_client.kernel.progress import Progress
    from hivemind_core_client.shell.waiters import Names

__all__ = ["AsyncFakeHiveMessageBus"]

_UNDEFINED = HiveMindBinaryPayloadType.UNDEFINED
_OPTIONS = inspect.signature(AsyncHiveMessageBusClient)


class AsyncFakeHiveMessageBus(AsyncHiveMessageBusClient):
    """An AsyncHiveMessageBusClient, with every verb of it, that talks to no hub: neither sockets nor threads.

    It takes the same options, and `session_id` and `site_id` besides; none is needed, and without `identity` it has
    one in memory. Neither the identity file nor the environment is read. `connect()` succeeds at once, and what is sent
    before it connects first. `hub_key` is also the key that the hub shows.

    What is emitted is in `emitted`, as the hub would read it. `receive(message)` is what the hub sends; it takes
    the way of a real message, through the handlers of the plugins, with their judgement of trust. `respond(…)` answers.

    Time does not pass by itself here. A wait takes none: where nothing is left to do that could end it, the clock
    jumps to the next timer (that of a QUERY, say), or the end of the wait. `advance` moves the clock too. A test that
    lets something come later says so by `advance`, or by a handler. `on_collect` of this client fakes an answer to
    `collect_responses`.

    `receive`, `drop`, `restore` and `advance` return when the handlers have run, coroutines as far as they do not wait
    themselves; `settle` waits for that alone. `emit` returns before the handlers here run.
    """

    __signature__ = with_keywords(_OPTIONS, "session_id", "site_id")
    mailbox: AsyncFakeMailbox
    _worker: AsyncFakeWorker
    _fake_hub: FakeHub

    def __init__(
        self,
        *arguments: Any,
        session_id: Optional[str] = None,
        site_id: Optional[str] = None,
        **options: Any,
    ) -> None:
        given = _OPTIONS.bind(*arguments, **options).arguments
        self._fake_hub = FakeHub()
        super().__init__(**completed(given))
        self._fake_hub.types = self.profile.registry.message_types
        self._forget_environment(given)
        if session_id is not None:
            self.session_id = session_id
        if site_id is not None:
            self.site_id = site_id

    # the hub's part

    @property
    def emitted(self) -> list[HiveMessage]:
        """Everything that was sent, in order; clear it, or set another list, as you like."""
        return self._fake_hub.emitted

    @emitted.setter
    def emitted(self, value: list[HiveMessage]) -> None:
        self._fake_hub.emitted = value

    def emitted_of(self, message_type: Names) -> list[HiveMessage]:
        """What was sent of a hive type, or as BUS of an OVOS type."""
        return self._fake_hub.emitted_of(message_type)

    def respond(self, message_type: Names, reply: Any, responder: str = NODE_ID) -> None:
        """Answer each message of a hive type or OVOS type, one inside another message too, from now on.

        `reply` is a Message, a HiveMessage, a list of them, or None for silence; or a function that gets the
        message (OVOS Message or HiveMessage) and returns one of these. What it raises, `emit` raises. Answers to
        a QUERY or CASCADE are made of Messages, and the stream is ended. To a CASCADE every `responder` (a
        peer) answers, to all else the first that is not silent.

        The answer to a collect-call carries its ids, which a Message made beforehand lacks: let this client answer by
        `on_collect`, or pass a function that returns the `.handling` and the `.response` message, with `query` (the
        context's `__collect_id__`) and `handler` in their data, and `timeout` in that of the first.
        """
        self._fake_hub.respond(message_type, reply, responder)

    @property
    def confirms(self) -> bool:
        """Whether the hub shows at once that it has read what is sent: else `drop` or `close` leaves that in doubt."""
        return self._fake_hub.confirms

    @confirms.setter
    def confirms(self, value: bool) -> None:
        self._fake_hub.confirms = value

    @property
    def echoes(self) -> bool:
        """Whether what is sent also reaches the handlers of its hive type here, and who waits for that. Default: no."""
        return self._fake_hub.echoes

    @echoes.setter
    def echoes(self, value: bool) -> None:
        self._fake_hub.echoes = value

    async def receive(self, message: Any) -> None:
        """Act as if the hub had sent a HiveMessage, or an OVOS Message as BUS; returns when the handlers have run.

        Raises NotConnected without a session, and InvalidMessage for what cannot travel. What a peer may not
        send is dropped and counted in `rejected`.
        """
        self._worker.receive(as_packet(message))
        await self.mailbox.settle()

    async def drop(self, error: Optional[HiveMindError] = None) -> None:
        """End the session by `error` (default: ConnectionLost), and refuse any other until `restore`.

        Before `connect`, it is what that will raise. A HubRefused is final, as in the real client.
        """
        self._fake_hub.outage = error or ConnectionLost("the fake hub is away until restore() is called")
        if self._worker.lifecycle.stands:
            self._worker.lose(self._fake_hub.outage)
        await self.mailbox.settle()

    async def restore(self) -> None:
        """End the outage; a client that was waiting for it reconnects."""
        self._fake_hub.outage = None
        if self.state is ClientState.RECONNECTING:
            self._worker.resume()
        await self.mailbox.settle()

    async def advance(self, seconds: float) -> None:
        """Move the clock, and let the timers and waits run out that are due."""
        await self.mailbox.advance(seconds)

    # asyncio only
    async def settle(self) -> None:
        """Return when the handlers have run: those of what was emitted, of the internal bus, of answers."""
        await self.mailbox.settle()

    # end of asyncio only
    # the client's part

    async def emit(
        self,
        message: Any,
        binary_type: AnyBinaryType = _UNDEFINED,
        progress: Optional[Progress] = None,
    ) -> None:
        """Send, as the real client does; what answers comes after the handlers here."""
        with self.mailbox.held():
            await super().emit(message, binary_type, progress)

    def _forget_environment(self, given: dict[str, Any]) -> None:
        """Take the clock of the fake, and nothing that was read in the environment."""
        self.profile.context.now = self.mailbox.now
        self.password = given.get("password") or cut(self.identity.password or "")
        self.site_id = site_of(cut(self.identity.site_id or ""))
        self._fake_hub.public_key = given.get("hub_key") or ""

    def _new_notifier(self) -> AsyncFakeNotifier:
        return AsyncFakeNotifier(self.mailbox)

    def _new_mailbox(self) -> AsyncFakeMailbox:
        return AsyncFakeMailbox()

    def _new_worker(self) -> AsyncFakeWorker:
        return AsyncFakeWorker(
            self.profile,
            partial(new_link, self.profile, in_turn=False),
            self.mailbox,
            self.deadlines,
            self._backoff,
            self._fake_hub,
            lambda: self._start(None),
        )
