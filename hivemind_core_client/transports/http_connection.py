"""What urllib3 stands on here: sockets that any thread can end, and answers that are bounded in time."""

from __future__ import annotations

import io
import logging
import socket
import time
from functools import partial
from typing import TYPE_CHECKING, Any, Callable, Optional, Union

from attrs import define, frozen

from hivemind_core_client.kernel.bounds import trusted
from hivemind_core_client.transports.log_filter import hide_logins
from hivemind_core_client.transports.shared_socket import Buffer, SharedSocket
from hivemind_core_client.wire.errors import FrameError, FrameTooLarge, HubConnectionError, Install
from hivemind_core_client.wire.json_text import Json, json_object
from hivemind_core_client.wire.text import printable, text_of

try:
    import urllib3
    from urllib3.connection import HTTPConnection
except ImportError as missing:
    raise ImportError(f"the HTTP client needs the urllib3 package: {Install('http')}") from missing

if TYPE_CHECKING:
    from hivemind_core_client.config.settings import Address
    from hivemind_core_client.transports.tcp import Shuts

log = logging.getLogger(__name__)
hide_logins("urllib3.connectionpool", "urllib3.connection", "urllib3.response", "urllib3.util.retry")

#: What a request raises that broke, and what it raises when the answer did not come in time.
BROKEN = (urllib3.exceptions.HTTPError, OSError)
TOO_LATE = urllib3.exceptions.ReadTimeoutError
Pool = urllib3.HTTPConnectionPool
#: How many bytes of an answer are read at once.
_PIECE_BYTES = 64 * 1024


@define
class HttpHistory:
    """What the former connections of one client tell the next one.

    `had_session`: one of them became a session. `was_refused`: the last one ended as if the hub refused its handshake.
    """

    had_session: bool = False
    was_refused: bool = False


@frozen
class Answer:
    """What the hub answers to a request: its HTTP status, and the JSON object that came with it, if one did.

    `location` is where it points, for a redirect.
    """

    status: int
    body: Json
    location: Optional[str] = None

    @classmethod
    def read(cls, status: int, content: Union[bytes, bytearray], location: Optional[str] = None) -> Answer:
        """What is no JSON object counts as an empty one. Raises FrameTooLarge for what takes too much memory."""
        try:
            return cls(status, json_object(content, "an answer"), location)
        except FrameTooLarge:
            raise
        except FrameError as error:
            log.debug("%s", error)
            return cls(status, {}, location)

    @property
    def taken(self) -> bool:
        """True when a hub says that it has what was sent: all of a message, or a piece of one."""
        return self.status == 200 and self.body.get("status") in ("message sent", "buffered")

    @property
    def error(self) -> str:
        """What went wrong, in words, or the empty text."""
        said = printable(str(self.body.get("error") or ""), 200)
        if self.status == 200:
            return said
        return f"HTTP status {self.status}{': ' if said else ''}{said}"

    @property
    def no_session(self) -> bool:
        """True when the hub does not know that we are connected: it says so with 200 or, when we send, with 409."""
        return self.status in (200, 409) and bool(self.error) and not self.takes_no_bytes

    @property
    def takes_no_bytes(self) -> bool:
        """True when the hub has a session of ours, but one in which it takes no frames of bytes."""
        return self.status == 409 and "no noise session" in self.error.lower()


class NotDialled(Exception):
    """Carries what kept us from the hub through urllib3, which would wrap an OSError into one of its own."""

    def __init__(self, error: HubConnectionError) -> None:
        super().__init__(str(error))
        self.error = error


class Connection(HTTPConnection):
    """A connection of urllib3 over a socket that is opened as for a WebSocket: phase by phase, and ours to end."""

    def __init__(self, *args: Any, dial: Callable[[], HttpSocket], **options: Any) -> None:
        super().__init__(*args, **options)
        self._dial = dial

    def connect(self) -> None:
        """Raises NotDialled."""
        try:
            self.sock = self._dial()
        except HubConnectionError as error:
            raise NotDialled(error) from error

    def getresponse(self) -> urllib3.HTTPResponse:  # type: ignore[override]  # as in urllib3
        """The answer, once its headers are read."""
        connected: object = self.sock
        try:
            return super().getresponse()
        except Exception:
            if isinstance(connected, HttpSocket):
                connected.drop()  # urllib3 forgets what reads from it, if headers contradict each other
            raise


