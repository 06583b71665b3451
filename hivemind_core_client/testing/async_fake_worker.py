"""A session with a FakeHub in place of a connection: neither sockets nor threads, but the lifecycle of a real one."""

from __future__ import annotations

import logging
from contextlib import nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any, Callable, Optional

from hivemind_core_client.aio.base_worker import AsyncBaseWorker
from hivemind_core_client.aio.keeping import AsyncKeeper
from hivemind_core_client.kernel.events import Arrived, AwaitProof, Established, Rejected
from hivemind_core_client.kernel.lifecycle import ClientState
from hivemind_core_client.plugins.wrapping import strip_claims
from hivemind_core_client.testing.fake_hub import FakeHub, agreed, carried, exchanged
from hivemind_core_client.wire.errors import (
    ClientClosed,
    ConnectionLost,
    HiveMindError,
    Mend,
    NotConnected,
    ProtocolError,
    again,
)

if TYPE_CHECKING:
    from hivemind_core_client.aio.mailbox import Running
    from hivemind_core_client.config.profile import ClientProfile
    from hivemind_core_client.kernel.link import Link
    from hivemind_core_client.kernel.outbox import OutboxQueue
    from hivemind_core_client.kernel.policy import Backoff, Deadlines
    from hivemind_core_client.kernel.progress import Progress
    from hivemind_core_client.testing.async_fake_mailbox import AsyncFakeMailbox
    from hivemind_core_client.wire.message import HiveMessage

log = logging.getLogger(__name__)


