"""What becomes of the messages of a client, sans IO: counted, and remembered until the hub is known to have read them.

The wire has no acknowledgement. But a hub reads in order, so that a pong to a ping that was sent after a message, or an
answer that carries the id of a question, proves what went before it. A `Ledger` counts for one client, a `Delivery`
remembers for one of its connections.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from enum import Enum
from typing import TYPE_CHECKING, Any, Callable, Optional

from attrs import field, fields, frozen

from hivemind_core_client.wire.errors import ConnectionLost
from hivemind_core_client.wire.message_types import HiveMessageType

if TYPE_CHECKING:
    from hivemind_core_client.kernel.outbox import OutboxQueue
    from hivemind_core_client.plugins.contract import Frame
    from hivemind_core_client.wire.message import HiveMessage

#: What is remembered of one connection at most: so many messages, and so many bytes of them as they were written.
MOST_KEPT = 1_000
MOST_KEPT_BYTES = 4 * 2**20
#: The hub is asked for a pong after so many messages or bytes, or so many seconds after a message.
ASK_AFTER_MESSAGES = 64
ASK_AFTER_BYTES = 2**20
ASK_AFTER_S = 1.0
#: So many pings may wait for their pong: then none is sent for the sake of messages.
_MOST_ASKED = 8
#: Their answers carry the id of the question.
QUESTION_TYPES = frozenset({HiveMessageType.QUERY, HiveMessageType.CASCADE})
_PING_PREFIX = b"hm"


@frozen(repr=False)
class Metrics:
    """What happened to the messages of a client since it was made, up to one moment.

    `sent` is how many messages you sent. It is always
    `confirmed + raised + in_doubt + unconfirmed + waiting + outbox_dropped`.
    """

    #: The hub is known to have read them.
    confirmed: int
    #: Their `emit` raised an error.
    raised: int
    #: Their connection ended before anything from the hub proved that it had read them.
    in_doubt: int
    #: They were handed to the connection that stands, and nothing proves yet that the hub has read them.
    unconfirmed: int
    #: Messages of the hub that arrived, without those of the handshake.
    received: int
    #: Frames of the hub that were dropped because they broke the protocol.
    rejected: int
    #: Calls of handlers that found no room in the queue.
    dropped: int
    #: Sessions after the first one.
    reconnects: int
    #: Seconds of the last ping and pong that were measured, over HTTP of the last poll; None before the first.
    round_trip: Optional[float]
    #: They are in the outbox, and were not handed to the connection that stands.
    waiting: int = 0
    #: The outbox dropped them.
    outbox_dropped: int = 0

    def __repr__(self) -> str:
        """All figures, `sent` first."""
        figures = ", ".join(f"{each.name}={getattr(self, each.name)!r}" for each in fields(Metrics))
        return f"Metrics(sent={self.sent}, {figures})"

    @property
    def sent(self) -> int:
        """How many messages there were to send."""
        known = self.confirmed + self.raised + self.outbox_dropped
        return known + self.in_doubt + self.unconfirmed + self.waiting


@frozen
class UnconfirmedMessages:
    """Messages that may or may not have reached the hub, because the connection ended. "doubt" hands this out.

    `messages` are the newest of them, as they were sent and in order: 1,000 and 4 MiB at most. `more` is how many there
    were before these.
    """

    messages: tuple[HiveMessage, ...] = field(repr=False)
    more: int = 0

    def __len__(self) -> int:
        """How many messages are in doubt."""
        return len(self.messages) + self.more


class Ask(Enum):
    """What is to be done so that the hub proves that it has read what was handed to it."""

    NOW = "send a ping that nobody waits for"
    LATER = f"look again after {ASK_AFTER_S:g} s"


class Ledger:
    """Counts what becomes of the messages of one client. `lock` guards it, where several threads send."""

    def __init__(self, lock: Optional[AbstractContextManager[Any]] = None) -> None:
        self.lock: AbstractContextManager[Any] = nullcontext() if lock is None else lock
        self.confirmed = self.raised = self.in_doubt = self.unconfirmed = 0
        self.received = self.sessions = 0
        self.round_trip: Optional[float] = None
        #: What waits for a hub that is away.
        self.outbox: Optional[OutboxQueue] = None
        #: Makes the account of a connection: one that tells of what is sent, where somebody observes that.
        self.new_delivery: Callable[[Ledger], Delivery] = Delivery

    def opened(self) -> Delivery:
        """The account of another connection."""
        return self.new_delivery(self)

    def not_sent(self) -> None:
        """An `emit` raises."""
        with self.lock:
            self.raised += 1

    def metrics(self, rejected: int, dropped: int) -> Metrics:
        """All figures of one moment."""
        outbox = self.outbox
        with self.lock:
            return Metrics(
                confirmed=self.confirmed,
                raised=self.raised,
                in_doubt=self.in_doubt,
                unconfirmed=self.unconfirmed,
                waiting=0 if outbox is None else outbox.waiting,
                outbox_dropped=0 if outbox is None else outbox.dropped,
                received=self.received,
                rejected=rejected,
                dropped=dropped,
                reconnects=max(0, self.sessions - 1),
                round_trip=self.round_trip,
            )


class Delivery:
    """What was handed to one connection, and how far the hub is known to have read it.

    Messages are counted from 1, in the order in which they were written: `handed` is called by whoever holds the
    writing lock. All times are seconds on one clock.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._asks = True
        self._ledger = ledger
        self._lock = ledger.lock
        self._written = self._confirmed = 0
        self._is_closed = self._is_looked_after = False
        #: The newest messages that are not confirmed, each with its number and its size.
        self._kept: deque[tuple[int, int, HiveMessage]] = deque()
        self._kept_bytes = 0
        #: What had been written before each ping that waits for its pong, and when that was sent.
        self._asked: dict[bytes, tuple[int, float]] = {}
        self._pings = 0
        self._asked_for = self._unasked_bytes = 0

    @property
    def asks(self) -> bool:
        """Whether pings may be sent for the sake of messages."""
        return self._asks

    @asks.setter
    def asks(self, asks: bool) -> None:
        with self._lock:
            self._asks = asks
            if not asks and self._ledger.outbox is not None:
                self._ledger.outbox.unprovable(self)

    @property
    def is_unconfirmed(self) -> bool:
        """Whether something was handed over that the hub is not known to have read."""
        return self._written > self._confirmed

    @property
    def asked_at(self) -> Optional[float]:
        """When the oldest ping was sent that waits for its pong."""
        with self._lock:
            return next((began for _, began in self._asked.values()), None)

    def leaving(self, number: int) -> None:
        """The message of the outbox with this number is about to be written. Raises what its store raises."""
        if self._ledger.outbox is not None:
            self._ledger.outbox.leaving(number)

    def handed(
        self, message: HiveMessage, frames: Sequence[Frame], answered: bool = False, number: int = 0
    ) -> Optional[Ask]:
        """All frames of a message were handed to the connection; `answered`: the hub has said that it has them.

        `number` is its number in the outbox, 0 for none. What is in the outbox until it is proven is never in doubt.
        Returns what to do about its confirmation. Raises ConnectionLost where the end of the connection was told
        meanwhile: the message is not among those in doubt then.
        """
        size = sum(map(len, frames))
        with self._lock:
            if self._is_closed and not answered:
                raise ConnectionLost(
                    "the connection ended while a message was sent: it may have arrived or not"
                )
            outbox, is_safe = self._ledger.outbox, False
            if number and outbox is not None:
                is_safe = outbox.handed(number, self, self._written + 1, self._asks or answered)
            self._written += 1
            self._ledger.unconfirmed += 1
            if answered:
                self._confirm(self._written)
                return None
            if not is_safe:
                self._kept.append((self._written, size, message))
                self._kept_bytes += size
            self._unasked_bytes += size
            if len(self._kept) > MOST_KEPT or self._kept_bytes > MOST_KEPT_BYTES:
                self._forget_oldest()
            if not self._is_looked_after:
                self._is_looked_after = self._asks
                return Ask.LATER if self._asks else None
            many = self._written - self._asked_for >= ASK_AFTER_MESSAGES
            if (many or self._unasked_bytes >= ASK_AFTER_BYTES) and len(self._asked) < _MOST_ASKED:
                return Ask.NOW
        return None

    def look(self) -> Optional[Ask]:
        """What to do `ASK_AFTER_S` after `Ask.LATER`, and again after each answer but None: nothing is open then."""
        with self._lock:
            if self._is_closed or not (self.is_unconfirmed and self._asks):
                self._is_looked_after = False
                return None
            is_asked = bool(self._asked) and self._asked_for == self._written
            return Ask.LATER if is_asked or len(self._asked) >= _MOST_ASKED else Ask.NOW

    def asked(self, now: float, payload: Optional[bytes] = None) -> bytes:
        """A ping is about to be written: returns its payload, which is a new one where none is given."""
        with self._lock:
            self._pings += 1
            payload = payload or _PING_PREFIX + self._pings.to_bytes(8, "big")
            if len(self._asked) >= _MOST_ASKED:
                del self._asked[next(iter(self._asked))]  # a later pong proves as much
            self._asked[payload] = (self._written, now)
            self._asked_for, self._unasked_bytes = self._written, 0
        return payload

    def ponged(self, payload: bytes, now: float) -> None:
        """A pong has come: the hub has read what was written before its ping."""
        with self._lock:
            if self._is_closed or payload not in self._asked:
                return
            mark, began = self._asked[payload]
            while payload in self._asked:  # what earlier ones would prove is proven too
                del self._asked[next(iter(self._asked))]
            self._ledger.round_trip = now - began
            self._confirm(mark)

    def answered(self, is_asked: Callable[[HiveMessage], bool]) -> None:
        """An answer has come to the QUERY or CASCADE for which `is_asked` is true: the hub has read that."""
        with self._lock:
            for number, _, message in self._kept:
                if message.msg_type in QUESTION_TYPES and is_asked(message):
                    self._confirm(number)
                    break

    def measured(self, seconds: float) -> None:
        """A round trip was measured in some other way."""
        with self._lock:
            self._ledger.round_trip = seconds

    def close(self) -> Optional[UnconfirmedMessages]:
        """The connection has ended: what is in doubt, or None. Nothing is handed to it or confirmed any more."""
        with self._lock:
            count = 0 if self._is_closed else self._written - self._confirmed
            self._is_closed, self._confirmed = True, self._written
            self._ledger.unconfirmed -= count
            if self._ledger.outbox is not None:
                count -= self._ledger.outbox.lost(self)
            self._ledger.in_doubt += count
            if not count:
                return None
            messages = tuple(message for _, _, message in self._kept)
            self._kept.clear()
        return UnconfirmedMessages(messages, count - len(messages))

    def _confirm(self, mark: int) -> None:
        fresh = mark - self._confirmed
        if fresh <= 0:
            return
        self._confirmed = mark
        self._ledger.confirmed += fresh
        self._ledger.unconfirmed -= fresh
        if self._ledger.outbox is not None:
            self._ledger.outbox.confirmed(self, mark)
        while self._kept and self._kept[0][0] <= mark:
            self._kept_bytes -= self._kept.popleft()[1]

    def _forget_oldest(self) -> None:
        while len(self._kept) > MOST_KEPT or self._kept_bytes > MOST_KEPT_BYTES:
            self._kept_bytes -= self._kept.popleft()[1]
