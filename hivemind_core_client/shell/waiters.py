"""Waiting for a message: who waits, for what, and what ended the wait."""

from __future__ import annotations

import time
from collections.abc import Iterable
from threading import Event, Lock
from typing import Callable, Optional, Union

from hivemind_core_client.wire.message import OVOS_TYPES, HiveMessage, HiveMessageType, read_message_type

Names = Union[str, Iterable[str]]
Matcher = Callable[[HiveMessage], bool]

_TYPE_NAMES = frozenset(member.value for member in HiveMessageType)


#: Seconds after which a wait lets Python look at signals. The system may hand Ctrl-C to any thread, and a lock
#: that the main thread waits for does not wake for it (docs.python.org, signal, "Signals and threads").
_SLICE = 0.2


def wait_in_slices(wait: Callable[[float], bool], seconds: Optional[float]) -> bool:
    """Call `wait(…)` until it returns True or `seconds` are over (None: never), so that Ctrl-C gets through."""
    end = None if seconds is None else time.monotonic() + seconds
    while True:
        left = _SLICE if end is None else max(0.0, min(_SLICE, end - time.monotonic()))
        if wait(left):
            return True
        if end is not None and time.monotonic() >= end:
            return False


class Waiter:
    """One wait. `request` True ends it with the connection, since its answer can come no more."""

    def __init__(self, matches: Matcher, request: bool) -> None:
        self._matches = matches
        self._over = Event()
        self.request = request
        self.message: Optional[HiveMessage] = None

    @property
    def is_over(self) -> bool:
        """True once the wait has ended, with a message or without."""
        return self._over.is_set()

    def offer(self, message: HiveMessage) -> bool:
        """True when this message ends the wait."""
        if self._over.is_set() or not self._matches(message):
            return False
        self.message = message
        self._over.set()
        return True

    def give_up(self) -> None:
        """End the wait without a message."""
        self._over.set()

    def wait(self, seconds: Optional[float]) -> Optional[HiveMessage]:
        """The message, or None when the wait ended without one. None waits for ever."""
        wait_in_slices(self._over.wait, seconds)
        return self.message


class Waiters:
    """All who wait on one client; safe to use from any thread."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._waiting: list[Waiter] = []
        self._closed = False

    def add(self, matches: Matcher, request: bool = False) -> Waiter:
        """Begin to wait: what arrives from now on counts."""
        waiter = Waiter(matches, request)
        self.join(waiter)
        return waiter

    def join(self, waiter: Waiter) -> None:
        """Let this one wait too."""
        with self._lock:
            closed = self._closed
            if not closed:
                self._waiting.append(waiter)
        if closed:
            waiter.give_up()

    def remove(self, waiter: Waiter) -> None:
        """Wait no more; a waiter that is gone already is no error."""
        with self._lock:
            if waiter in self._waiting:
                self._waiting.remove(waiter)

    def offer(self, message: HiveMessage) -> None:
        """Show a message to all who wait."""
        if not self._waiting:
            return
        with self._lock:
            self._waiting = [waiter for waiter in self._waiting if not waiter.offer(message)]

    def close(self) -> None:
        """End all waits, and every new one at once: nothing can arrive any more."""
        self._closed = True
        self.give_up(requests_only=False)

    def reopen(self) -> None:
        """Let them wait again."""
        self._closed = False

    def give_up(self, requests_only: bool) -> None:
        """End the waits for answers, or all of them."""
        with self._lock:
            ended = [waiter for waiter in self._waiting if waiter.request or not requests_only]
            self._waiting = [waiter for waiter in self._waiting if waiter not in ended]
        for waiter in ended:
            waiter.give_up()


def names_of(names: Names) -> frozenset[str]:
    """One name or several, as a set."""
    return frozenset((names,)) if isinstance(names, str) else frozenset(names)


def is_hive_type(name: str) -> bool:
    """True for a HiveMessageType or its wire name; anything else names an OVOS message."""
    return name in _TYPE_NAMES


def message_named(names: Names) -> Matcher:
    """Matches hive messages of a type, or BUS messages that carry an OVOS message of a type."""
    wanted = names_of(names)
    hive = {read_message_type(name) for name in wanted if is_hive_type(name)}
    ovos = {name for name in wanted if not is_hive_type(name)}

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
        if message.msg_type not in types or message.msg_type is HiveMessageType.BINARY:
            return False
        name = message["type" if message.msg_type in OVOS_TYPES else "msg_type"]
        return type(name) is str and name in payloads

    return matches