def new_pool(address: Address, dial: Callable[[], HttpSocket]) -> Pool:
    """Connections that are opened by `dial`, which may raise a HubConnectionError, and kept for the next request."""
    # One for what is polled and one for what is sent. No proxy: the environment is not asked.
    pool = Pool(address.host, address.port, maxsize=2)
    pool.ConnectionCls = partial(Connection, dial=dial)  # type: ignore[assignment]  # made by calling it
    return pool


def _content(response: urllib3.BaseHTTPResponse, most: int) -> bytearray:
    """Up to `most` bytes of an answer. In pieces: Python 3.9 sets aside as many bytes as it is asked for."""
    content = bytearray()
    while most > 0 and (piece := response.read(min(most, _PIECE_BYTES))):
        content += piece
        most -= len(piece)
    return content


def ask(
    pool: Pool,
    method: str,
    target: str,
    seconds: Optional[float],
    bound: tuple[int, str],
    form: dict[str, str],
) -> Answer:
    """One request, answered within `seconds` and so many bytes as `bound` says, which names the field of Limits too.

    Raises NotDialled, FrameTooLarge, WriteStalled, TOO_LATE or one of BROKEN.
    """
    most, limit = bound
    try:
        response = pool.request(
            method,
            target,
            fields=form or None,
            retries=False,
            redirect=False,
            timeout=urllib3.Timeout(read=seconds),
            preload_content=False,
            decode_content=False,
        )
        try:
            content = _content(response, most + 1)
        finally:
            response.release_conn() if response.closed else response.close()  # of what is not read to its end
    except (OverflowError, ValueError) as error:  # what http.client makes of chunks of -5 and -10**40 bytes
        raise urllib3.exceptions.ProtocolError(f"the answer makes no sense: {text_of(error)}") from error
    if len(content) > most:
        raise FrameTooLarge(f"an answer of {len(content)} bytes or more; the limit is {most}", trusted(limit))
    return Answer.read(response.status, content, response.headers.get("Location"))


class HttpSocket(SharedSocket):
    """A socket as urllib3 uses one: `settimeout` bounds all that is read from then on, not each piece of it."""

    def __init__(self, connected: socket.socket, write_timeout: float, listed: set[Shuts]) -> None:
        super().__init__(connected, write_timeout)
        self._ends: Optional[float] = None
        self._closed = False
        self._readers = 0
        self._listed = listed
        listed.add(self)

    def settimeout(self, seconds: Optional[float]) -> None:
        """Seconds from now until everything must be read; None for ever."""
        self._ends = None if seconds is None else time.monotonic() + seconds

    def recv(self, size: int) -> bytes:
        """Up to `size` bytes. Raises socket.timeout."""
        left = None if self._ends is None else self._ends - time.monotonic()
        if left is not None and left <= 0:  # though there may be more, from one who sends without end
            raise socket.timeout("timed out")
        super().settimeout(left)
        return super().recv(size)

    def sendall(self, data: Buffer) -> None:
        """Send all of it. Raises WriteStalled."""
        self.send(data)

    def makefile(self, *_: Any, **__: Any) -> io.BufferedReader:
        """What an answer is read from; the socket stays open until it is closed too."""
        self._readers += 1
        return io.BufferedReader(_Reader(self))

    def close(self) -> None:
        """Close the socket, once no answer is read from it any more."""
        self._closed = True
        if not self._readers:
            self._listed.discard(self)
            super().close()

    def drop(self) -> None:
        """Close the socket at once. For the thread that reads from it."""
        self._readers = 0
        self.close()

    def reader_closed(self) -> None:
        """An answer has been read."""
        self._readers -= 1
        if self._closed:
            self.close()


class _Reader(io.RawIOBase):
    def __init__(self, connected: HttpSocket) -> None:
        super().__init__()
        self._connected = connected

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._connected.recv(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        if not self.closed:
            super().close()
            self._connected.reader_closed()
