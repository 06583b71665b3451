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
    """An AsyncHiveMessageBusClient that talks to no hub. It has all the same methods, and uses no sockets or threads.

    It takes the same options, and also `session_id` and `site_id`. You need none of them. Without `identity` it has an
    identity in memory. It reads neither the identity file nor the environment. `connect()` succeeds at once. If you
    send before that, it connects first. `hub_key` is also the key that the hub shows.

    What you emit is in `emitted`, as the hub would read it. With `receive(message)` you send as the hub. The message
    goes the way of a real one: through the handlers of the plugins, which also judge whom to trust. With `respond(…)`
    you set the answers of the hub.

    Time does not pass by itself here. A wait takes no real time. If nothing is left to do that could end the wait, the
    clock jumps: to the next timer, such as that of a QUERY, or to the end of the wait. `advance` moves the clock too.
    If something shall come later in a test, use `advance` or a handler. `on_collect` of this client fakes an answer to
    `collect_responses`.

    `receive`, `drop`, `restore` and `advance` return when the handlers have run. Coroutines have then run up to where
    they wait themselves. `settle` does only this waiting. `emit` returns before the handlers here run.
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
        """Everything that was sent, in order. You may clear the list, or set another one."""
        return self._fake_hub.emitted

    @emitted.setter
    def emitted(self, value: list[HiveMessage]) -> None:
        self._fake_hub.emitted = value

    def emitted_of(self, message_type: Names) -> list[HiveMessage]:
        """The sent messages of a hive type, or the BUS messages of an OVOS type."""
        return self._fake_hub.emitted_of(message_type)

    def respond(self, message_type: Names, reply: Any, responder: str = NODE_ID) -> None:
        """From now on, answer each message of a hive type or OVOS type, also if it is inside another message.

        `reply` is a Message, a HiveMessage, a list of them, or None for no answer. It may also be a function. That gets
        the message (OVOS Message or HiveMessage) and returns one of these. What it raises, `emit` raises. Answers to a
        QUERY or CASCADE are made of Messages, and the stream is ended. `responder` is a peer. Every responder answers a
        CASCADE. To any other message only the first answers that does not stay silent.

        The answer to a collect-call carries the ids of the call. A Message that you make beforehand does not have them.
        So let this client answer by `on_collect`, or pass a function. It returns the `.handling` and the `.response`
        message. The data of both has `query` (the context's `__collect_id__`) and `handler`. The data of the first has
        `timeout` too.
        """
        self._fake_hub.respond(message_type, reply, responder)

    @property
    def confirms(self) -> bool:
        """True if the hub shows at once that it has read what is sent. Else `drop` or `close` leaves that in doubt."""
        return self._fake_hub.confirms

    @confirms.setter
    def confirms(self, value: bool) -> None:
        self._fake_hub.confirms = value

    @property
    def echoes(self) -> bool:
        """True if what is sent also reaches the handlers and waits for its hive type here. Default: False."""
        return self._fake_hub.echoes

    @echoes.setter
    def echoes(self, value: bool) -> None:
        self._fake_hub.echoes = value

    async def receive(self, message: Any) -> None:
        """Act as if the hub had sent a HiveMessage, or an OVOS Message as BUS. Returns when the handlers have run.

        Raises NotConnected without a session, and InvalidMessage for a message that cannot be sent. A message that a
        peer may not send is dropped and counted in `rejected`.
        """
        self._worker.receive(as_packet(message))
        await self.mailbox.settle()

    async def drop(self, error: Optional[HiveMindError] = None) -> None:
        """End the session with `error` (default: ConnectionLost), and allow no new one until `restore`.

        If you call this before `connect`, `connect` raises `error`. A HubRefused is final, as in the real client.
        """
        self._fake_hub.outage = error or ConnectionLost("the fake hub is away until restore() is called")
        if self._worker.lifecycle.stands:
            self._worker.lose(self._fake_hub.outage)
        await self.mailbox.settle()

    async def restore(self) -> None:
        """End what `drop` began. A client that waits for the hub reconnects."""
        self._fake_hub.outage = None
        if self.state is ClientState.RECONNECTING:
            self._worker.resume()
        await self.mailbox.settle()

    async def advance(self, seconds: float) -> None:
        """Move the clock by `seconds`. The timers and waits that are due then end."""
        await self.mailbox.advance(seconds)

    # asyncio only
    async def settle(self) -> None:
        """Return when the handlers have run: for what was emitted, for the internal bus, and for answers."""
        await self.mailbox.settle()

    # end of asyncio only
    # the client's part

    async def emit(
        self,
        message: Any,
        binary_type: AnyBinaryType = _UNDEFINED,
        progress: Optional[Progress] = None,
    ) -> None:
        """Send, as the real client does. Answers come after the handlers here have run."""
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
