"""What keeping a client connected means, sans IO: its states, its retries, and what is told in which order.

A worker feeds it what happened (`begin`, `established`, `ended`, `stop`, `finish`), and does what it answers.
"""

from __future__ import annotations

import logging
from collections.abc import Hashable
from enum import Enum
from typing import Callable, Optional

from attrs import frozen

from hivemind_core_client.kernel.policy import Backoff, Deadlines
from hivemind_core_client.wire.errors import (
    ClientClosed,
    ConnectionLost,
    HandshakeAgain,
    HiveMindError,
    HubRefused,
    HubTimeout,
    IdentityFileError,
    LoginRefused,
    Mend,
    NotAHub,
    NotConnected,
    UsageError,
    again,
)

log = logging.getLogger(__name__)

#: How long whoever failed to send waits for the reader to find out why the connection ended, in seconds.
CLOSE_REASON_WAIT_S = 1.0


class ClientState(str, Enum):
    """Where a client stands, as `client.state` tells it."""

    IDLE = "idle"
    CONNECTING = "connecting"
    CONNECTED = "connected"
    RECONNECTING = "reconnecting"
    REFUSED = "refused"
    CLOSED = "closed"

    __str__ = str.__str__


class LifecycleSignal(Enum):
    """What moves a client from one state to another."""

    BEGUN = "connect was called"
    ESTABLISHED = "a session stands"
    RETRY = "no session came, and one of the attempts that are left is made"
    RECONNECT = "the connection ended, and others are tried without end"
    REFUSED = "the hub refused us, or we refused it: nothing more is tried"
    OVER = "the client was closed, or its attempts are used up"


CLIENT_TRANSITIONS: dict[tuple[ClientState, LifecycleSignal], ClientState] = {
    (ClientState.IDLE, LifecycleSignal.BEGUN): ClientState.CONNECTING,
    (ClientState.CONNECTING, LifecycleSignal.ESTABLISHED): ClientState.CONNECTED,
    (ClientState.CONNECTING, LifecycleSignal.RETRY): ClientState.CONNECTING,
    (ClientState.CONNECTING, LifecycleSignal.RECONNECT): ClientState.RECONNECTING,
    (ClientState.CONNECTING, LifecycleSignal.REFUSED): ClientState.REFUSED,
    (ClientState.CONNECTING, LifecycleSignal.OVER): ClientState.CLOSED,
    (ClientState.CONNECTED, LifecycleSignal.RECONNECT): ClientState.RECONNECTING,
    (ClientState.CONNECTED, LifecycleSignal.REFUSED): ClientState.REFUSED,
    (ClientState.CONNECTED, LifecycleSignal.OVER): ClientState.CLOSED,
    (ClientState.RECONNECTING, LifecycleSignal.ESTABLISHED): ClientState.CONNECTED,
    (ClientState.RECONNECTING, LifecycleSignal.RECONNECT): ClientState.RECONNECTING,
    (ClientState.RECONNECTING, LifecycleSignal.REFUSED): ClientState.REFUSED,
    (ClientState.RECONNECTING, LifecycleSignal.OVER): ClientState.CLOSED,
    (ClientState.REFUSED, LifecycleSignal.OVER): ClientState.REFUSED,
    (ClientState.CLOSED, LifecycleSignal.OVER): ClientState.CLOSED,
}


class Step(Enum):
    """What a client does when a connection has ended."""

    END_REQUESTS = (
        "waits for an answer end: it can come no more, and who asks from now on asks in the next session"
    )
    CLEAR_EVENTS = "`connected_event` and `handshake_event` are cleared"
    TELL_CLOSE = 'handlers of "close" are called'
    TELL_DOUBT = (
        'handlers of "doubt" are called, where something was sent that the hub is not known to have read'
    )
    END_QUESTIONS = "handlers of plugins end what was open in the session, such as a QUERY"
    TELL_RECONNECTING = 'handlers of "reconnecting" are called'
    TELL_ERROR = 'handlers of "error" are called'
    OBSERVE_END = "plugins that observe are told"


@frozen
class Ending:
    """What follows from the end of a connection by `error`: `steps`, in this order.

    Another attempt is made after `delay` seconds; with None, there is none.
    """

    error: HiveMindError
    steps: tuple[Step, ...]
    delay: Optional[float]


