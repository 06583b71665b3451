"""TLS for a transport: how a hub is verified, and a socket that two threads may use at once."""

from __future__ import annotations

import select
import socket
import ssl
import threading
import time
from typing import Any, Callable, Optional, TypeVar

from attrs import frozen

from hivemind_core_client.errors import SecureConnectionFailed

T = TypeVar("T")


@frozen
class Tls:
    """How a `wss://` hub is verified: by `context`, else by `ca_file`, else not at all if `self_signed`."""

    self_signed: bool = True
    ca_file: Optional[str] = None
    context: Optional[ssl.SSLContext] = None

    def make_context(self) -> ssl.SSLContext:
        """Raises SecureConnectionFailed for a CA file that cannot be read."""
        if self.context is not None:
            return self.context
        try:
            context = ssl.create_default_context(cafile=self.ca_file)
        except OSError as error:
            raise SecureConnectionFailed(f"the CA file {self.ca_file!r} cannot be read: {error}") from error
        if self.self_signed and self.ca_file is None:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context

    @property
    def verifies(self) -> bool:
        """False when anyone's certificate is accepted."""
        return self.context is not None or self.ca_file is not None or not self.self_signed


class SharedTlsSocket:
    """A TLS socket that one thread may read while another writes.

    OpenSSL's connection objects are not safe for that (openssl-threads(7)), and a lock around a blocking read would
    keep the writer out. So the socket never blocks: each step holds the lock, waiting does not.
    """

    def __init__(self, wrapped: ssl.SSLSocket) -> None:
        self._socket = wrapped
        self._socket.setblocking(False)
        self._lock = threading.Lock()
        self._timeout: Optional[float] = None

    def recv(self, size: int) -> bytes:
        """Up to `size` bytes; none at the end. Raises socket.timeout."""
        return self._in_steps(lambda: self._socket.recv(size))

    def send(self, data: Any) -> int:
        """How many bytes were sent. Raises socket.timeout."""
        return self._in_steps(lambda: self._socket.send(data))

    def settimeout(self, seconds: Optional[float]) -> None:
        """Seconds that one `recv` or `send` may take; None waits for ever."""
        self._timeout = seconds

    def gettimeout(self) -> Optional[float]:
        """What `settimeout` set."""
        return self._timeout

    def fileno(self) -> int:
        """The file descriptor."""
        return self._socket.fileno()

    def shutdown(self, how: int) -> None:
        """End the connection, and wake who waits on it."""
        self._socket.shutdown(how)

    def close(self) -> None:
        """Give the socket back to the system."""
        self._socket.close()

    def _in_steps(self, step: Callable[[], T]) -> T:
        end = None if self._timeout is None else time.monotonic() + self._timeout
        while True:
            try:
                with self._lock:
                    return step()
            except ssl.SSLWantReadError:
                self._wait(end, reading=True)
            except ssl.SSLWantWriteError:
                self._wait(end, reading=False)

    def _wait(self, end: Optional[float], reading: bool) -> None:
        seconds = None if end is None else max(0.0, end - time.monotonic())
        poll = select.poll()
        poll.register(self._socket, select.POLLIN if reading else select.POLLOUT)
        if not poll.poll(None if seconds is None else seconds * 1000):
            raise socket.timeout("timed out")
