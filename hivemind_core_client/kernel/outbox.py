"""What waits for a hub that is away, sans IO: which messages are kept, for how long, and in which order they go out."""

from __future__ import annotations

import logging
import sys
from collections import deque
from collections.abc import Sequence
from contextlib import AbstractContextManager, suppress
from enum import Enum
from typing import TYPE_CHECKING, Any, Callable, Optional

from hivemind_core_client.wire.errors import (
    ConnectionLost,
    FrameError,
    HiveMindError,
    Mend,
    NotConnected,
    Setting,
)
from hivemind_core_client.wire.message import AnyMessageType, HiveMessage, HiveMessageType, Payload
from hivemind_core_client.wire.message_types import BY_NAME
from hivemind_core_client.wire.outbox_errors import OutboxFull
from hivemind_core_client.wire.ovos import CALL_ID

if TYPE_CHECKING:
    from hivemind_core_client.kernel.outbox_store import OutboxStore, StoredMessage
    from hivemind_core_client.kernel.policy import Outbox

log = logging.getLogger(__name__)

#: So many messages may be with the hub that it is not known to have read. So many can come twice.
MOST_IN_FLIGHT = 64
#: So many are read from the store at a time.
_READ_AHEAD = 64
#: What is kept, where nothing else is inside.
_KEPT_TYPES = frozenset(
    {
        HiveMessageType.BUS,
        HiveMessageType.SHARED_BUS,
        HiveMessageType.BROADCAST,
        HiveMessageType.PROPAGATE,
        HiveMessageType.ESCALATE,
        HiveMessageType.INTERCOM,
        HiveMessageType.THIRDPRTY,
    }
)


class DropReason(str, Enum):
    """Why a message was taken out of an outbox and not sent. A member equals its text."""

    NO_ROOM = "newer messages needed its room"
    TOO_OLD = "it waited for too long"
    OTHER_HUB = "it was for another hub or access key"
    NOT_SENDABLE = "it cannot be sent"
    UNREADABLE = "it cannot be read any more"

    __str__ = str.__str__


#: A message that was dropped, None for one that cannot be read; and why.
Dropped = tuple[Optional[HiveMessage], DropReason]


def is_kept(message: HiveMessage) -> bool:
    """Whether an outbox keeps messages of this kind: no questions, no sound, nothing that belongs to a session."""
    kind: Optional[AnyMessageType] = message.msg_type
    fields = message.raw_payload
    while kind is not None and kind in _KEPT_TYPES:
        if kind.carries not in (Payload.OVOS, Payload.HIVE):
            return True
        if not isinstance(fields, dict):  # whoever sends it is told
            return False
        if kind.carries is Payload.OVOS:
            return CALL_ID not in (fields.get("context") or ())
        kind, fields = BY_NAME.get(str(fields.get("msg_type"))), fields.get("payload")
    return False


