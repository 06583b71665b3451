"""What keeping a satellite connected means, whatever waits in between: states, retries, and whom to tell."""

from __future__ import annotations

import logging
from enum import Enum
from typing import TYPE_CHECKING, Any, Callable, Optional

from attrs import frozen

from hivemind_core_client.kernel.events import Arrived, Doubtful, Established, Failed, Rejected
from hivemind_core_client.kernel.link import Link
from hivemind_core_client.kernel.policy import Backoff, Deadlines
from hivemind_core_client.plugins.contract import (
    CallBack,
    CancelTimer,
    Deliver,
    Negotiated,
    Select,
    SetTimer,
)
from hivemind_core_client.wire.errors import (
    ClientClosed,
    ConnectionLost,
    HandshakeAgain,
    HiveMindError,
    HubRefused,
    IdentityFileError,
    NotConnected,
    UsageError,
)
from hivemind_core_client.wire.message import HiveMessage

if TYPE_CHECKING:
    from hivemind_core_client.config.profile import ClientProfile

log = logging.getLogger(__name__)

#: How long whoever failed to send waits for the reader to find out why the connection ended, in seconds.
VERDICT = 1.0
#: How long after its pong a hub may still refuse the end of a handshake, in seconds: what stands between may answer
#: pings in its place.
AFTERTHOUGHT = 3.0


class ClientState(str, Enum):
    """Where a client stands, as `client.state` tells it."""

    IDLE = "idle"
    CONNECTING = "connecting"
    CONNECTED = "connected"
    RECONNECTING = "reconnecting"
    REFUSED = "refused"
    CLOSED = "closed"

    __str__ = str.__str__


@frozen
class Listener:
    """Whom the worker tells what happened, on whatever thread it happens: that of the worker, or of who sends.

    All must be short.
    """

    arrived: Callable[[HiveMessage], None]
    deliver: Callable[[Deliver], None]
    call_back: Callable[[CallBack], None]
    select: Callable[[Select], None]
    established: Callable[[Negotiated], None]
    ended: Callable[[HiveMindError, bool], None]
    finished: Callable[[], None]


def _ignore(*_: object) -> None:
    """Take no note."""


NOBODY = Listener(_ignore, _ignore, _ignore, _ignore, _ignore, _ignore, _ignore)


