"""What a worker needs of a transport, for threads and for asyncio."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any, Callable, Optional, Protocol, TypeVar, Union

from hivemind_core_client.kernel.delivery import Delivery, Ledger
from hivemind_core_client.kernel.tracer import SILENT, Tracer

if TYPE_CHECKING:
    from hivemind_core_client.kernel.progress import Progress
    from hivemind_core_client.plugins.contract import Frame
    from hivemind_core_client.transports.failures import Closed

T = TypeVar("T")
#: Sends a message that the hub answers, behind those before it. What it is given is called, from any thread, when the
#: answer has come.
Echo = Callable[[Callable[[], None]], None]
AsyncEcho = Callable[[Callable[[], None]], Awaitable[None]]

#: The payload of the ping before a farewell: its pong shows that the hub has read what was sent.
LAST_PING = b"farewell"


class Confirming:
    """What transports have in common: they tell a Delivery of pings, and of their pongs."""

    #: Whether pings are sent for the sake of messages.
    _asks = True
    #: Of a transport that nobody counts for.
    _delivery = Ledger().opened()
    #: Told of the phases until the connection is open.
    _tracer = SILENT

    def confirm_to(self, delivery: Delivery) -> None:
        """Before `open`: tell `delivery` of pings and of their pongs."""
        self._delivery = delivery
        delivery.asks = self._asks

    def trace_to(self, tracer: Tracer) -> None:
        """Before `open`: tell `tracer` of the phases."""
        self._tracer = tracer

    def echo_by(self, echo: Any) -> None:
        """Nothing: this transport has pings of its own."""


class Transport(Protocol):
    """A connection for threads. `open` and `receive` belong to one thread; the rest may be called from any."""

    def confirm_to(self, delivery: Delivery) -> None:
        """Before `open`: tell `delivery` of pings and of their pongs."""

    def trace_to(self, tracer: Tracer) -> None:
        """Before `open`: tell `tracer` of the phases."""

    def echo_by(self, echo: Echo) -> None:
        """Both sides own the key, and the hub answers `echo`: let it stand in for pings where there are none."""

    def open(self, url: str) -> None:
        """Connect. Raises a HubConnectionError, InvalidOption, or KeyRefused when the hub does not know the key."""

    def within(self, phase: str, seconds: float, work: Callable[[], T]) -> T:
        """The result of `work()`. Raises HubTimeout when it has not come within `seconds`."""

    def receive(self) -> Union[Frame, Closed]:
        """The next message or the end. Raises ConnectionLost or FrameTooLarge."""

    def send(self, frames: list[Frame], progress: Optional[Progress] = None) -> bool:
        """Write whole frames in order, and tell `progress` how far they came; True if the hub said that it has them.

        Raises ConnectionLost when the connection broke, or the hub has taken nothing for `Deadlines.write` seconds.
        """

    def ask(self) -> None:
        """Have the hub show that it has read what was sent, without waiting for that. Raises ConnectionLost."""

    def ping(self, payload: bytes, seconds: float) -> Optional[float]:
        """Seconds of one round trip, or None when it did not end in time."""

    def watch(self) -> None:
        """Both sides own the key: from now on an idle connection is probed. For the reading thread."""

    def stand(self) -> None:
        """The session stands."""

    def farewell(self) -> None:
        """Tell the hub that we go."""

    def abort(self) -> None:
        """Close at once, and wake whoever reads or writes."""

    def release(self) -> None:
        """Close what is still open. For the reading thread, when it reads no more."""


class AsyncTransport(Protocol):
    """A connection for the event loop that opens it."""

    def confirm_to(self, delivery: Delivery) -> None:
        """Before `open`: tell `delivery` of pings and of their pongs."""

    def trace_to(self, tracer: Tracer) -> None:
        """Before `open`: tell `tracer` of the phases."""

    def echo_by(self, echo: AsyncEcho) -> None:
        """Both sides own the key, and the hub answers `echo`: let it stand in for pings where there are none."""

    async def open(self, url: str) -> None:
        """Connect. Raises a HubConnectionError, InvalidOption, or KeyRefused when the hub does not know the key."""

    async def within(self, phase: str, seconds: float, work: Callable[[], Awaitable[T]]) -> T:
        """The result of `work()`. Raises HubTimeout when it has not come within `seconds`."""

    async def receive(self) -> Union[Frame, Closed]:
        """The next message or the end. Raises ConnectionLost or FrameTooLarge."""

    async def send(self, frames: list[Frame], progress: Optional[Progress] = None) -> bool:
        """Write whole frames in order, and tell `progress` how far they came; True if the hub said that it has them.

        Raises ConnectionLost when the connection broke, or the hub has taken nothing for `Deadlines.write` seconds.
        """

    async def ask(self) -> None:
        """Have the hub show that it has read what was sent, without waiting for that. Raises ConnectionLost."""

    async def ping(self, payload: bytes, seconds: float) -> Optional[float]:
        """Seconds of one round trip, or None when it did not end in time."""

    def watch(self) -> None:
        """Both sides own the key: from now on an idle connection is probed."""

    def stand(self) -> None:
        """The session stands."""

    async def farewell(self) -> None:
        """Tell the hub that we go, and wait a little for its answer."""

    def abort(self) -> None:
        """Close at once, and wake whoever reads or writes."""

    async def release(self) -> None:
        """Close what is still open, and leave no task behind."""
