"""Waiting for messages, without the waiting itself: who waits, for what, and what ended the wait."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from threading import Lock
from typing import TYPE_CHECKING, Any, Callable, Generic, Optional, Protocol, TypeVar, Union

from hivemind_core_client.wire.errors import HiveMindError, InvalidOption, again
from hivemind_core_client.wire.message import HiveMessage, HiveMessageType, Payload, read_message_type

if TYPE_CHECKING:
    from hivemind_core_client.wire.denials import MessageDenied

Names = Union[str, Iterable[str]]
Matcher = Callable[[HiveMessage], bool]

_TYPE_NAMES = frozenset(member.value for member in HiveMessageType)
#: The names of message types that plugins bring.
TypeNames = Collection[str]
#: What `wait_for_mycroft` looks into, and `wait_for_payload` where nothing else is said.
OVOS_PACKET = HiveMessageType.BUS
PAYLOAD_PACKETS = (HiveMessageType.BUS, HiveMessageType.THIRDPRTY)


class Notifies(Protocol):
    """Wakes who waits for something to change. Each shell has its own, with a `wait_until`."""

    def notify(self) -> None:
        """Let those who wait look again."""


N = TypeVar("N", bound=Notifies)


class Waiter(Generic[N]):
    """One wait, for the first message that `matches`.

    With `request`, it ends with the connection too: the answer can come no more. `notifier` is told of the end. `asked`
    holds the names of what was sent for it; once the hub denies that, `error` says so.
    """

    asked: Collection[str] = ()
    error: Optional[MessageDenied] = None

    def __init__(self, matches: Matcher, notifier: N, request: bool = False) -> None:
        self.matches = matches
        self.notifier = notifier
        self.request = request
        self.message: Optional[HiveMessage] = None
        self._ended = False

    @property
    def is_over(self) -> bool:
        """Whether the wait has ended."""
        return self._ended

    def offer(self, message: HiveMessage) -> bool:
        """True when this message ends the wait."""
        if self._ended or not self.matches(message):
            return False
        self.message = message
        self.give_up()
        return True

    def deny(self, error: MessageDenied) -> bool:
        """True when this denial ends the wait: it is about what was sent for it."""
        if self.is_over or error.msg_type not in self.asked:
            return False
        self.error = error
        self.give_up()
        return True

    def give_up(self) -> None:
        """End the wait."""
        self._ended = True
        self.notifier.notify()


class OneShot(Waiter[N]):
    """A wait that may be given up unnoticed: whoever waits is gone."""

    def offer(self, message: HiveMessage) -> bool:
        """True when this message ends the wait, and when nobody waits any more."""
        return self._ended or super().offer(message)

    def stop(self) -> None:
        """Look at no more messages. Takes no lock, since the garbage collector calls it too, wherever it runs."""
        self._ended = True


class Gatherer(Waiter[N]):
    """Shows every message that arrives to `take`, until `stop` or `over()`; `take` tells whether it was of interest.

    `lost` is set when the connection ended, or the hub denied what was sent.
    """

    def __init__(
        self, take: Callable[[HiveMessage], bool], notifier: N, over: Callable[[], bool] = lambda: False
    ) -> None:
        super().__init__(take, notifier, request=True)
        self.lost = False
        self._over = over

    @property
    def is_over(self) -> bool:
        """Whether it wants to see no more."""
        return self._ended or self._over()

    def offer(self, message: HiveMessage) -> bool:
        """True once this waiter wants to see no more."""
        if not self._ended and self.matches(message):
            self.notifier.notify()
        return self._ended or self._over()

    def give_up(self) -> None:
        """The connection ended."""
        self.lost = True
        self.notifier.notify()

    def why_lost(self, loss: Callable[[], HiveMindError]) -> HiveMindError:
        """What ended it: the denial, else `loss()` of the connection."""
        return self.error or loss()

    def stop(self) -> None:
        """Look at no more messages. Takes no lock, since the garbage collector calls it too, wherever it runs."""
        self._ended = True


class Waits(Protocol):
    """What Waiters keep: a Waiter, or what reads along."""

    @property
    def request(self) -> bool:
        """Whether the end of the connection ends it."""

    @property
    def is_over(self) -> bool:
        """Whether nobody waits any more."""

    def offer(self, message: HiveMessage) -> bool:
        """True when this message ends it."""

    def deny(self, error: MessageDenied) -> bool:
        """True when this denial ends it."""

    def give_up(self) -> None:
        """It ends without a message."""


class Waiters:
    """All who wait on one client; safe to use from any thread."""

    def __init__(self) -> None:
        self._lock = Lock()
        #: Those who wait; another list each time that somebody comes or goes.
        self.waiting: list[Waits] = []
        self._closed = False
        self._forbidden: Optional[HiveMindError] = None

    def __len__(self) -> int:
        """How many wait."""
        return sum(not waiter.is_over for waiter in self.waiting)

    def join(self, waiter: Waits) -> None:
        """Let this one wait too: what arrives from now on counts. Raises what forbids it."""
        if self._forbidden is not None:
            raise again(self._forbidden)
        with self._lock:
            closed = self._closed
            if not closed:
                self.waiting = [*(other for other in self.waiting if not other.is_over), waiter]
        if closed:
            waiter.give_up()

    def remove(self, waiter: Waits) -> None:
        """Wait no more; a waiter that is gone already is no error."""
        with self._lock:
            self.waiting = [other for other in self.waiting if other is not waiter]

    def offer(self, message: HiveMessage) -> None:
        """Show a message to all who wait."""
        with self._lock:
            self.waiting = [waiter for waiter in self.waiting if not waiter.offer(message)]

    def deny(self, error: MessageDenied) -> bool:
        """End the oldest wait for an answer to what the hub has denied; False where nobody waits for one.

        A hub reads in order and names the type alone, so of several waits of one type it is the oldest.
        """
        with self._lock:
            ended = next((waiter for waiter in self.waiting if waiter.deny(error)), None)
            self.waiting = [waiter for waiter in self.waiting if waiter is not ended]
        return ended is not None

    def close(self) -> None:
        """End all waits, and every new one at once: nothing can arrive any more."""
        self._closed = True
        self._give_up(list)

    def reopen(self) -> None:
        """Let them wait again."""
        self._closed = False

    def forbid(self, error: HiveMindError) -> None:
        """Nobody may wait any more, because of `error`."""
        self._forbidden = error

    def end_requests(self) -> None:
        """End the waits for answers."""
        self._give_up(lambda waiting: [waiter for waiter in waiting if waiter.request])

    def _give_up(self, chosen: Callable[[list[Waits]], list[Waits]]) -> None:
        with self._lock:
            ended = chosen(self.waiting)
            self.waiting = [waiter for waiter in self.waiting if waiter not in ended]
        for waiter in ended:
            waiter.give_up()


def names_of(names: Names) -> frozenset[str]:
    """One name or several, as a set."""
    return frozenset((names,)) if isinstance(names, str) else frozenset(names)


def is_hive_type(name: str, more: TypeNames = ()) -> bool:
    """True for a HiveMessageType, its wire name, or one of these `more`; anything else names an OVOS message."""
    return name in _TYPE_NAMES or name in more


def message_named(names: Names, more: TypeNames = ()) -> Matcher:
    """Matches hive messages of a type, `more` of which plugins bring, or BUS messages of an OVOS type."""
    wanted = names_of(names)
    hive = {read_message_type(name) for name in wanted if is_hive_type(name, more)}
    ovos = {name for name in wanted if not is_hive_type(name, more)}

    def matches(message: HiveMessage) -> bool:
        if message.msg_type in hive:
            return True
        return message.msg_type is HiveMessageType.BUS and message["type"] in ovos

    return matches


def payload_named(payload_type: Names, message_type: Names) -> Matcher:
    """Matches hive messages of `message_type` whose payload, a Message or a HiveMessage, is of `payload_type`."""
    payloads = names_of(payload_type)
    types = {read_message_type(name) for name in names_of(message_type)}

    def matches(message: HiveMessage) -> bool:
        if message.msg_type not in types or message.msg_type.form is not dict:
            return False
        name = message["type" if message.msg_type.carries is Payload.OVOS else "msg_type"]
        return type(name) is str and name in payloads

    return matches


def reply_type_of(message: Any, packet: HiveMessage) -> str:
    """The type of the answer that a message asks for, where its sender names none; `packet` is what is sent of it."""
    if packet.msg_type.carries is Payload.OVOS and not isinstance(message, HiveMessage):
        return f"{packet['type']}.response"
    return packet.msg_type.value


def patience_of(timeout: Any, retries: Any) -> tuple[float, Optional[int]]:
    """Seconds of each attempt, and how many follow the first; None for any number. Raises InvalidOption."""
    if retries is not None and (isinstance(retries, bool) or not isinstance(retries, int) or retries < 0):
        raise InvalidOption(f"max_retries is {retries!r}; it must be a number, 0 or more, or None")
    return checked_seconds("timeout", timeout), retries


def checked_seconds(name: str, seconds: Any) -> float:
    """Seconds of an option called `name`, 0 or more. Raises InvalidOption for anything else."""
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not 0 <= seconds < 2**31:
        raise InvalidOption(f"{name} is {seconds!r}; it must be seconds, 0 or more")
    return float(seconds)
