"""How a hub is called until it says hello, and when it counts as offline. It decides, and does nothing itself."""

from __future__ import annotations

import enum
from typing import Optional

from attrs import define, field

#: Seconds from one wake-up to the next.
_EACH_S = 1.0
#: How long a hub is called of which it is known that it does not listen, in seconds.
_ABSENT_S = 3.0
#: The shares of `Deadlines.first_frame` after which a hub counts as silent, and for which a last answer is waited for.
_PATIENCE, _GRACE = 0.8, 0.1


class Call(enum.Enum):
    """What to do now."""

    #: Nothing.
    WAIT = "wait"
    #: Publish a wake-up.
    WAKE = "wake"
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
        return Call.WAKE

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
