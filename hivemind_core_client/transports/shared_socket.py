"""A socket that one thread reads while another writes, each with a timeout of its own."""

from __future__ import annotations

import select
import selectors
import socket
import ssl
import threading
import time
from selectors import EVENT_READ, EVENT_WRITE
from typing import TYPE_CHECKING, Optional, Union

from hivemind_core_client.kernel.write_deadline import WriteDeadline

if TYPE_CHECKING:
    from hivemind_core_client.kernel.progress import ProgressReporter

#: What is read from, or written to, a socket.
Buffer = Union[bytes, bytearray, memoryview]

#: What is yet read after the end on our side: in it the hub may say why. More is not: it may be sent without end.
_LAST_BYTES = 4096
#: How many bytes are written at most between two reports of progress.
_PIECE_BYTES = 256 * 1024


class WriteStalled(Exception):
    """The peer has taken nothing for as long as a write may stand still."""


class ReadBoundReached(Exception):
    """More was asked for than `allow` allows."""


class SharedSocket:
    """A connected socket, plain or TLS, for one reading and one writing thread.

    It never blocks: each step holds a lock, waiting does not. OpenSSL's connections are not safe for two threads
    without one (openssl-threads(7)), and a lock around a blocking read would keep the writer out.
    `settimeout` is for reading; a write is given up when nothing was taken for `write_timeout` seconds.
    """

    def __init__(self, connected: Union[socket.socket, ssl.SSLSocket], write_timeout: float) -> None:
        self._socket = connected
        self._socket.setblocking(False)
        # Entered again where a handler of a signal ends the connection.
        self._lock = threading.RLock()
        #: How many bytes may be read after `shutdown`.
        self._last: Optional[int] = None
        self._read_timeout: Optional[float] = None
        self._write_timeout = write_timeout
        self._allowed: Optional[int] = None
        self._progress: Optional[ProgressReporter] = None

    def report_to(self, reporter: Optional[ProgressReporter]) -> None:
        """Report how far the writing of one message has come, from now until None is set."""
        self._progress = reporter

    def allow(self, size: int) -> None:
        """Let `size` more bytes be read, and no more until this is called again. For the reading thread."""
        self._allowed = size

    def recv(self, size: int) -> bytes:
        """Up to `size` bytes; none at the end. Raises socket.timeout, and ReadBoundReached before it reads too much."""
        if self._allowed is None:
            return self._read(size)
        if size > self._allowed:
            raise ReadBoundReached("more bytes are wanted than may be read")
        data = self._read(size)
        self._allowed -= len(data)
        return data

    def send(self, data: Buffer) -> int:
        """Send all of it, and return its length. Raises WriteStalled."""
        rest, total, progress = memoryview(data), len(data), self._progress
        deadline: Optional[WriteDeadline] = None
        while rest:
            try:
                with self._lock:
                    sent = self._socket.send(rest[:_PIECE_BYTES])
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError) as blocked:
                now = time.monotonic()
                deadline = deadline or WriteDeadline(self._write_timeout, now, len(rest))
                self._wait_to_write(deadline.next_look(now, len(rest)), blocked)
                continue
            rest = rest[sent:]
            if progress is not None:
                progress(total - len(rest), total)
        return total

    def settimeout(self, seconds: Optional[float]) -> None:
        """Seconds that one `recv` may take; None waits for ever."""
        self._read_timeout = seconds

    def gettimeout(self) -> Optional[float]:
        """What `settimeout` set."""
        return self._read_timeout

    def fileno(self) -> int:
        """The file descriptor."""
        return self._socket.fileno()

    def shutdown(self, how: int) -> None:
        """End the connection, and wake who waits on it."""
        with self._lock:
            if self._last is None:
                self._last = _LAST_BYTES
            if isinstance(self._socket, ssl.SSLSocket):
                # Its own forgets its TLS first: who writes then would write in the clear.
                socket.socket.shutdown(self._socket, how)
            else:
                self._socket.shutdown(how)

    def close(self) -> None:
        """Close the socket."""
        with self._lock:
            self._last = 0
            self._socket.close()

    def _read(self, size: int) -> bytes:
        end = None if self._read_timeout is None else time.monotonic() + self._read_timeout
        while True:
            try:
                with self._lock:
                    return self._socket.recv(size) if self._last is None else self._read_last(size)
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError) as blocked:
                left = None if end is None else max(0.0, end - time.monotonic())
                wanted = EVENT_WRITE if isinstance(blocked, ssl.SSLWantWriteError) else EVENT_READ
                if not wait_for(self._socket, wanted, left):
                    raise socket.timeout("timed out") from None

    def _read_last(self, size: int) -> bytes:
        """What of the last bytes is there already."""
        try:
            data = self._socket.recv(min(size, self._last or 0)) if self._last else b""
        except OSError:
            data = b""
        self._last = (self._last or 0) - len(data) if data else 0
        return data

    def _wait_to_write(self, seconds: Optional[float], blocked: OSError) -> None:
        if seconds is None:
            raise WriteStalled(f"nothing was taken for {self._write_timeout:g} s") from None
        wanted = EVENT_READ if isinstance(blocked, ssl.SSLWantReadError) else EVENT_WRITE
        wait_for(self._socket, wanted, seconds)


def wait_for(connected: socket.socket, wanted: int, seconds: Optional[float]) -> bool:
    """Wait until a socket is ready for a further step; False when that was not within `seconds`."""
    with new_selector() as selector:
        try:
            selector.register(connected, wanted)
        except ValueError as error:  # of a socket without a descriptor
            raise ConnectionAbortedError("the connection was closed here") from error
        return bool(selector.select(seconds))


def new_selector() -> selectors.BaseSelector:
    """One that needs no file descriptor of its own. Windows has no `poll`, and eventlet takes it away."""
    kind = getattr(selectors, "PollSelector", None) if hasattr(select, "poll") else None
    return kind() if kind is not None else selectors.SelectSelector()
