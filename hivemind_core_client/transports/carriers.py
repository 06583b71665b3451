"""What the house adds to any carrier of a plugin: bounds, checks of what it gives, and errors that say more."""

from __future__ import annotations

import logging
from time import perf_counter
from typing import TYPE_CHECKING, Any, Callable, Optional, Union

from hivemind_core_client.config.tls import refusal_in
from hivemind_core_client.kernel.bounds import frame_size, too_large, too_much
from hivemind_core_client.transports import failures
from hivemind_core_client.transports.base import Confirming
from hivemind_core_client.transports.failures import Closed
from hivemind_core_client.wire.errors import (
    ConnectionLost,
    HiveMindError,
    HubTimeout,
    HubUnreachable,
    InvalidMessage,
    InvalidOption,
    Mend,
)
from hivemind_core_client.wire.text import text_of

if TYPE_CHECKING:
    from hivemind_core_client.plugins.contract import Frame, Transport, TransportSettings

log = logging.getLogger(__name__)

#: In the memory of a transport: that the hub answers an echo.
_ANSWERS = "the hub answers an echo"
#: How long to wait, in seconds, for what may never come: the first answer of a hub to an echo.
FIRST_ANSWER_S = 5.0

#: What a carrier may raise for reasons that lie outside of it.
_OUTSIDE = (OSError, EOFError)


def carrier_of(form: Optional[Callable[[TransportSettings], Any]], settings: TransportSettings) -> Any:
    """What a form of a transport makes for one connection. Raises InvalidOption where it makes nothing."""
    scheme = settings.address.scheme
    try:
        if form is not None:
            return form(settings)
    except HiveMindError:
        raise
    except ImportError as error:
        raise InvalidOption(f"the transport for {scheme} cannot be loaded: {error}") from error
    except Exception as error:
        log.exception("the transport for %s cannot be made", scheme)
        raise InvalidOption(f"the transport for {scheme} cannot be made: {_text(error)}") from error
    raise InvalidOption(f"the transport for {scheme} has no form")


