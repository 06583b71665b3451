"""How a hub is called until it says hello, and when it counts as offline. It decides, and does nothing itself."""

from __future__ import annotations

import enum
from typing import Any, Optional

from attrs import define, field

#: Seconds from one wake-up to the next.
_EACH_S = 1.0
#: How long a hub is called of which it is known that it does not listen, in seconds.
_ABSENT_S = 3.0
#: The shares of `Deadlines.first_frame` after which a hub counts as silent, and for which a last answer is waited for.
_PATIENCE, _GRACE = 0.8, 0.1
#: After so many calls without an answer the hub may still have a session with us, and has to forget it once more.
_ANEW_EACH = 5
#: How long a hub that may have a session with us is given to forget it, in seconds.
_SETTLE_S = 0.5
#: In `TransportSettings.memory`: that a session began before, and that the end of one may have come late.
_BEGAN, _WAS_LATE = "mqtt session", "mqtt late end"


class Call(enum.Enum):
    """What to do now."""

    #: Nothing.
    WAIT = "wait"
    #: Publish a wake-up.
    WAKE = "wake"
    #: Have the hub forget us, before it is called on.
    BEGIN_ANEW = "begin anew"
    #: Publish one that the broker answers: whether somebody listens, and whether we may.
    ASK = "ask"
    #: The hub is offline.
    GIVE_UP = "give up"


@define
class HubCalls:
    """When to call a hub that has not said hello yet.

    `seconds` is `Deadlines.first_frame`. A broker `tells` who listens if it speaks MQTT 5. What is asked has QoS 1, and
    may come after frames that were sent later. So a hub that says that it is online is asked last of all.
    """

    seconds: float
    tells: bool
    #: What the hub says of itself; None as long as it says nothing.
    is_online: Optional[bool] = None
    #: Whether the broker said at last that nobody listens.
    is_nobody_there: bool = False
    #: When the next call is due.
    next_at: float = field(default=0.0, init=False)
    _began: Optional[float] = field(default=None, init=False)
    _has_asked: bool = field(default=False, init=False)
    _calls: int = field(default=0, init=False)

    def turn(self, now: float) -> Call:
        """What to do at this time, by a clock that does not go back."""
        if self._began is None:
            self._began = now
        if now < self.next_at:
            return Call.WAIT
        waited, patience = now - self._began, self._patience
        if waited >= patience:
            if self._has_asked or not self.tells:
                return Call.GIVE_UP
            self.next_at = now + self.seconds * _GRACE
            return self._ask()
        self.next_at = min(now + _EACH_S, self._began + patience)
        if waited >= _EACH_S and self.tells and not self.is_online:
            return self._ask()
        self._calls += 1
        return Call.BEGIN_ANEW if self._calls % _ANEW_EACH == 0 else Call.WAKE

    def _ask(self) -> Call:
        self._has_asked = True
        return Call.ASK

    @property
    def _patience(self) -> float:
        """How many seconds to call."""
        # What a hub says of itself may be old: it counts where nothing better is known.
        is_absent = self.is_nobody_there or (self.is_online is False and not self.tells)
        patience = self.seconds * _PATIENCE
        return min(_ABSENT_S, patience) if is_absent else patience


@define
class Settling:
    """Time for a hub to forget a former session with us.

    A hub that hears that we are offline forgets its session with us. Then it says itself that we are offline, and hears
    that too: it ends a session that began meanwhile. So nothing begins until that has come, or the time is over. It
    says nothing where it had no session.
    """

    memory: dict[str, Any]
    #: Until when to wait; None while nothing is waited for.
    until: Optional[float] = field(default=None, init=False)
    #: Whether the time ran out, so that the hub's word may come yet.
    _has_run_out: bool = field(default=False, init=False)

    @property
    def is_needed(self) -> bool:
        """Whether the hub may have a session with this client."""
        return _BEGAN in self.memory

    def begin(self, now: float) -> None:
        """The hub is told that we are offline."""
        self.until = now + _SETTLE_S

    def runs_out(self, now: float) -> bool:
        """Whether the time is over, and the hub has said nothing."""
        self._has_run_out = self.until is not None and now >= self.until
        return self._has_run_out

    def session_begins(self) -> None:
        """The hub has said hello."""
        self.memory[_BEGAN] = True

    def session_stands(self) -> None:
        """Something sealed has come."""
        if self._has_run_out:
            self._has_run_out = False
            self.memory.pop(_WAS_LATE, None)

    def is_late(self) -> bool:
        """Whether the end of a session that just began may be that of the one before. A second time it is not."""
        if not self._has_run_out or _WAS_LATE in self.memory:
            return False
        self.memory[_WAS_LATE] = True
        return True
