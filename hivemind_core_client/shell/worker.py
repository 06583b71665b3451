"""What the workers of both shells do alike: how they act on events, and on the end of a connection."""

from __future__ import annotations

import logging
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any, Callable, Optional

from hivemind_core_client.kernel.delivery import Ledger
from hivemind_core_client.kernel.events import (
    AwaitProof,
    Echoed,
    Established,
    Event,
    Failed,
    Rejected,
    RunInTurn,
)
from hivemind_core_client.kernel.lifecycle import ClientState, ConnectionLifecycle, Step
from hivemind_core_client.kernel.tracer import SILENT, TracedLife, Tracer, TracingDelivery
from hivemind_core_client.wire.errors import FrameTooLarge, again
from hivemind_core_client.wire.outbox_errors import OutboxFileError

if TYPE_CHECKING:
    from hivemind_core_client.config.profile import ClientProfile
    from hivemind_core_client.kernel.delivery import UnconfirmedMessages
    from hivemind_core_client.kernel.leaving import Follow
    from hivemind_core_client.kernel.link import Link
    from hivemind_core_client.kernel.outbox import OutboxQueue
    from hivemind_core_client.kernel.policy import Backoff, Deadlines
    from hivemind_core_client.plugins.contract import Context, MessageHandler
    from hivemind_core_client.shell.protocols import AnyTransport, MailboxProtocol
    from hivemind_core_client.shell.router import EventRouter
    from hivemind_core_client.wire.errors import HiveMindError
    from hivemind_core_client.wire.message import AnyMessageType, HiveMessage

log = logging.getLogger(__name__)


