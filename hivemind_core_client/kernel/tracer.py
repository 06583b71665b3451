"""Who tells what a client does, and what its life, its phases and its pings have to tell. Sans IO.

No line holds what a message says, or a secret: types, sizes, states and times alone, and the texts of errors.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Callable, Optional

if TYPE_CHECKING:
    from hivemind_core_client.kernel.delivery import Delivery
    from hivemind_core_client.kernel.lifecycle import ConnectionLifecycle, Ending, LifecycleSignal
    from hivemind_core_client.wire.errors import HiveMindError

    Life = ConnectionLifecycle
else:
    # Whoever tells is put before the lifecycle itself: so this module needs none of what a lifecycle needs.
    Life = object

log = logging.getLogger(__name__)


class Tracer:
    """Calls `sink` with a line for each thing that happens; `clock()` is in seconds. A sink that raises is logged once.

    Lines begin with the seconds since the tracer was made, and what they are about: `client`, `state`, `phase`,
    `frame`, `timer`, `ping`.
    """

    def __init__(self, sink: Callable[[str], object], clock: Callable[[], float]) -> None:
        self._sink = sink
        self._clock = clock
        self._began = clock()
        self._failed = False

    def note(self, about: str, text: str) -> None:
        """Tell one thing. Never raises, but for Ctrl-C."""
        try:
            self._sink(f"{self.now() - self._began:9.3f} s  {about:<6}  {text}")
        except (Exception, SystemExit):  # somebody's function: it must not cost the connection
            if not self._failed:
                log.exception("the function that is told the trace raised")
            self._failed = True

    def now(self) -> float:
        """What the clock says."""
        return self._clock()

    @contextmanager
    def phase(self, name: str, seconds: float) -> Iterator[None]:
        """Tell that a phase begins, which may take so long, and how it ended."""
        self.note("phase", f"{name} begins, {seconds:g} s at most")
        began = self.now()
        try:
            yield
        except BaseException as error:
            self.note("phase", f"{name} failed after {_time(self.now() - began)}: {type(error).__name__}")
            raise
        self.note("phase", f"{name} done in {_time(self.now() - began)}")


class _Silent(Tracer):
    """Tells nobody anything."""

    def note(self, about: str, text: str) -> None:
        """There is nobody."""


#: In the place of a tracer where nobody traces.
SILENT: Tracer = _Silent(str, float)


class TracedLife(Life):
    """Tells the states of a client, what ends its connections, and when it tries again: a base before the lifecycle."""

    def __init__(self, tracer: Tracer, *parts: Any) -> None:
        super().__init__(*parts)
        self._tracer = tracer

    def begin(self, retries: Optional[int]) -> None:
        """Before the first session stands, give up after so many more attempts; see ConnectionLifecycle."""
        self._tracer.note("client", f"the hub is {self._where()}")
        super().begin(retries)

    def ended(self, error: HiveMindError) -> Ending:
        """A connection, or an attempt at one, has ended by `error`; see ConnectionLifecycle."""
        self._tracer.note("client", f"the connection ended: {type(error).__name__}: {error}")
        ending = super().ended(error)
        if ending.delay is not None:
            self._tracer.note("timer", f"the next attempt comes in {ending.delay:.2f} s")
        return ending

    def _move(self, signal: LifecycleSignal) -> None:
        before = self.state
        super()._move(signal)
        if self.state is not before or signal.name == "RETRY":
            self._tracer.note("client", f"{before.value} → {self.state.value}: {signal.value}")


class TracingDelivery:
    """Stands before a Delivery for the transport, and tells pings and pongs."""

    def __init__(self, delivery: Delivery, tracer: Tracer) -> None:
        self._inner = delivery
        self._tracer = tracer
        self._sent: dict[bytes, float] = {}

    @property
    def asks(self) -> bool:
        """Whether pings may be sent for the sake of messages."""
        return self._inner.asks

    @asks.setter
    def asks(self, asks: bool) -> None:
        self._inner.asks = asks

    @property
    def is_unconfirmed(self) -> bool:
        """Whether something was handed over that the hub is not known to have read."""
        return self._inner.is_unconfirmed

    @property
    def asked_at(self) -> Optional[float]:
        """When the oldest ping was sent that waits for its pong."""
        return self._inner.asked_at

    def asked(self, now: float, payload: Optional[bytes] = None) -> bytes:
        """A ping is about to be written; see Delivery."""
        payload = self._inner.asked(now, payload)
        self._sent[payload] = now
        self._tracer.note("ping", "→ ping")
        return payload

    def ponged(self, payload: bytes, now: float) -> None:
        """A pong has come; see Delivery."""
        began = self._sent.pop(payload, None)
        self._tracer.note("ping", "← pong" if began is None else f"← pong, after {_time(now - began)}")
        self._inner.ponged(payload, now)

    def measured(self, seconds: float) -> None:
        """A round trip was measured in some other way; see Delivery."""
        self._tracer.note("ping", f"polled, in {_time(seconds)}")
        self._inner.measured(seconds)


def _time(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms" if seconds < 1 else f"{seconds:.2f} s"
