"""Limits, deadlines, the delays between attempts to connect, and how often HTTP is polled.

All of them raise InvalidOption for a number that makes no sense.
"""

from __future__ import annotations

import random
from typing import Any, Callable, Optional

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
_a_pause = _checked(
    f"seconds, {_SHORTEST} or more and finite", lambda some: _SHORTEST <= some <= _LONGEST, int, float
)


@frozen
class Limits:
    """Bounds on what a peer can make us hold, in bytes.

    `frame` bounds one frame as it arrives, `inflated` what a frame may decompress to, `assembled` a message of protocol
    version 3 that comes or goes in pieces: what hubs assemble at most. `unauthenticated` bounds all frames together
    that a hub sends before both sides own a key.

    JSON takes many times its own length in memory. A message may take half of `inflated`, or 7 times the length of its
    frame if that is more.
    """

    frame: int = field(default=96 * 2**20, validator=_some_bytes)
    inflated: int = field(default=32 * 2**20, validator=_some_bytes)
    assembled: int = field(default=32 * 2**20, validator=_some_bytes)
    unauthenticated: int = field(default=2**20, validator=_some_bytes)


@frozen
class Deadlines:
    """Seconds that each phase may take.

    `tcp` includes finding the address; `first_frame` runs from the upgrade to the hub's HELLO; `handshake` from
    there to the session; `write` is how long the hub may take nothing of a message that is being written; `send` is
    how long `emit` waits for a session before it raises, and for plugins that prepare what it sends; `close` how
    long `close` waits for the hub's farewell and for our threads.
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
    """Seconds before the n-th attempt to reconnect: doubling from `first`, capped, jittered.

    The jitter is a factor of 0.5 to 1.5 of the capped delay, and the result is capped again, so that
    a fleet that lost its hub at one moment comes back spread over time. `chance` returns 0 to 1; the
    system's own source serves satellites that were cloned with one seed. The doubling begins anew when a session has
    lasted for `reset_after` seconds: a hub that drops each one soon is not asked ever again at once.
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
class Polling:
    """How often a client asks the hub for messages, in seconds.

    Every `fast` seconds while messages go either way, and sooner right after one; then ever slower, by a tenth of the
    time since the last one, and every `slow` seconds when nothing happens for long. So `slow` is how late a message
    may be that nobody expects. Neither is less than 0.005.
    """

    fast: float = field(default=0.05, validator=_a_pause)
    slow: float = field(default=2.0, validator=_a_pause)

    def interval(self, quiet: float) -> float:
        """Seconds until the next poll, `quiet` seconds after the last message."""
        return min(self.slow, max(_SHORTEST, min(self.fast, quiet), quiet * _EASE))
