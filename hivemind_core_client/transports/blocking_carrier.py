"""A plugin's blocking carrier as what a worker on a thread needs: it keeps deadlines, pings, and can be ended."""

from __future__ import annotations

from concurrent.futures import Future, wait
from contextlib import suppress
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, Any, Callable, Optional, TypeVar, Union, cast

from hivemind_core_client.kernel.progress import ProgressReporter
from hivemind_core_client.transports import failures, tcp
from hivemind_core_client.transports.base import LAST_PING, Confirming
from hivemind_core_client.transports.carriers import Carrying, carrier_of, escaped
from hivemind_core_client.transports.hands import Hand
from hivemind_core_client.wire.errors import HubConnectionError

if TYPE_CHECKING:
    from hivemind_core_client.kernel.progress import Progress
    from hivemind_core_client.plugins.contract import Frame, TransportSettings
    from hivemind_core_client.plugins.contract import Transport as Offer
    from hivemind_core_client.transports.base import Transport
    from hivemind_core_client.transports.failures import Closed

T = TypeVar("T")


def blocking_transport(offer: Offer, settings: TransportSettings) -> Transport:
    """The blocking form of a transport for one connection. Raises InvalidOption where it cannot be made."""
    made: Any = carrier_of(offer.blocking, settings)
    if not isinstance(made, Confirming):
        return BlockingCarrying(made, offer, settings)
    built_in: Any = made  # it has all that a worker needs
    return cast("Transport", built_in)