class AsyncFakeWorker(AsyncBaseWorker):
    """Keeps a session with a FakeHub. It stands as soon as it is asked for, unless the hub has an outage."""

    _link_lock = nullcontext()
    keeper: Optional[AsyncKeeper] = None

    def __init__(
        self,
        profile: ClientProfile,
        new_link: Callable[[], Link],
        mailbox: AsyncFakeMailbox,
        deadlines: Deadlines,
        backoff: Backoff,
        hub: FakeHub,
        begin: Callable[[], object],
    ) -> None:
        super().__init__(profile, new_link, mailbox, deadlines, backoff)
        self._fake_mailbox = mailbox
        self._hub = hub
        #: Connects the client, which nobody has done yet.
        self._begin = begin

    @property
    def running(self) -> Running:
        """What stands for the thread or task of a real client."""
        return self._fake_mailbox.stand_in(self.wait_finished)

    def start(self, retries: Optional[int]) -> None:
        """Begin; `retries` None waits for the end of an outage."""
        self.lifecycle.begin(retries)
        self.resume()

    def resume(self) -> None:
        """Make a session, or fail as the outage of the hub has it."""
        if self._hub.outage is not None:
            self.lose(self._hub.outage)
            return
        context = self._profile.context
        self._own_outbox()
        self.link = self._new_link()
        self.delivery = self.ledger.opened()
        context.hub = self._hub.facts(self._profile)
        context.negotiated = agreed(self._profile)
        with self._fake_mailbox.held():  # handlers of "open" find a session that stands
            self._established(Established(context.negotiated))

    def lose(self, error: HiveMindError) -> None:
        """End the session, or the attempts to get one. It comes back, if at all, by `resume`."""
        with self._fake_mailbox.held():
            delay = self._end(error)
            while delay is not None and self.lifecycle.state is ClientState.CONNECTING:
                delay = self._end(error)  # the next attempt: nothing has changed
            if delay is None:
                self._finish()
            self._fake_mailbox.stir()

    async def wait_connected(self, seconds: Optional[float]) -> bool:
        """Wait until a session stands or none will, `seconds` of the fake clock at most."""
        return await self._fake_mailbox.wait_until(self._is_settled, seconds)

    async def wait_finished(self, seconds: Optional[float] = None) -> bool:
        """Wait until nothing more is tried; where nothing comes by itself, until nothing is left to run."""
        return await self._fake_mailbox.wait_until(lambda: self.is_finished, seconds)

    async def send(self, message: HiveMessage, progress: Optional[Progress] = None) -> HiveMessage:
        """Hand the prepared message to the hub. Raises like the real one, and what the rules of the hub raise."""
        if self.keeper is not None and self.keeper.keeps(message):
            return await self.keeper.send(message, progress)
        try:
            return self._exchange(await self._link_of_session(), message, progress)
        except BaseException:
            self.ledger.not_sent()
            raise

    def keep(self, queue: OutboxQueue) -> None:
        """Have this outbox from now on."""
        self.ledger.outbox, self.keeper = queue, AsyncKeeper(self, queue)

    async def hand_over(self, message: HiveMessage, number: int, progress: Optional[Progress]) -> HiveMessage:
        """Hand over the message of the outbox with this number. Raises like `send`."""
        if self.link is None or not self.lifecycle.stands:
            raise again(self.lifecycle.why_not_sent())
        return self._exchange(self.link, message, progress, number)

    def check_keeps(self) -> None:
        """Raises why nothing may be kept; connects the client first where nobody has done so yet."""
        if self.lifecycle.state is ClientState.IDLE:
            self._begin()
        super().check_keeps()

    async def wait_until(self, reached: Callable[[], bool], seconds: Optional[float]) -> bool:
        """Whether it is reached now: nothing else happens here by itself."""
        return reached()

    async def prove(self) -> None:
        """There is nothing to wait for."""

    def beside(self, work: Callable[[], Any]) -> None:
        """Hand over what waits in the outbox."""
        self._fake_mailbox.in_background(work())

    def stir(self) -> None:
        """Let those who wait look again."""
        self._fake_mailbox.stir()

    def _exchange(
        self, link: Link, message: HiveMessage, progress: Optional[Progress], number: int = 0
    ) -> HiveMessage:
        prepared = link.prepare(message)
        sent = carried(self._profile, prepared)
        if number:
            self.delivery.leaving(number)
        self._act(link.sending(prepared))
        answers = exchanged(self._profile, self._hub, sent, progress)
        self.delivery.handed(prepared, [], answered=self._hub.confirms, number=number)
        if self._hub.echoes:
            self._fake_mailbox.arrive(partial(self._act, [Arrived(sent)]))
        for answer in answers:
            self._fake_mailbox.arrive(partial(self._arrive, answer))
        return prepared

    def send_quietly(self, message: HiveMessage, keep: bool = False) -> None:
        """Send a message whose sender is not to be told; it is logged where it could not be sent."""
        self._fake_mailbox.in_background(self._try_to_send(message, keep))

    async def ping(self, payload: bytes, seconds: float) -> Optional[float]:
        """No time at all."""
        await self._link_of_session()
        self.delivery.ponged(self.delivery.asked(0.0, payload), 0.0)
        return 0.0

    async def break_off(self) -> None:
        """End the session; the next one stands at once, unless the hub has an outage."""
        if self.lifecycle.stands:
            self.lose(ConnectionLost("the connection was closed here"))
            if self._hub.outage is None and not self.is_finished:
                self.resume()

    async def stop(self, seconds: float) -> None:
        """End the session. Idempotent."""
        over = self.is_finished or self.lifecycle.state is ClientState.IDLE
        self.lifecycle.stop()
        if not over:
            self.lose(ClientClosed("the client is closed"))

    def receive(self, message: HiveMessage) -> None:
        """Treat a message as sent by the hub. Raises NotConnected, and InvalidMessage for what cannot travel."""
        if not self.lifecycle.stands:
            raise NotConnected(
                "no session stands for a message to arrive on", Mend("call connect() first", joint=": ")
            )
        try:
            arrived = carried(self._profile, message)
        except ProtocolError as error:
            self._act([Rejected(error)])
            return
        self._fake_mailbox.arrive(partial(self._arrive, arrived))

    def _arrive(self, message: HiveMessage) -> None:
        link = self.link
        if link is None or not self.lifecycle.stands:
            log.info("a %s message came too late: the session is over", message.msg_type.name)
            return
        strip_claims(message.raw_payload)
        self._act([Arrived(message), *link.admit(message, wrapped=False)])

    async def _link_of_session(self) -> Link:
        if self.lifecycle.state is ClientState.IDLE:
            self._begin()
        await self.wait_connected(self._deadlines.send)
        if self.link is None or not self.lifecycle.stands:
            raise again(self.lifecycle.why_not_sent())
        return self.link

    def _is_settled(self) -> bool:
        return self.lifecycle.stands or self.lifecycle.stopping or self.is_finished

    def _finish(self) -> None:
        self.lifecycle.finish()
        self.is_finished = True
        self._tell_over()

    def _await_proof(self, event: AwaitProof) -> None:
        link = self.link
        if link is not None:
            self._act(link.hub_answered(self._fake_mailbox.elapsed))

    def _now(self) -> float:
        return self._fake_mailbox.elapsed

    def _session_stands(self) -> None:
        self._fake_mailbox.stir()
        if self.keeper is not None:
            self.keeper.begin()

    def _abandon(self) -> None:
        self.lifecycle.stop()
        self._fake_mailbox.stir()