class Carrying(Confirming):
    """What both forms of a connection over a plugin's carrier have in common."""

    def __init__(self, carrier: Any, offer: Transport, settings: TransportSettings) -> None:
        self._carrier = carrier
        self._offer = offer
        self._settings = settings
        self._address: Any = settings.address
        self._deadlines = settings.deadlines
        #: A pong proves something only where nothing gets lost or overtaken in silence.
        sound = offer.keeps_order and offer.tells_loss
        self._is_sound = sound
        self._asks = offer.pings and sound and bool(settings.ping_interval)
        #: What stands in for pings, from when both sides own a key.
        self._echo: Any = None
        #: When the writing of a frame last began.
        self._sent_at = 0.0
        #: How many bytes more may come before both sides own a key; None from then on.
        self._left: Optional[int] = settings.largest_early
        #: Seconds of silence after which the hub is pinged, once both sides own a key.
        self._interval: Optional[float] = None

    def watch(self) -> None:
        """Both sides own the key: from now on an idle connection is probed, and more may come."""
        self._left = None
        asks = self._offer.pings or self._echo is not None
        self._interval = (self._settings.ping_interval or None) if asks else None
        self._sent_at = perf_counter()

    def echo_by(self, echo: Any) -> None:
        """Both sides own the key, and the hub answers `echo`: let it stand in for pings where there are none."""
        if self._is_sound and not self._offer.pings:
            self._echo = echo
            self._ask_more(bool(self._settings.ping_interval))

    def stand(self) -> None:
        """The session stands; a connection is watched before that."""

    @property
    def _open_seconds(self) -> float:
        return self._deadlines.tcp + self._deadlines.tls + self._deadlines.upgrade

    def _late(self) -> HubTimeout:
        return HubTimeout(str(self._address), "open", self._open_seconds)

    @property
    def _awaits_pong(self) -> bool:
        """Whether a pong before the end would show that the hub has read what was sent."""
        asks = self._asks
        if not self._settings.ping_interval:  # it asks for this alone
            asks = self._is_sound and (self._offer.pings or self._echo is not None)
        return asks and self._delivery.is_unconfirmed

    @property
    def _is_answered(self) -> bool:
        """Whether pings are answered: by an echo only if this hub has done so before."""
        return self._offer.pings or _ANSWERS in self._settings.memory

    def _patience(self, seconds: float) -> float:
        """How long to wait for a pong, where that may take `seconds`."""
        return seconds if self._is_answered else min(seconds, FIRST_ANSWER_S)

    def _is_due(self) -> bool:
        """Whether the hub is to be asked by an echo, as nothing was sent for so long.

        Raises ConnectionLost where it has answered before, and takes too long now: something was lost on the way.
        """
        if self._echo is None or self._interval is None:
            return False
        now, asked_at = perf_counter(), self._delivery.asked_at
        if asked_at is None or now - asked_at <= self._settings.ping_timeout:
            return asked_at is None and self._asks and now - self._sent_at >= self._interval
        if self._is_answered:
            raise failures.silent(self._address, self._settings.ping_timeout)
        self._ask_more(False)
        return False

    def _ask_more(self, asks: bool) -> None:
        if self._asks and not asks:
            log.info("%s answers nothing that would show what it has read", self._address)
        self._asks = self._delivery.asks = asks

    def _echoed(self, ponged: Callable[[], float]) -> float:
        """The hub has answered an echo. Returns the seconds of the round trip."""
        self._settings.memory[_ANSWERS] = True
        if self._interval is not None and not self._asks:  # it was slow, no more
            self._ask_more(True)
        return ponged()

    def _asked(self, payload: bytes) -> Callable[[], float]:
        """A ping begins. Returns what to call once its pong has come, which returns the seconds of the round trip."""
        began = perf_counter()
        asked = self._delivery.asked(began, payload or None)

        def ponged() -> float:
            now = perf_counter()
            self._delivery.ponged(asked, now)
            return now - began

        return ponged

    def _checked(self, incoming: Any) -> Union[Frame, Closed]:
        """What has come, if it may. Raises FrameTooLarge or ConnectionLost."""
        if isinstance(incoming, Closed):
            return incoming
        if not isinstance(incoming, (str, bytes, bytearray)):
            raise ConnectionLost(
                f"the transport for {self._address.scheme} gave a {type(incoming).__name__} in place of a frame"
            )
        size = frame_size(incoming)
        if size > self._settings.largest_frame:
            raise too_large(incoming, self._settings.largest_frame)
        if self._left is not None:
            self._left -= size
            if self._left < 0:
                raise too_much(str(self._address), self._settings.largest_early)
        return incoming

    def _check_fit(self, frames: list[Frame]) -> None:
        """Raises InvalidMessage for what this transport cannot carry: nothing is sent then, the connection stands."""
        most, scheme = self._largest_frame, self._address.scheme
        for frame in frames:
            if not (self._offer.carries_bytes or isinstance(frame, str)):
                raise InvalidMessage(
                    f"the transport for {scheme} carries text only, and this message is bytes"
                )
            if most is not None and frame_size(frame) > most:
                raise InvalidMessage(
                    f"a frame of {frame_size(frame)} bytes: the transport for {scheme} carries {most} at most",
                    Mend("send less at once"),
                )

    @property
    def _largest_frame(self) -> Optional[int]:
        """The most bytes of a frame: what the carrier says of its connection, else what its transport says."""
        own = getattr(self._carrier, "largest_frame", None)
        return own if isinstance(own, int) else self._offer.largest_frame

    def _unopened(self, error: BaseException) -> HiveMindError:
        """What it means that a carrier did not open."""
        if isinstance(error, HiveMindError):
            return error
        refusal = refusal_in(error)
        if refusal is not None:
            return refusal
        self._note(error)
        return HubUnreachable(f"{self._address} cannot be reached: {_text(error)}")

    def _broken(self, error: BaseException, while_sending: bool = False) -> HiveMindError:
        """What it means that a carrier raised."""
        if isinstance(error, HiveMindError):
            return error
        self._note(error)
        what = f"the connection with {self._address} broke{' while sending' if while_sending else ''}"
        return ConnectionLost(f"{what}: {_text(error)}")

    def _note(self, error: BaseException) -> None:
        if not isinstance(error, _OUTSIDE):
            log.warning("the transport for %s failed", self._address.scheme, exc_info=error)

    def _abort_carrier(self) -> None:
        try:
            self._carrier.abort()
        except KeyboardInterrupt:
            raise
        except BaseException:  # it is over all the same
            log.exception("the transport for %s failed to abort", self._address.scheme)


def escaped(error: BaseException) -> RuntimeError:
    """What a carrier raised that is no Exception, such as SystemExit, as one: it ends its connection, and no more."""
    return RuntimeError(f"it raised {type(error).__name__}: {error}")


def _text(error: BaseException) -> str:
    """What an error says; of one that nobody expects its kind too."""
    return text_of(error) if isinstance(error, _OUTSIDE) else f"{type(error).__name__}: {error}"
