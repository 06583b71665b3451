"""A socket that one thread reads while another writes, each with a timeout of its own; and finding a hub's address."""

from __future__ import annotations

import logging
import select
import socket
import ssl
import threading
import time
from collections.abc import Sequence
from typing import Any, Callable, Optional, TypeVar, Union

log = logging.getLogger(__name__)

T = TypeVar("T")
#: Called with the bytes written so far, and all that are to be written.
Progress = Callable[[int, int], None]

#: The largest piece, in bytes, that is written between two reports of progress.
_PIECE = 256 * 1024


class Told:
    """Tells a user's callback how far one message has come. One that raises is logged once, and told on.

    `frames` are the frames of the message, where it has several: then it is told of all of them as one, and `next` is
    called between them.
    """

    def __init__(self, progress: Progress, frames: Sequence[Union[str, bytes, bytearray]] = ()) -> None:
        self._progress = progress
        self._failed = False
        self._sizes = [len(frame) for frame in frames] if len(frames) > 1 else []
        self._before = self._current = 0

    def next(self) -> None:
        """One frame has been written; what is told from now on is of the next."""
        if self._current + 1 < len(self._sizes):
            self._before += self._sizes[self._current]
            self._current += 1

    def __call__(self, written: int, total: int) -> None:
        """Tell it, of the frame that is being written. Never raises."""
        if self._sizes:
            written, total = self._before + min(written, self._sizes[self._current]), sum(self._sizes)
        try:
            self._progress(written, total)
        except (Exception, SystemExit):  # half a frame would cost the connection
            if not self._failed:
                log.exception("the callback for progress raised")
            self._failed = True


class SharedSocket:
    """A connected socket, plain or TLS, for one reading and one writing thread.

    It never blocks: each step holds a lock, waiting does not. OpenSSL's connections are not safe for two threads
    without one (openssl-threads(7)), and a lock around a blocking read would keep the writer out.
    `settimeout` is for reading; a write may take `write_timeout` seconds.
    """

    def __init__(self, connected: Union[socket.socket, ssl.SSLSocket], write_timeout: float) -> None:
        self._socket = connected
        self._socket.setblocking(False)
        self._lock = threading.Lock()
        self._read_timeout: Optional[float] = None
        self._write_timeout = write_timeout
        self._progress: Optional[Told] = None

    def report_to(self, told: Optional[Told]) -> None:
        """Tell it how far the writing of one message has come, from now until None is set."""
        self._progress = told

    def recv(self, size: int) -> bytes:
        """Up to `size` bytes; none at the end. Raises socket.timeout."""
        return self._in_steps(lambda: self._socket.recv(size), self._read_timeout, select.POLLIN)

    def send(self, data: Any) -> int:
        """Send all of it, in pieces; each may take the write timeout. Returns its length. Raises socket.timeout."""
        rest, total, progress = memoryview(data), len(data), self._progress
        while rest:
            sent = self._send_piece(rest[:_PIECE])
            rest = rest[sent:]
            if progress is not None:
                progress(total - len(rest), total)
        return total

    def _send_piece(self, piece: memoryview) -> int:
        return self._in_steps(lambda: self._socket.send(piece), self._write_timeout, select.POLLOUT)

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
        self._socket.shutdown(how)

    def close(self) -> None:
        """Give the socket back to the system."""
        self._socket.close()

    def _in_steps(self, step: Callable[[], T], seconds: Optional[float], wanted: int) -> T:
        end = None if seconds is None else time.monotonic() + seconds
        while True:
            try:
                with self._lock:
                    return step()
            except ssl.SSLWantReadError:
                self._wait(end, select.POLLIN)
            except ssl.SSLWantWriteError:
                self._wait(end, select.POLLOUT)
            except BlockingIOError:
                self._wait(end, wanted)

    def _wait(self, end: Optional[float], wanted: int) -> None:
        milliseconds = None if end is None else max(0.0, end - time.monotonic()) * 1000
        poll = select.poll()
        poll.register(self._socket, wanted)
        if not poll.poll(milliseconds):
            raise socket.timeout("timed out")


def connect_tcp(host: str, port: int, seconds: float) -> socket.socket:
    """A connection with the first address of `host` that takes one, all within `seconds`.

    Raises socket.timeout (also for a resolver that hangs), socket.gaierror or another OSError.
    """
    end = time.monotonic() + seconds
    failure: OSError = socket.timeout("timed out")
    for family, kind, protocol, _, address in resolve(host, port, seconds):
        remaining = end - time.monotonic()
        if remaining <= 0:
            raise socket.timeout("timed out")
        connected = socket.socket(family, kind, protocol)
        try:
            connected.settimeout(remaining)
            connected.connect(address)
        except OSError as error:
            connected.close()
            failure = error
        else:
            return connected
    raise failure


def resolve(host: str, port: int, seconds: float) -> list[Any]:
    """getaddrinfo, which has no timeout, on a thread that is left to itself when it takes too long.

    Raises socket.timeout then, and what getaddrinfo raises.
    """
    answer: list[Any] = []

    def ask() -> None:
        try:
            answer.append(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError) as error:
            answer.append(error)

    asking = threading.Thread(target=ask, name="hivemind-resolver", daemon=True)
    asking.start()
    asking.join(seconds)
    if not answer:
        raise socket.timeout("timed out")
    if isinstance(answer[0], Exception):
        raise answer[0]
    return list(answer[0])
