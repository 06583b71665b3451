"""The part of the conformance kit for transports: both forms, against a peer that sends everything back."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any, Callable, Generic, Optional, TypeVar

from attrs import evolve

from hivemind_core_client.config.settings import read_address
from hivemind_core_client.config.tls import Tls
from hivemind_core_client.kernel.policy import Deadlines
from hivemind_core_client.plugins.contract import Closed, Frame, Transport, TransportSettings
from hivemind_core_client.transports.forms import new_transport
from hivemind_core_client.wire.errors import HiveMindError

if TYPE_CHECKING:
    from hivemind_core_client.transports.base import Transport as Opened

T = TypeVar("T")

#: The echo peer hangs up when it gets this text, with this code where the transport has codes.
ECHO_END, ECHO_CODE = "hang up", 4001
#: Seconds that each step may take, and in which `abort` has to wake who reads.
_STEP_S, _WAKE_S = 20.0, 3.0
_MIB = 2**20
#: How many frames are sent before one of them is read.
_IN_A_ROW = 50


def check_transport(
    transport: Transport,
    url: str,
    *,
    code: Optional[int] = ECHO_CODE,
    options: Optional[Mapping[str, Any]] = None,
) -> None:
    """Assert that a transport keeps the contract, in each form that it has, with the echo peer at `url`.

    The peer must send back each frame as it came, str or bytes. When it gets the text `hang up`, it must end the
    connection with `code` (default: 4001). Pass None for a transport that has no codes. `options` are for the
    transport. Frames have up to 1 MiB. AssertionError says which form did what. This takes some seconds. Raises
    ValueError for a transport that finds hubs, and so has no form.
    """
    if transport.find is not None:
        raise ValueError(f"the transport for {transport.schemes[0]} finds hubs: it has no form to check")
    forms = {"blocking": evolve(transport, asyncio=None)} if transport.blocking else {}
    if transport.asyncio:
        forms["asyncio"] = evolve(transport, blocking=None)
    for form, alone in forms.items():
        checks = _FormCheck(form, alone, _settings(alone, url, options or {}))
        checks.echoes()
        checks.ends(code)
        checks.is_woken()


def _settings(transport: Transport, url: str, options: Mapping[str, Any]) -> TransportSettings:
    address = read_address(url, transports=dict.fromkeys(transport.schemes, transport))
    return TransportSettings(
        address=address,
        url=address.with_login("check", "key"),
        useragent="check",
        key="key",
        tls=Tls(),
        deadlines=Deadlines(write=_STEP_S),
        largest_frame=8 * _MIB,
        largest_early=_MIB,
        ping_timeout=_STEP_S,
        options=options,
    )


class _Running(Generic[T]):
    """Work on a thread of its own, which keeps its result, or what it raises, for whoever waits."""

    def __init__(self, work: Callable[[], T]) -> None:
        self._work = work
        self.results: list[T] = []
        self.error: Optional[BaseException] = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def ends(self, seconds: float) -> bool:
        """Whether it ends within so many seconds."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            self.results.append(self._work())
        except BaseException as error:  # told by whoever waits
            self.error = error


class _FormCheck:
    """One form of a transport, opened anew for each check."""

    def __init__(self, form: str, transport: Transport, settings: TransportSettings) -> None:
        self._form = form
        self._transport = transport
        self._settings = settings

    def echoes(self) -> None:
        """Frames of all sizes come back as they were, and in order."""
        opened = self._opened()
        for frame in self._frames():
            self._step(f"send {_shown(frame)}", partial(opened.send, [frame]))
            got = self._step(f"receive {_shown(frame)}", opened.receive)
            same = isinstance(got, str) is isinstance(frame, str) and got == frame
            self._claim(same, f"{_shown(frame)} came back as {_shown(got)}")
        row: list[Frame] = [f"frame {number}" for number in range(_IN_A_ROW)]
        self._step(f"send {_IN_A_ROW} frames", partial(opened.send, row))
        came = [self._step("receive one of many frames", opened.receive) for _ in row]
        self._claim(
            sorted(came) == sorted(row) if not self._transport.keeps_order else came == row,
            f"of {_IN_A_ROW} frames in a row came {came[:5]!r} …",
        )
        if self._transport.pings:
            self._pings(opened)
        self._step("say farewell", opened.farewell)
        self._release(opened)

    def _pings(self, opened: Opened) -> None:
        """A pong comes while somebody reads, as a worker always does."""
        reading = _Running(opened.receive)
        seconds = self._step("ping", lambda: opened.ping(b"kit", _STEP_S / 2))
        self._claim(seconds is not None, "no ping was answered")
        self._step("send a frame after the ping", partial(opened.send, ["x"]))
        self._result("receive a frame after the ping", reading)

    def ends(self, code: Optional[int]) -> None:
        """The end comes with its code."""
        opened = self._opened()
        self._step("send the last frame", partial(opened.send, [ECHO_END]))
        got = self._step("receive the end", opened.receive)
        self._claim(isinstance(got, Closed), f"when the peer had hung up came {_shown(got)}, not Closed")
        self._claim(getattr(got, "code", None) == code, f"the peer hung up with {code}, and {got!r} came")
        self._release(opened)

    def is_woken(self) -> None:
        """`abort` wakes who reads, and leaves no thread behind; twice is as good as once."""
        before = set(threading.enumerate())
        opened = self._opened()
        reading = _Running(opened.receive)
        self._claim(not reading.ends(0.2), "receive returns, and nothing was sent")
        opened.abort()
        self._claim(reading.ends(_WAKE_S), "abort does not wake who receives")
        if not isinstance(reading.error, HiveMindError):  # that the connection has ended may be raised
            self._result("receive while it is aborted", reading)
        self._release(opened)
        end = monotonic() + _WAKE_S
        for thread in set(threading.enumerate()) - before:
            thread.join(max(0.0, end - monotonic()))
            self._claim(
                not thread.is_alive(), f"after abort the thread {thread.name} goes on: it was not woken"
            )

    def _opened(self) -> Opened:
        made = self._step("make a connection", lambda: new_transport(self._transport, self._settings))
        self._step("open", lambda: made.open(self._settings.url))
        made.watch()
        made.stand()
        return made

    def _release(self, opened: Opened) -> None:
        for which in ("", " a second time"):
            self._step(f"abort{which}", opened.abort)
            self._step(f"release{which}", opened.release)

    def _frames(self) -> list[Frame]:
        most = min(self._transport.largest_frame or _MIB, _MIB)
        frames: list[Frame] = ["", "x", "\u00fc" * 10, "x" * most]
        if self._transport.carries_bytes:
            frames += [b"", b"\x00", bytes(range(256)) * (most // 256)]
        return frames

    def _step(self, what: str, work: Callable[[], T]) -> T:
        """The result of one step, which may not take for ever."""
        return self._result(what, _Running(work))

    def _result(self, what: str, running: _Running[T]) -> T:
        self._claim(running.ends(_STEP_S), f"to {what} takes more than {_STEP_S:g} s")
        if running.error is not None:
            text = f"{self._form} form: to {what} raises {type(running.error).__name__}: {running.error}"
            raise AssertionError(text) from running.error
        return running.results[0]

    def _claim(self, holds: bool, fault: str) -> None:
        if not holds:
            raise AssertionError(f"{self._form} form: {fault}")


def _shown(frame: object) -> str:
    if isinstance(frame, (str, bytes, bytearray)):
        return f"a {type(frame).__name__} frame of length {len(frame)}"
    return repr(frame)