class ClientHistory:
    """What the workers of one client know of those before them. `login()` is what would be sent now, and where to."""

    def __init__(self, login: Callable[[], Hashable]) -> None:
        self._login = login
        self._accepted: set[Hashable] = set()
        self._forbidden: Optional[HiveMindError] = None

    def note_login(self) -> None:
        """A hub has accepted the login."""
        self._accepted.add(self._login())

    def knows_login(self) -> bool:
        """Whether a hub has accepted the login before."""
        return self._login() in self._accepted

    def forbid(self, error: HiveMindError) -> None:
        """Nothing may be begun any more, because of `error`."""
        self._forbidden = error

    def check(self) -> None:
        """Raises what forbids to begin anything."""
        if self._forbidden is not None:
            raise again(self._forbidden)


class ConnectionLifecycle:
    """The life of one client's connections, from `begin` to the end of all attempts.

    `where()` names the hub in texts. `advise(error)` adds to an error what mends it here. `clock()` is in seconds.
    Not locked: `established` and `ended` belong to whoever reads the transport.
    """

    def __init__(
        self,
        where: Callable[[], str],
        deadlines: Deadlines,
        backoff: Backoff,
        advise: Callable[[HiveMindError], None],
        clock: Callable[[], float],
        history: ClientHistory,
    ) -> None:
        self.state = ClientState.IDLE
        self.stopping = False
        self.last_error: Optional[HiveMindError] = None
        self._where = where
        self._deadlines = deadlines
        self._backoff = backoff
        self._advise = advise
        self._clock = clock
        self._history = history
        self._established_at = 0.0
        self._retries: Optional[int] = None
        self._failures = 0
        self._has_stood = False

    @property
    def stands(self) -> bool:
        """Whether a session stands."""
        return self.state is ClientState.CONNECTED

    def begin(self, retries: Optional[int]) -> None:
        """Before the first session stands, give up after `retries` more attempts; None never gives up."""
        self._retries = retries
        self._move(LifecycleSignal.BEGUN)

    def established(self) -> None:
        """A session stands."""
        self._history.note_login()
        self._established_at = self._clock()
        self._move(LifecycleSignal.ESTABLISHED)

    def stop(self) -> None:
        """`close` was called: nothing more is tried."""
        self.stopping = True

    def ended(self, error: HiveMindError) -> Ending:
        """A connection, or an attempt at one, has ended by `error`."""
        stood = self.stands
        in_doubt = not stood and isinstance(error, LoginRefused) and self._history.knows_login()
        error = _doubted(error, self._where()) if in_doubt else error
        self._advise(error)
        self.last_error = error = ClientClosed("the client is closed") if self.stopping else error
        if stood:
            self._retries, self._has_stood = None, True
        if not isinstance(error, HandshakeAgain):
            self._failures = 0 if stood and self._has_lasted() else self._failures + 1
        delay = self._delay(error, slowly=in_doubt)
        if delay is not None:
            self._move(LifecycleSignal.RETRY if self._retries is not None else LifecycleSignal.RECONNECT)
        else:
            self._move(LifecycleSignal.REFUSED if isinstance(error, HubRefused) else LifecycleSignal.OVER)
        return Ending(error, self._steps(stood, retries=delay is not None), delay)

    def finish(self) -> None:
        """No more attempts are made."""
        if self.stopping and self.last_error is None:
            self.last_error = ClientClosed("the client is closed")
        error = None if self.stopping else self.last_error
        if self._retries is None and error is not None and self.is_final(error):
            log.error("no more attempts to connect to %s: %s", self._where(), error)
        if self.state is not ClientState.IDLE:
            self._move(LifecycleSignal.OVER)

    def is_final(self, error: HiveMindError) -> bool:
        """True for an error after which connecting again is useless."""
        if isinstance(error, IdentityFileError) and self._has_stood:
            return False  # whoever writes the file now may be done the next time
        return isinstance(error, (HubRefused, UsageError))

    def fault(self, raised: Exception) -> HiveMindError:
        """What an exception that is not ours becomes: a fault of the client must not end the satellite."""
        log.error("the connection ended by a fault of the client", exc_info=raised)
        return ConnectionLost(f"the connection ended by a fault of the client: {type(raised).__name__}")

    def check_begun(self) -> None:
        """Raises NotConnected where nobody has called connect, or nobody may."""
        self._history.check()
        if self.state is ClientState.IDLE and not self.stopping:
            raise NotConnected(
                "the client was never connected", Mend("call connect() first, then send", joint=": ")
            )

    def patience(self, retries: Optional[int]) -> Optional[float]:
        """Seconds in which as many attempts, and one more, have been made: even if the system's resolver hangs."""
        if retries is None:
            return None
        return (1 + retries) * (self._deadlines.attempt + self._backoff.cap)

    def timed_out(self, phase: str, seconds: float) -> HubTimeout:
        """The error for a phase that took too long."""
        return HubTimeout(self._where(), phase, seconds)

    def why_not_connected(self) -> HiveMindError:
        """Why there is no session: what ended the last attempt, where there was one."""
        if self.last_error is not None:
            return again(self.last_error)
        if self.stopping:
            return ClientClosed("the client was closed while it connected")
        return self.timed_out("tcp", self._deadlines.tcp)

    def why_no_session(self, seconds: float) -> HiveMindError:
        """Why no session stands, for who has waited for one, `seconds` of them; always a RuntimeError too."""
        if self.stopping:
            return ClientClosed("the client is closed", Mend("call connect() again", joint=": "))
        if self.state is ClientState.IDLE:
            return NotConnected("the client was never connected", Mend("call connect() first", joint=": "))
        if self.state in (ClientState.REFUSED, ClientState.CLOSED):
            error = self.why_not_connected()
            return (
                error if isinstance(error, RuntimeError) else NotConnected.because("no session came", error)
            )
        if self.last_error is None:
            return self.timed_out("handshake", seconds)
        waited = f"timed out waiting for handshake: no session with {self._where()} came within {seconds:g} s"
        return NotConnected.because(waited, self.last_error)

    def loss(self) -> HiveMindError:
        """The error for a question whose connection has ended."""
        lost = ConnectionLost("the connection with the hub ended before an answer came")
        return again(self.last_error or lost)

    def why_not_sent(self) -> HiveMindError:
        """Why nothing can be sent now."""
        if self.stopping:
            return ClientClosed("the client is closed: nothing was sent")
        if isinstance(self.last_error, HubRefused):
            return self.last_error
        if self.last_error is not None:
            return NotConnected.because("nothing was sent", self.last_error)
        return NotConnected(f"nothing was sent: no session with {self._where()} stands yet")

    def why_broken(self, error: HiveMindError) -> HiveMindError:
        """Why sending broke by `error`: the refusal that the reader found out meanwhile is not hidden behind it."""
        return self.last_error if isinstance(self.last_error, HubRefused) else error

    def hub_is_stuck(self) -> ConnectionLost:
        """The error for who waits to send while the hub takes no more bytes of another message."""
        return ConnectionLost(
            f"{self._where()} takes no more messages: what is being sent now is not through after "
            f"{self._deadlines.write:g} s. Nothing else was sent"
        )

    def _has_lasted(self) -> bool:
        """Whether the session has stood for long enough to say that the hub is well."""
        return self._clock() - self._established_at >= self._backoff.reset_after

    def _delay(self, error: HiveMindError, slowly: bool) -> Optional[float]:
        """Seconds until the next attempt; None when there is none."""
        used_up = self._retries is not None and self._failures > self._retries
        if used_up or self.is_final(error):
            return None
        delay = self._backoff.longest() if slowly else self._backoff.delay(max(0, self._failures - 1))
        if isinstance(error, HandshakeAgain):
            delay = 0.0
        log.info("connecting to %s again in %.1f s", self._where(), delay)
        return delay

    def _steps(self, stood: bool, retries: bool) -> tuple[Step, ...]:
        if not stood:
            return (Step.CLEAR_EVENTS,) if self.stopping else (Step.CLEAR_EVENTS, Step.TELL_ERROR)
        return (
            Step.END_REQUESTS,
            Step.CLEAR_EVENTS,
            Step.TELL_CLOSE,
            Step.TELL_DOUBT,
            Step.END_QUESTIONS,
            *self._told_next(retries),
            Step.OBSERVE_END,
        )

    def _told_next(self, retries: bool) -> tuple[Step, ...]:
        """What is told of what comes after a session: another attempt, or a refusal that ends it all."""
        if retries:
            return (Step.TELL_RECONNECTING,)
        return () if self.stopping else (Step.TELL_ERROR,)

    def _move(self, signal: LifecycleSignal) -> None:
        self.state = CLIENT_TRANSITIONS[self.state, signal]


def _doubted(refusal: HiveMindError, where: str) -> NotAHub:
    """The error in place of a refusal of a login that the hub has accepted before: a proxy may have said it."""
    return NotAHub.because(
        f"{where} refuses a login that was accepted before: something in front of the hub may have answered, so it is "
        "tried again now and then",
        refusal,
    )
