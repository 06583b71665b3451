"""Limits, deadlines, the delays between attempts to connect, what an outbox holds, how often HTTP is polled.

All of them raise InvalidOption for a number that makes no sense.
"""

from __future__ import annotations

import random
from os import PathLike
from typing import Any, Callable, Optional, Union

from attrs import Attribute, evolve, field, frozen

from hivemind_core_client.wire.errors import InvalidOption

#: The share of a silence after which it is asked again: an answer that took a second is found 0.1 s late at most.
_EASE = 0.1
#: The shortest pause between two polls, in seconds.
_SHORTEST = 0.005
#: No wait may be longer, in seconds.
_LONGEST = 2**31 - 1


def _checked(
    allowed: str, fits: Callable[[Any], bool], *kinds: type
) -> Callable[[Any, Attribute[Any], Any], None]:
    """A validator that raises InvalidOption for what is of none of the kinds or does not fit; NaN never does."""

    def check(owner: object, option: Attribute[Any], value: Any) -> None:
        if isinstance(value, bool) or not isinstance(value, kinds) or not fits(value):
            raise InvalidOption(f"{type(owner).__name__}.{option.name} is {value!r}; it must be {allowed}")

    return check


_some_bytes = _checked("a whole number of bytes, more than 0", lambda size: size > 0, int)
_some_seconds = _checked("seconds, more than 0 and finite", lambda some: 0 < some <= _LONGEST, int, float)
_any_seconds = _checked("seconds, 0 or more and finite", lambda some: 0 <= some <= _LONGEST, int, float)
_seconds_or_none = _checked(
    "seconds, more than 0 and finite, or None",
    lambda some: some is None or 0 < some <= _LONGEST,
    *(int, float, type(None)),
)
_a_path = _checked("a path, or None", lambda path: path is None or bool(str(path)), str, PathLike, type(None))
#: The values of `Outbox.delivery`.
AT_LEAST_ONCE = "at-least-once"
_DELIVERIES = (AT_LEAST_ONCE, "at-most-once")
_a_pause = _checked(
    f"seconds, {_SHORTEST} or more and finite", lambda some: _SHORTEST <= some <= _LONGEST, int, float
)


@frozen
class Limits:
    """The most that the client accepts from a peer, in bytes.

    - `frame`: one frame as it arrives.
    - `inflated`: one frame after it is decompressed.
    - `assembled`: a message of protocol version 3 that comes or goes in pieces. Hubs assemble no more than the default.
    - `unauthenticated`: all frames together that a hub sends before both sides have a key.

    JSON needs many times its own length in memory. A message may take half of `inflated`, or 7 times the length of its
    frame if that is more.
    """

    frame: int = field(default=96 * 2**20, validator=_some_bytes)
    inflated: int = field(default=32 * 2**20, validator=_some_bytes)
    assembled: int = field(default=32 * 2**20, validator=_some_bytes)
    unauthenticated: int = field(default=2**20, validator=_some_bytes)


@frozen
class Deadlines:
    """How long each phase may take, in seconds.

    - `tcp`: to find the address and to connect.
    - `tls` and `upgrade`: these steps of a connection.
    - `first_frame`: from the upgrade to the hub's HELLO.
    - `handshake`: from the HELLO to the session.
    - `write`: how long the hub may read nothing of a message that is being written.
    - `send`: how long `emit` waits for a session, and for plugins that prepare what it sends. Then it raises.
    - `close`: how long `close` waits for the hub to end the connection, and for the client's threads.
    """

    tcp: float = field(default=10.0, validator=_some_seconds)
    tls: float = field(default=10.0, validator=_some_seconds)
    upgrade: float = field(default=10.0, validator=_some_seconds)
    first_frame: float = field(default=10.0, validator=_some_seconds)
    handshake: float = field(default=20.0, validator=_some_seconds)
    write: float = field(default=30.0, validator=_some_seconds)
    send: float = field(default=2.0, validator=_any_seconds)
    close: float = field(default=3.0, validator=_some_seconds)

    def opening_within(self, seconds: Optional[float]) -> Deadlines:
        """These, but each phase up to the hub's HELLO takes `seconds` at most; None changes nothing."""
        if seconds is None:
            return self
        names = ("tcp", "tls", "upgrade", "first_frame")
        return evolve(self, **{name: min(getattr(self, name), seconds) for name in names})

    @property
    def attempt(self) -> float:
        """What one attempt to connect can take at most."""
        return self.tcp + self.tls + self.upgrade + self.first_frame + self.handshake

    def of(self, phase: str) -> float:
        """The deadline of a phase named as in `states.PHASES`."""
        return self.first_frame if phase == "first frame" else self.handshake