class Course:
    """The decisions of a worker; a subclass brings the waiting: `stopping` says that it was told to end."""

    def __init__(
        self,
        profile: ClientProfile,
        listener: Listener,
        mailbox: Any,
        new_transport: Callable[[], Any],
        deadlines: Deadlines,
        backoff: Backoff,
    ) -> None:
        self.state = ClientState.IDLE
        self.last_error: Optional[HiveMindError] = None
        self.rejected = 0
        self._profile = profile
        self._listener = listener
        self._deadlines = deadlines
        self._backoff = backoff
        self._mailbox = mailbox
        self._new_transport = new_transport
        self._connection: Any = None
        self._retries: Optional[int] = None
        self._attempts = 0
        self._has_stood = False
        # Read when an event comes, and not now: `forsake` puts another listener there.
        self._handle: dict[type, Callable[[Any], Any]] = {
            Arrived: lambda event: self._listener.arrived(event.message),
            Deliver: lambda event: self._listener.deliver(event),
            CallBack: lambda event: self._listener.call_back(event),
            Select: lambda event: self._listener.select(event),
            Doubtful: self._prove,
            Established: self._established,
            Rejected: self._note_rejected,
            Failed: self._fail,
            SetTimer: self._set_timer,
            CancelTimer: lambda event: mailbox.cancel((event.msg_type, event.key)),
        }

    @property
    def stopping(self) -> bool:
        """True once the worker was told to end."""
        raise TypeError("a worker brings its own")

    @property
    def link(self) -> Optional[Link]:
        """The Link of the present or last connection."""
        return self._connection.link if self._connection is not None else None

    def forsake(self) -> None:
        """Another worker has taken over: what still happens here is told to nobody."""
        self._listener = NOBODY

    def is_final(self, error: HiveMindError) -> bool:
        """True for an error after which connecting again is useless."""
        if isinstance(error, IdentityFileError) and self._has_stood:
            return False  # whoever writes the file now may be done the next time
        return isinstance(error, (HubRefused, UsageError))

    def _begin(self, retries: Optional[int]) -> None:
        """Before the first session stands, give up after `retries` more attempts; None never gives up."""
        self._retries = retries
        self.state = ClientState.CONNECTING

    def _attempted(self, error: HiveMindError, stood: bool) -> None:
        """One connection has ended by `error`."""
        self._profile.advise(error)
        self.last_error = ClientClosed("the client is closed") if self.stopping else error
        if not isinstance(error, HandshakeAgain):
            self._attempts = 0 if stood else self._attempts + 1
        if stood:
            self._retries, self._has_stood = None, True

    def _next_delay(self) -> Optional[float]:
        """Seconds until the next attempt; None when there is none."""
        if self.stopping or (self.last_error is not None and self.is_final(self.last_error)):
            return None
        if self._retries is not None and self._attempts > self._retries:
            return None
        self.state = ClientState.RECONNECTING if self._retries is None else ClientState.CONNECTING
        again_at_once = isinstance(self.last_error, HandshakeAgain)
        delay = 0.0 if again_at_once else self._backoff.delay(max(0, self._attempts - 1))
        log.info("connecting to %s again in %.1f s", self._profile.settings.address, delay)
        return delay

    def _prove(self, event: Doubtful) -> None:
        """Ask the hub whether it took the handshake, beside what else goes on."""
        raise TypeError("a worker brings its own")

    def _established(self, event: Established) -> None:
        self._connection.transport.stand()
        self._stand(event.negotiated)

    def _stand(self, negotiated: Negotiated) -> None:
        """A session stands: tell whoever listens, and then whoever waits."""
        raise TypeError("a worker brings its own")

    def _fail(self, event: Failed) -> None:
        raise event.error

    def _set_timer(self, event: SetTimer) -> None:
        self._mailbox.later(event.seconds, (event.msg_type, event.key), lambda: self._due(event))

    def _due(self, event: SetTimer) -> None:
        """A timer of a handler has run out."""
        raise TypeError("a worker brings its own")

    def _finish(self) -> None:
        refused = isinstance(self.last_error, HubRefused)
        error = None if self.stopping else self.last_error
        if self._retries is None and error is not None and self.is_final(error):
            log.error("no more attempts to connect to %s: %s", self._profile.settings.address, error)
        self.state = ClientState.REFUSED if refused else ClientState.CLOSED

    def _check_begun(self) -> None:
        if self.state is ClientState.IDLE and not self.stopping:
            raise NotConnected("the client was never connected: call connect() first, then send")

    def _not_connected(self) -> HiveMindError:
        """Why nothing can be sent now."""
        if self.stopping:
            return ClientClosed("the client is closed: nothing was sent")
        if isinstance(self.last_error, HubRefused):
            return self.last_error
        why = self.last_error or f"no session with {self._profile.settings.address} stands yet"
        return NotConnected(f"nothing was sent: {why}")

    def _fault(self, raised: Exception) -> HiveMindError:
        """What an exception that is not ours becomes: a fault of the client must not end the satellite."""
        log.error("the connection ended by a fault of the client", exc_info=raised)
        return ConnectionLost(f"the connection ended by a fault of the client: {type(raised).__name__}")

    def _note_rejected(self, event: Rejected) -> None:
        self.rejected += 1
        log.warning("dropped a frame from %s: %s", self._profile.settings.address, event.error)

    def _stuck(self) -> ConnectionLost:
        """The error for a hub that takes no more bytes."""
        return ConnectionLost(
            f"{self._profile.settings.address} takes no more messages: what is being sent now is not through after "
            f"{self._deadlines.write:g} s. Nothing else was sent"
        )


def not_sent(message: HiveMessage, error: HiveMindError) -> None:
    """Log that a message of a handler could not be sent; its sender is not here to be told."""
    log.warning("a %s message of a handler was not sent: %s", message.msg_type.name, error)