class SharedWorker(ABC):
    """Acts on what the Link and the lifecycle decide. A shell's worker opens, reads, writes and waits."""

    #: Held by whoever makes the Link act: it is not made for two threads at once.
    _link_lock: AbstractContextManager[Any]

    def __init__(
        self,
        profile: ClientProfile,
        new_link: Callable[[], Link],
        mailbox: MailboxProtocol,
        deadlines: Deadlines,
        backoff: Backoff,
    ) -> None:
        self.rejected = 0
        #: What becomes of all messages, and of those of the present or last connection.
        self.ledger = Ledger(threading.RLock())
        self.delivery = self.ledger.opened()
        self._is_detached = False
        #: The Link of the present or last connection.
        self.link: Optional[Link] = None
        self._tracer = SILENT if profile.tracer is None else profile.tracer
        self.lifecycle = _lifecycle_of(profile.tracer)(
            lambda: profile.where,
            deadlines,
            backoff,
            profile.advise,
            lambda: self._now(),
            profile.history,
        )
        self._profile = profile
        self._new_link = new_link
        self._mailbox = mailbox
        self._deadlines = deadlines
        self._handle: dict[type, Callable[[Any], Any]] = {
            Established: self._established,
            AwaitProof: self._await_proof,
            Rejected: self._reject,
            Echoed: _answered,
            Failed: self._fail,
        }
        #: What is called in its place for events that come with no frame.
        self._news: dict[type, Callable[[Any], None]] = {}
        self._step: Callable[[Step, HiveMindError], None] = _ignore
        self._tell_established: Callable[[], None] = _ignore
        self._tell_over: Callable[[], None] = _ignore
        self.tell_doubt: Callable[[UnconfirmedMessages], None] = _ignore
        self._tell_dropped: Callable[[Optional[HiveMessage], str], None] = _ignore
        #: Whether what arrives now counts as dropped.
        self._is_full: Callable[[], bool] = bool

    def report_to(self, router: EventRouter, over: Callable[[], None]) -> None:
        """Hand events to this router, and call `over` when no more attempts to connect are made."""
        self._handle.update(router.routes(self))
        self._news = router.news()
        self._step = router.step
        self._tell_established = router.established
        self.tell_doubt, self._tell_dropped = router.in_doubt, router.dropped
        self._is_full = router.is_full
        self._tell_over = over

    def take_over(self, former: SharedWorker) -> None:
        """Take the place of a former worker of this client, and go on counting where it stopped."""
        former.detach()
        self.ledger, self.rejected = former.ledger, former.rejected
        self.delivery = self.ledger.opened()
        if self.ledger.outbox is not None:
            self.keep(self.ledger.outbox)

    def detach(self) -> None:
        """Another worker has taken over: end, and tell nobody, but of what is in doubt."""
        self._handle, self._news = {**dict.fromkeys(self._handle, _ignore), Failed: self._fail}, {}
        self._step = self._tell_established = self._tell_over = _ignore
        self._is_detached = True
        self._abandon()

    def forget_link(self) -> None:
        """Forget the last connection's Link, and none that is in use."""
        if self.lifecycle.state not in (
            ClientState.CONNECTING,
            ClientState.CONNECTED,
            ClientState.RECONNECTING,
        ):
            self.link = None

    def disown(self) -> None:
        """This is a child that was forked: tell nobody, and leave the connection to the parent process."""
        self._handle, self._news = dict.fromkeys(self._handle, _ignore), {}
        self._step = self._tell_established = self._tell_over = _ignore
        self._link_lock = nullcontext()  # a thread that is not here may hold the other one
        self._is_detached = True

    @abstractmethod
    def keep(self, queue: OutboxQueue) -> None:
        """Have this outbox from now on."""

    def check_keeps(self) -> None:
        """Raises why nothing may be kept: NotConnected, or what refused or closed the client."""
        self.lifecycle.check_begun()
        if self.lifecycle.stopping or self.lifecycle.state in (ClientState.REFUSED, ClientState.CLOSED):
            raise again(self.lifecycle.why_not_sent())

    def prepared(self, message: HiveMessage) -> HiveMessage:
        """A message as the handlers here hear it, though it is kept. Raises InvalidMessage for what cannot be sent."""
        link = self.link or self._new_link()
        is_slow = link.sent_in_turn and message.msg_type in link.sent_in_turn
        return message if is_slow else link.prepare(message)

    def time(self) -> float:
        """Seconds on the clock of the outbox."""
        outbox = self.ledger.outbox
        return self._now() if outbox is None or outbox.clock is None else outbox.clock()

    def patience_for_room(self) -> float:
        """How long who sends may wait for room in the outbox, in seconds."""
        return self._deadlines.write

    def tell_drops(self) -> None:
        """Tell what the outbox has dropped."""
        outbox = self.ledger.outbox
        for message, reason in () if outbox is None else outbox.take_drops():
            self._tell_dropped(message, str(reason))

    def admit(self, message: HiveMessage) -> None:
        """Treat a message that a handler had kept back as arrived."""
        link = self.link
        if link is not None:
            self._act_on(lambda: link.admit(message))

    def due(self, msg_type: AnyMessageType, key: str) -> None:
        """A timer of a handler has run out."""
        link = self.link
        if link is not None:
            self._act_on(lambda: link.due(msg_type, key))

    def handle(
        self,
        now: Mapping[type, Callable[[Any], None]],
        handler: MessageHandler,
        context: Context,
        message: HiveMessage,
    ) -> bool:
        """Do what follows from a message by this handler, `now` saying what is called for events that may not wait.

        Returns whether anything followed.
        """
        link = self.link or self._new_link()
        with self._link_lock:
            events = link.handled_by(handler, context, message)
        self._act([event for event in events if type(event) not in now])
        for event in events:
            if type(event) in now:
                now[type(event)](event)
        return bool(events)

    def _acquaint(self, transport: AnyTransport) -> None:
        """Have a new transport tell of its pings, and of its phases where somebody traces."""
        delivery: Any = self.delivery
        if self._tracer is not SILENT:
            transport.trace_to(self._tracer)
            delivery = TracingDelivery(delivery, self._tracer)
        transport.confirm_to(delivery)

    @abstractmethod
    def start(self, retries: Optional[int]) -> None:
        """Begin. Before the first session stands, give up after `retries` more attempts; None never gives up."""

    @abstractmethod
    def send_quietly(self, message: HiveMessage, keep: bool = False) -> None:
        """Send a message whose sender is not to be told; it is logged where it could not be sent.

        An outbox keeps what it shall `keep`: what belongs to a session is too late in the next one.
        """

    @abstractmethod
    def _abandon(self) -> None:
        """End at once, and wait for nobody."""

    @abstractmethod
    def _await_proof(self, event: AwaitProof) -> None:
        """Ping the hub, and tell the Link of its answer, beside what else goes on."""

    @abstractmethod
    def _session_stands(self) -> None:
        """Prepare the transport for a session, and wake who waits for it."""

    def _now(self) -> float:
        """Seconds on a clock that is never set."""
        return time.monotonic()

    def _act(self, events: list[Event]) -> None:
        """Do what follows from something else than a frame."""
        for event in events:
            kind = type(event)
            (self._news.get(kind) or self._handle[kind])(event)

    def _followed(self, follow: Follow) -> list[Event]:
        """Do what follows from a handler that was called in its turn. Returns what is to be called in turn itself."""
        with self._link_lock:
            events = follow()
        self._act([event for event in events if type(event) is not RunInTurn])
        return [event for event in events if type(event) is RunInTurn]

    def _act_on(self, happening: Callable[[], list[Event]]) -> None:
        """Make the Link act, and do what follows."""
        with self._link_lock:
            events = happening()
        self._act(events)

    def _established(self, event: Established) -> None:
        self.lifecycle.established()
        self.ledger.sessions += 1
        self._tell_established()
        self._session_stands()

    def _end(self, error: HiveMindError) -> Optional[float]:
        """Do what follows from the end of a connection. Returns the seconds until the next attempt; None for none."""
        if isinstance(error, FrameTooLarge):
            self._reject(
                Rejected(error)
            )  # it ends the connection, since the rest of it would have to be read
        ending, link = self.lifecycle.ended(error), self.link
        in_doubt = self._in_doubt()
        for step in ending.steps:
            if step is Step.TELL_DOUBT:
                if in_doubt is not None:
                    self.tell_doubt(in_doubt)
            elif step is not Step.END_QUESTIONS:
                self._step(step, ending.error)
            elif link is not None and not self._is_detached:
                self._act_on(link.session_ended)
        return ending.delay

    def _in_doubt(self) -> Optional[UnconfirmedMessages]:
        """What the connection that ends leaves in doubt."""
        messages = self.delivery.close()
        self._mailbox.cancel(self.delivery)
        if messages is not None:
            log.warning(
                "the connection with %s ended; messages that were sent and may not have arrived: %d (docs/delivery.md)",
                self._profile.where,
                len(messages),
            )
        if self.ledger.outbox is not None:
            self._look_at(self.ledger.outbox)
        log.debug("so far: %s", self.ledger.metrics(self.rejected, self._mailbox.dropped))
        return messages

    def _look_at(self, outbox: OutboxQueue) -> None:
        """A session, or an attempt at one, has ended: time has passed for what waits."""
        try:
            outbox.expire(self.time())
        except OutboxFileError as error:
            log.error("the outbox cannot be read: %s", error)
        self.tell_drops()

    def _own_outbox(self) -> None:
        """What waits is for the hub to which we connect now, and the key. Raises OutboxFileError."""
        if self.ledger.outbox is not None:
            settings = self._profile.settings
            self.ledger.outbox.belong((str(settings.address), settings.key))
            self.tell_drops()

    def _not_sent(self, message: HiveMessage, error: HiveMindError) -> None:
        """Log that a message could not be sent; its sender is not here to be told."""
        text, name = "a %s message that nobody waits for was not sent: %s", message.msg_type.name
        self._profile.context.note(log.warning, text, name, error)

    def _fail(self, event: Failed) -> None:
        raise event.error

    def _reject(self, event: Rejected) -> None:
        self.rejected += 1
        where = self._profile.where
        self._profile.context.note(log.warning, "dropped a frame from %s: %s", where, event.error)


class _TracedLifecycle(TracedLife, ConnectionLifecycle):
    """A lifecycle that tells what happens in it."""


def _lifecycle_of(tracer: Optional[Tracer]) -> Callable[..., ConnectionLifecycle]:
    return ConnectionLifecycle if tracer is None else partial(_TracedLifecycle, tracer)


def _answered(event: Echoed) -> None:
    event.answered()


def _ignore(*_: object) -> None:
    """Tell nobody."""