class OutboxQueue:
    """The outbox of one client. `lock` guards it, and the books of the client. All times are in seconds on one clock.

    A message `waits`, or is in flight: handed to a connection, and not proven. What is in flight when that connection
    ends waits again. Whoever hands messages over claims the queue before: there is one at a time.
    """

    def __init__(self, options: Outbox, store: OutboxStore, lock: AbstractContextManager[Any]) -> None:
        self.options = options
        #: Called after there is more room, or less to do.
        self.changed: Callable[[], None] = _nobody
        #: By what `seconds` are measured, where the store has messages of an earlier process.
        self.clock: Optional[Callable[[], float]] = None
        self.dropped = 0
        self._store = store
        self._lock = lock
        self._is_open = self._is_claimed = False
        #: By number: the connection that a message was handed to, and its place there.
        self._flight: dict[int, tuple[object, int]] = {}
        #: The numbers of what is in the store, and is done with.
        self._done: set[int] = set()
        #: The number of the message that is being written; 0 for none. And of one that is in the store no more then.
        self._at_hand = self._leaving = 0
        #: For whom all that waits is.
        self._owner: object = None
        #: All up to this number are in flight or done with.
        self._cursor = 0
        self._ahead: deque[StoredMessage] = deque()
        self._drops: list[Dropped] = []
        self._has_failed = False

    @property
    def waiting(self) -> int:
        """How many messages wait."""
        return self._store.count - len(self._flight) - len(self._done) + bool(self._leaving)

    @property
    def has_way(self) -> bool:
        """Whether another message may be handed over before something is proven."""
        return len(self._flight) < MOST_IN_FLIGHT

    @property
    def is_settled(self) -> bool:
        """Whether nothing waits, and nobody hands anything over."""
        return not self._is_claimed and self.waiting <= 0

    def open(self) -> None:
        """Open the store. Raises OutboxFileError."""
        with self._lock:
            self._store.open()
            self._is_open = True

    def belong(self, owner: object) -> None:
        """What waits goes to this hub, with this key, and to no other. What was for another one is dropped.

        Raises OutboxFileError where a file has messages for another one.
        """
        with self._lock:
            if self._is_open and self._owner not in (None, owner):
                self._is_open = False
                self._store.close()
                self._ahead.clear()
                self.open()
                while (oldest := self._first()) is not None:
                    self._drop(oldest, DropReason.OTHER_HUB)
            self._owner = owner

    def close(self) -> None:
        """Close the store. What waits stays in it."""
        with self._lock:
            if self._is_open and self.waiting:
                log.warning(
                    "messages that wait in the outbox, and go out after the next connect(): %d (docs/delivery.md)",
                    self.waiting,
                )
            self._is_open = False
            self._store.close()
            self._ahead.clear()

    def check(self, data: bytes) -> None:
        """Raises OutboxFull for a message that has no room even in an empty outbox."""
        if len(data) > self.options.bytes:
            raise OutboxFull(
                f"a message of {len(data)} bytes is larger than the outbox, which holds {self.options.bytes}",
                Mend("raise ", Setting("Outbox.bytes")),
            )

    def has_room(self, size: int) -> bool:
        """Whether a message of so many bytes has room with those that are in it."""
        count = self._store.count - len(self._done)
        return count < self.options.messages and self._store.size + size <= self.options.bytes

    def enter(self, data: bytes, now: float, stands: bool) -> Optional[int]:
        """Keep a message; returns its number. The oldest that wait make room for it.

        None where it has no room yet: while a session `stands` there is soon more, and nothing is dropped for it.
        Raises what the store raises, and OutboxFull where no room can be made.
        """
        with self._lock:
            if not self.has_room(len(data)):
                self._expire(now)
                self._trim()
            while not self.has_room(len(data)):
                if self._has_failed:
                    raise OutboxFull(
                        "the outbox is full of messages that are done with and could not be removed",
                        Mend("see in the log why"),
                    )
                oldest = None if stands else self._first()
                if oldest is None:
                    return None
                self._drop(oldest, DropReason.NO_ROOM)
            return self._store.append(data, now)

    def claim(self, number: int = 0) -> bool:
        """Whether who asks may hand messages over, until `release`: all, or the one with this number."""
        with self._lock:
            if self._is_claimed or not self.waiting or (number and (self.waiting > 1 or not self.has_way)):
                return False
            self._is_claimed = True
            return True

    def next(self, now: float) -> Optional[StoredMessage]:
        """The message that is to be handed over next; None for none. Raises what the store raises."""
        with self._lock:
            self._expire(now)
            return self._first()

    def release(self) -> bool:
        """Whoever has claimed the queue hands nothing over any more. Returns whether something waits."""
        with self._lock:
            self._is_claimed, self._at_hand = False, 0
            return self.waiting > 0

    def leaving(self, number: int) -> None:
        """This message is about to be written. Raises what the store raises.

        Raises NotConnected where it is not the next one any more: a connection has ended since it was.
        """
        with self._lock:
            oldest = self._first()
            if oldest is None or oldest.number != number:
                raise NotConnected(
                    "the session for which a message of the outbox was read has ended: it waits"
                )
            self._at_hand = number
            if not self.options.twice:
                self._store.remove_up_to(number)
                self._leaving, self._done = number, {each for each in self._done if each > number}
                self._pass(number)

    def has_left(self, number: int) -> bool:
        """Whether this message is in the store no more, though it was not handed over whole; it is forgotten then."""
        with self._lock:
            had_left, self._leaving = self._leaving == number, 0
            return had_left

    def handed(self, number: int, connection: object, place: int, is_provable: bool) -> bool:
        """This message was handed to a connection. Returns whether it may go out again if that ends unproven.

        Raises ConnectionLost for one that was dropped meanwhile, as the connection ends.
        """
        with self._lock:
            self._at_hand = 0
            if self._leaving == number:
                self._leaving = 0
                return False
            if number <= self._cursor:
                raise ConnectionLost(
                    "the connection ended while a message was sent, and the outbox dropped it"
                )
            self._pass(number)
            if is_provable:
                self._flight[number] = (connection, place)
            else:
                self._finish(number)
            return is_provable

    def confirmed(self, connection: object, place: int) -> None:
        """The hub has read what was handed to this connection, up to this place."""
        with self._lock:
            proven = [each for each, at in self._flight.items() if at[0] is connection and at[1] <= place]
            for number in proven:
                del self._flight[number]
            self._done.update(proven)
            self._trim()
        if proven:
            self.changed()

    def lost(self, connection: object) -> int:
        """A connection has ended. Returns how many messages that it left unproven wait again."""
        with self._lock:
            back = [number for number, (own, _) in self._flight.items() if own is connection]
            for number in back:
                del self._flight[number]
            if back:
                self._cursor = min(self._cursor, min(back) - 1)
                self._ahead.clear()
            return len(back)

    def unprovable(self, connection: object) -> None:
        """Nothing that was handed to this connection will be proven: it counts as sent."""
        self.confirmed(connection, sys.maxsize)

    def withdraw(self, number: int) -> bool:
        """A message is not to be sent: whoever sent it is told. False, and nothing done, where it was sent already."""
        with self._lock:
            is_sent = number <= self._cursor or number in self._flight or number in self._done
            if not is_sent:
                self._finish(number)
            return not is_sent

    def reject(self, stored: StoredMessage, reason: DropReason) -> None:
        """A message cannot be sent: it is dropped."""
        with self._lock:
            self._drop(stored, reason)

    def expire(self, now: float) -> None:
        """Drop what has waited for too long."""
        with self._lock:
            self._expire(now)

    def take_drops(self) -> Sequence[Dropped]:
        """What was dropped since this was called last, to be told."""
        with self._lock:
            drops, self._drops = self._drops, []
        return drops

    def _first(self) -> Optional[StoredMessage]:
        """The oldest that waits."""
        while True:
            if not self._ahead:
                self._ahead.extend(self._store.after(self._cursor, _READ_AHEAD))
            if not self._ahead:
                return None
            oldest = self._ahead[0]
            if oldest.number not in self._flight and oldest.number not in self._done:
                return oldest
            self._pass(oldest.number)

    def _pass(self, number: int) -> None:
        """What is up to this number waits no more."""
        self._cursor = max(self._cursor, number)
        while self._ahead and self._ahead[0].number <= number:
            self._ahead.popleft()

    def _expire(self, now: float) -> None:
        if self.options.seconds is None:
            return
        while (oldest := self._first()) is not None and now - oldest.since > self.options.seconds:
            if oldest.number == self._at_hand:
                return
            self._drop(oldest, DropReason.TOO_OLD)

    def _drop(self, stored: StoredMessage, reason: DropReason) -> None:
        message: Optional[HiveMessage]
        try:
            message = read(stored)
        except FrameError:
            message, reason = None, DropReason.UNREADABLE
        self.dropped += 1
        self._drops.append((message, reason))
        self._finish(stored.number)

    def _finish(self, number: int) -> None:
        """A message is done with. Others may be before it: those that a lost connection gave back."""
        self._done.add(number)
        with suppress(HiveMindError):
            self._first()
        self._trim()

    def _trim(self) -> None:
        """Remove from the store what is done with. What is in flight keeps what is behind it."""
        last = min(self._flight) - 1 if self._flight else self._cursor
        if not self._done or min(self._done) > last:
            return
        try:
            self._store.remove_up_to(last)
        except HiveMindError as error:  # it is not sent again from here, but perhaps by the next process
            if not self._has_failed:
                log.error("messages that are done with could not be removed from the outbox: %s", error)
            self._has_failed = True
        else:
            self._done = {number for number in self._done if number > last}
            self._has_failed = False


def read(stored: StoredMessage) -> HiveMessage:
    """The message that is stored. Raises FrameError for what is none."""
    return HiveMessage.from_wire(stored.data)


def _nobody() -> None:
    """Nobody waits."""