@frozen
class Backoff:
    """How long to wait before each attempt to reconnect, in seconds.

    The delay starts at `first`, doubles with each attempt, and is `cap` at most. Then it is multiplied by a random
    factor of 0.5 to 1.5, and is `cap` at most again. So satellites that lost their hub together do not come back all at
    once. `chance` returns the random number, 0 to 1. The default is random even on satellites that were cloned.

    After a session of `reset_after` seconds the delay starts at `first` again. A shorter session does not reset it: a
    hub that ends every session soon is not asked again at once each time.
    """

    first: float = field(default=1.0, validator=_some_seconds)
    cap: float = field(default=60.0, validator=_some_seconds)
    reset_after: float = field(default=60.0, validator=_any_seconds, kw_only=True)
    chance: Callable[[], float] = random.SystemRandom().random

    def delay(self, attempt: int) -> float:
        """The delay in seconds before attempt number `attempt`, counted from 0."""
        capped = min(self.cap, self.first * 2.0 ** min(attempt, 30))
        return min(self.cap, capped * (0.5 + self.chance()))

    def longest(self) -> float:
        """The delay in seconds before an attempt that is made now and then."""
        return min(self.cap, self.cap * (0.5 + self.chance()))


@frozen
class Outbox:
    """What is kept while the hub is away. `outbox=` of a client takes it.

    - `messages` and `bytes`: the most that is kept. The oldest messages are dropped to make room for newer ones.
    - `seconds`: a message that has waited for longer is dropped. None means no limit.
    - `path`: the file that messages are kept in, so that they outlive the process. None means memory.
    - `delivery`: `at-least-once` or `at-most-once`. The first sends again what a lost connection left in doubt, so a
      message can arrive twice. With the second it can get lost.
    - `dropped`: a handler for the event `dropped`.
    """

    messages: int = field(default=10_000, validator=_checked("1 or more", lambda count: count > 0, int))
    bytes: int = field(default=16 * 2**20, validator=_some_bytes)
    seconds: Optional[float] = field(default=3_600.0, validator=_seconds_or_none)
    path: Union[str, PathLike[str], None] = field(default=None, validator=_a_path)
    delivery: str = field(
        default=AT_LEAST_ONCE, validator=_checked(" or ".join(_DELIVERIES), _DELIVERIES.__contains__, str)
    )
    dropped: Optional[Callable[[Any, str], Any]] = None

    @property
    def twice(self) -> bool:
        """Whether a message may arrive twice, so that none gets lost."""
        return self.delivery == AT_LEAST_ONCE


@frozen
class Polling:
    """How often a client asks the hub for messages, in seconds.

    While messages go either way, it asks every `fast` seconds, and sooner right after a message. Then it asks less and
    less often: the pause is a tenth of the time since the last message, up to `slow` seconds. So a message that nobody
    expects comes at most `slow` seconds late. Neither is less than 0.005.
    """

    fast: float = field(default=0.05, validator=_a_pause)
    slow: float = field(default=2.0, validator=_a_pause)

    def interval(self, quiet: float) -> float:
        """Seconds until the next poll, `quiet` seconds after the last message."""
        return min(self.slow, max(_SHORTEST, min(self.fast, quiet), quiet * _EASE))