class BlockingCarrying(Carrying):
    """One connection over a blocking carrier, which is opened and read on one thread, and written to on another."""

    def __init__(self, carrier: Any, offer: Offer, settings: TransportSettings) -> None:
        super().__init__(carrier, offer, settings)
        scheme = self._address.scheme
        self._reading, self._writing = Hand(f"hivemind-{scheme}-reads"), Hand(f"hivemind-{scheme}-writes")
        self._pinging = Hand(f"hivemind-{scheme}-pings")
        self._incoming: Optional[Future[Any]] = None
        self._aborted = False
        #: Echoes that wait for their answer.
        self._unanswered: set[Future[float]] = set()

    def open(self, url: str) -> None:
        """Connect. Raises HubUnreachable, HubTimeout, or what the carrier says of the hub."""
        with self._tracer.phase("open", self._open_seconds):
            self._open()

    def _open(self) -> None:
        opening = self._reading.begin(partial(_harmless, self._carrier.open))
        wait([opening], self._open_seconds)
        if not opening.done():
            self.abort()
            raise self._late()
        try:
            opening.result()
            self._settings.tls.keep()
        except Exception as error:
            raise self._unopened(error) from error

    def within(self, phase: str, seconds: float, work: Callable[[], T]) -> T:
        """The result of `work()`. Raises HubTimeout when it has not come within `seconds`."""
        with tcp.deadline(self._address, phase, seconds, self.abort):
            return work()

    def receive(self) -> Union[Frame, Closed]:
        """The next frame or the end. Raises ConnectionLost or FrameTooLarge."""
        while True:
            self._incoming = incoming = self._incoming or self._begin_receive()
            wait([incoming], self._interval)
            if self._is_due():
                self._begin_ping(b"")
            if incoming.done():
                break
            if self._offer.pings:
                self._probe(incoming)
        self._incoming = None
        try:
            return self._checked(incoming.result())
        except Exception as error:
            raise self._broken(error) from error

    def _begin_receive(self) -> Future[Any]:
        return self._reading.begin(partial(_harmless, self._carrier.receive))

    def _probe(self, incoming: Future[Any]) -> None:
        seconds = self._settings.ping_timeout
        if self.ping(b"", seconds) is None and not incoming.done():
            raise failures.silent(self._address, seconds)

    def send(self, frames: list[Frame], progress: Optional[Progress] = None) -> bool:
        """Write whole frames in order; True if the carrier says of each that the hub has it.

        Raises ConnectionLost, also when a frame is not taken within `Deadlines.write`, and InvalidMessage.
        """
        self._check_fit(frames)
        report, answered = None if progress is None else ProgressReporter(progress, frames), True
        for frame in frames:
            self._sent_at = perf_counter()
            answered &= self._send(frame) is True
            if report is not None:
                report.whole(frame)
        return answered

    def _send(self, frame: Frame) -> Any:
        try:
            sending = self._writing.begin(partial(_harmless, self._carrier.send, frame))
            wait([sending], self._deadlines.write)
            if not sending.done():
                raise failures.not_taken(self._address, self._deadlines.write)
            return sending.result()
        except BaseException as error:  # half a frame may have left, also after Ctrl-C
            self.abort()
            if not isinstance(error, Exception):
                raise
            raise self._broken(error, while_sending=True) from error

    def ask(self) -> None:
        """Have the hub show that it has read what was sent, without waiting for that."""
        self._begin_ping(b"")

    def ping(self, payload: bytes, seconds: float) -> Optional[float]:
        """Seconds of one round trip; None when it did not end in time, or this transport cannot ping."""
        pinging = self._begin_ping(payload)
        if pinging is None:
            return None
        wait([pinging], self._patience(seconds))
        if not pinging.done():
            return None
        try:
            return pinging.result()
        except Exception as error:
            raise self._broken(error) from error

    def _begin_ping(self, payload: bytes) -> Optional[Future[float]]:
        if self._echo is not None:
            return self._begin_echo(self._asked(payload))
        if not self._offer.pings:
            return None
        ponged = self._asked(payload)

        def round_trip() -> float:
            _harmless(self._carrier.ping)
            return ponged()

        return self._pinging.begin(round_trip)

    def _begin_echo(self, ponged: Callable[[], float]) -> Future[float]:
        pinging: Future[float] = Future()

        def answered() -> None:
            seconds = self._echoed(ponged)
            with suppress(KeyError):  # `abort` came first
                self._unanswered.remove(pinging)
                pinging.set_result(seconds)

        self._unanswered.add(pinging)
        self._pinging.begin(partial(_harmless, self._echo, answered))
        if self._aborted:
            self._wake_unanswered()
        return pinging

    def _wake_unanswered(self) -> None:
        with suppress(KeyError):
            while True:
                self._unanswered.pop().set_exception(failures.closed_here(self._address))

    def farewell(self) -> None:
        """Tell the hub that we go, once it has read what was sent; then hang up."""
        with suppress(HubConnectionError):  # the reader finds out what that means
            if self._awaits_pong:
                self.ping(LAST_PING, self._deadlines.close / 2)
        leave = getattr(self._carrier, "farewell", None)
        if leave is not None and not self._aborted:
            wait([self._writing.begin(partial(_harmless, leave))], self._deadlines.close)
        self.abort()

    def abort(self) -> None:
        """Close at once, and wake whoever reads or writes, whatever the carrier does."""
        self._aborted = True
        try:
            self._abort_carrier()
        finally:
            for hand in (self._reading, self._writing, self._pinging):
                hand.end(failures.closed_here(self._address))
            self._wake_unanswered()

    def release(self) -> None:
        """Close what is still open. For the reading thread, when it reads no more."""
        self.abort()
        free = getattr(self._carrier, "release", None)
        if free is not None:
            hand = Hand(f"hivemind-{self._address.scheme}-ends")
            done = hand.begin(partial(_harmless, free))
            wait([done], self._deadlines.close)
            if done.done() and done.exception() is not None:
                self._broken(done.exception() or OSError())
            hand.end(failures.closed_here(self._address))


def _harmless(work: Callable[..., T], *arguments: Any) -> T:
    """The result of a carrier's method, on a thread of its own, where nothing but Exceptions may come out of it."""
    try:
        return work(*arguments)
    except Exception:
        raise
    except BaseException as error:
        raise escaped(error) from error
