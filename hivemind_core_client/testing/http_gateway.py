"""HttpGateway: the endpoints of hivemind-http-protocol, in front of a hub that speaks WebSocket alone."""

from __future__ import annotations

import json
import logging
import socket
import ssl
import sys
import threading
from base64 import b64decode, b64encode
from collections import deque
from contextlib import suppress
from email.parser import BytesParser
from email.policy import HTTP
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, ClassVar, Optional, TypeVar, Union
from urllib.parse import parse_qs, quote, urlsplit

from hivemind_core_client.testing.certificates import server_context
from hivemind_core_client.wire.errors import Install

if TYPE_CHECKING:
    from hivemind_core_client.plugins.contract import Frame

try:
    from websockets.exceptions import ConnectionClosed, WebSocketException
    from websockets.protocol import State
    from websockets.sync.client import ClientConnection, connect
except ImportError as missing:
    raise ImportError(f"the HTTP gateway needs the websockets package: {Install('testing')}") from missing

__all__ = ["HttpGateway"]

log = logging.getLogger(__name__)

#: What hivemind-http-protocol takes in one request, in bytes.
_MOST_BODY_BYTES = 2**20
_WAIT_S = 5.0
#: How many requests are answered at once, how many sessions there are, and what waits in one of them to be fetched.
_MOST_REQUESTS, _MOST_SESSIONS, _MOST_FRAMES, _MOST_WAITING_BYTES = 500, 500, 10_000, 64 * 2**20

_GONE = {"error": "Client is not connected"}

T = TypeVar("T")
#: Status and JSON object; or bytes, which are written as they are before the connection is closed.
Reply = Union[tuple[int, dict[str, Any]], bytes]


class HttpGateway:
    """Connects a HiveMindHTTPClient with an EmbeddedHub: each session over HTTP is a WebSocket of the hub.

    `url` is the hub's `ws://HOST:PORT`. `tls` is True or a server's SSLContext. With True the gateway makes a
    certificate (`gateway.ca_file`). `requests` has the endpoints that were asked for, in order. Without `keep_alive`
    each answer ends its connection, as with some proxies. You may change `hub_url`: new sessions go there.
    """

    def __init__(
        self,
        url: str,
        tls: Union[bool, ssl.SSLContext, None] = None,
        port: int = 0,
        keep_alive: bool = True,
    ) -> None:
        self.host = "127.0.0.1"
        self.port = port
        self.requests: list[str] = []
        self.hub_url = url
        self._keep_alive = keep_alive
        self._tls, self.ca_file = server_context(tls, self.host)
        self._sessions: dict[str, _Session] = {}
        self._server: Optional[ThreadingHTTPServer] = None
        self._thread: Optional[threading.Thread] = None

    @property
    def url(self) -> str:
        """`http://127.0.0.1:PORT`, or `https://`."""
        return f"{'https' if self._tls else 'http'}://{self.host}:{self.port}"

    @property
    def sessions(self) -> int:
        """How many clients have connected and have neither left nor been forgotten."""
        return len(self._sessions)

    def start(self) -> HttpGateway:
        """Listen; returns this gateway. The same port is taken again after `stop`."""
        version = "HTTP/1.1" if self._keep_alive else "HTTP/1.0"
        handler = type("_Handler", (_Handler,), {"gateway": self, "protocol_version": version})
        server = _Server((self.host, self.port), handler)
        if self._tls is not None:
            server.socket = self._tls.wrap_socket(
                server.socket, server_side=True, do_handshake_on_connect=False
            )
        self.port = server.server_address[1]
        self._server = server
        self._thread = threading.Thread(
            target=server.serve_forever, args=(0.02,), name="http-gateway", daemon=True
        )
        self._thread.start()
        return self

    def stop(self) -> None:
        """Forget every session and listen no more. Idempotent."""
        server, self._server = self._server, None
        if server is None or self._thread is None:
            return
        server.shutdown()
        server.server_close()
        self._thread.join(_WAIT_S)
        self.forget()

    def forget(self) -> None:
        """End every session, as a hub does that was restarted."""
        for login in list(self._sessions):
            self._sessions.pop(login).close()

    def __enter__(self) -> HttpGateway:
        """Start."""
        return self.start()

    def __exit__(self, *exception: object) -> None:
        """Stop."""
        self.stop()

    def answer(self, method: str, endpoint: str, login: str, form: dict[str, str]) -> Reply:
        """The answer to a request; override it for a hub that answers otherwise."""
        self.requests.append(endpoint)
        if not login:
            return 400, {"error": "Missing authorization"}
        if (method, endpoint) == ("POST", "connect"):
            return self._connect(login)
        session = self._sessions.get(login)
        if session is None or session.ended:
            self._sessions.pop(login, None)
            return (409 if endpoint == "send_message" else 200), _GONE
        return self._serve(session, method, endpoint, login, form)

    def _serve(
        self, session: _Session, method: str, endpoint: str, login: str, form: dict[str, str]
    ) -> Reply:
        if (method, endpoint) == ("GET", "get_messages"):
            return 200, {"status": "messages retrieved", "messages": session.take(str)}
        if (method, endpoint) == ("GET", "get_binary_messages"):
            messages = [b64encode(frame).decode("ascii") for frame in session.take(bytes)]
            return 200, {"status": "messages retrieved", "b64_messages": messages}
        if (method, endpoint) == ("POST", "send_message"):
            return session.send(form.get("message", ""), form.get("binary") == "1")
        if (method, endpoint) == ("POST", "disconnect"):
            self._sessions.pop(login, None)  # `forget` may have come first
            session.close()
            return 200, {"status": "Disconnected"}
        return 404, {}

    def _connect(self, login: str) -> Reply:
        if login not in self._sessions:
            if len(self._sessions) >= _MOST_SESSIONS:
                return 503, {"error": "Too many clients"}
            session = _Session(f"{self.hub_url}?authorization={quote(login, safe='')}")
            if not session.greeted():
                refused = (403, {"error": "Invalid authorization"})
                return refused if session.reached else (500, {"error": "Connection failed"})
            self._sessions[login] = session
        return 200, {"status": "Connected"}


class _Session:
    """One WebSocket with the hub, and what came over it."""

    def __init__(self, url: str) -> None:
        self._is_over = self._is_forgotten = self._is_noise = False
        self._frames: deque[Frame] = deque()
        self._changed = threading.Condition()
        self._waiting_bytes = 0
        self._connection: Optional[ClientConnection] = None
        threading.Thread(target=self._run, args=(url,), name="http-gateway-session", daemon=True).start()

    @property
    def ended(self) -> bool:
        """True once either side has hung up."""
        connection = self._connection
        return self._is_over or (connection is not None and connection.protocol.state is State.CLOSED)

    def greeted(self) -> bool:
        """True once the hub said something, False if it hung up instead."""
        with self._changed:
            self._changed.wait_for(lambda: bool(self._frames) or self.ended, _WAIT_S)
            return bool(self._frames)

    @property
    def reached(self) -> bool:
        """True when the hub was there at all."""
        return self._connection is not None

    def take(self, kind: type[T]) -> list[T]:
        """The frames of this kind, in order; they are then gone."""
        with self._changed:
            taken: list[T] = [frame for frame in self._frames if isinstance(frame, kind)]
            self._frames = deque(frame for frame in self._frames if not isinstance(frame, kind))
            self._waiting_bytes = sum(map(len, self._frames))
            self._changed.notify_all()
        return taken

    def send(self, text: str, is_binary: bool = False) -> Reply:
        """Pass a text on, or the bytes that it stands for, in base64: these in a Noise session only.

        Like the plugin, answer once the hub has dealt with it, be it by hanging up.
        """
        if not text:
            return 400, {"error": "Missing message"}
        if is_binary and not self._is_noise:
            return 409, {"error": "No Noise session; reconnect and handshake"}
        self._is_noise = self._is_noise or '"noise"' in text
        if self._connection is None:
            return 500, {"error": "Message sending failed"}
        try:
            self._connection.send(b64decode(text) if is_binary else text)
        except ConnectionClosed:
            return 409, _GONE
        with suppress(ConnectionClosed):
            self._connection.ping(ack_on_close=True).wait(_WAIT_S)
        return (409, _GONE) if self._is_forgotten else (200, {"status": "message sent"})

    def close(self) -> None:
        """Hang up."""
        self._is_forgotten = True
        with self._changed:
            self._changed.notify_all()
        if self._connection is not None:
            self._connection.close()

    def _run(self, url: str) -> None:
        hub = urlsplit(url)
        try:
            # A socket of our own, so that the environment is not asked for a proxy.
            connected = socket.create_connection((hub.hostname or "", hub.port or 0), _WAIT_S)
            connected.settimeout(None)
            with connect(url, sock=connected, compression=None, max_size=None) as self._connection:
                for frame in self._connection:
                    self._note(frame)
        except (OSError, WebSocketException) as error:
            log.debug("the hub went: %s", error)
        finally:
            self._note(None)

    def _note(self, frame: Optional[Frame]) -> None:
        with self._changed:
            if frame is None:
                self._is_over = True
            else:
                self._frames.append(frame)
                self._waiting_bytes += len(frame)
            self._changed.notify_all()
            # The hub waits meanwhile, as for any client that does not read.
            self._changed.wait_for(lambda: self._has_room() or self._is_forgotten)

    def _has_room(self) -> bool:
        return len(self._frames) < _MOST_FRAMES and self._waiting_bytes < _MOST_WAITING_BYTES


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, *arguments: Any) -> None:
        self._room = threading.Semaphore(_MOST_REQUESTS)
        super().__init__(*arguments)

    def process_request(self, request: Any, client_address: Any) -> None:
        """A thread for each connection, while there are not too many."""
        if self._room.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """What that thread does."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._room.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        error = sys.exc_info()[1]
        if isinstance(error, OSError):
            log.debug("a client broke off, or does not take our certificate: %s", error)
        else:
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    gateway: ClassVar[HttpGateway]
    timeout = 30.0
    disable_nagle_algorithm = True
    wbufsize = -1  # one packet for headers and body

    def do_GET(self) -> None:
        self._answer("GET", {})

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length") or "0"
        size = int(length) if length.isascii() and length.isdigit() and len(length) < 20 else -1
        if not 0 <= size <= _MOST_BODY_BYTES:
            self.close_connection = True
            self._write(400, b"")
            return
        self._answer("POST", self._form(self.rfile.read(size)))

    def _answer(self, method: str, form: dict[str, str]) -> None:
        parts = urlsplit(self.path)
        login = parse_qs(parts.query).get("authorization", [""])[0]
        reply = self.gateway.answer(method, parts.path.strip("/"), _valid(login), form)
        if isinstance(reply, bytes):
            self.close_connection = True
            self.wfile.write(reply)
        else:
            self._write(reply[0], json.dumps(reply[1]).encode())

    def _form(self, body: bytes) -> dict[str, str]:
        kind = self.headers.get("Content-Type", "")
        if not kind.startswith("multipart/"):
            return {name: values[0] for name, values in parse_qs(body.decode()).items()}
        parsed = BytesParser(policy=HTTP).parsebytes(f"Content-Type: {kind}\r\n\r\n".encode() + body)
        return {
            str(part.get_param("name", "", "content-disposition")): part.get_payload(decode=True).decode()  # type: ignore[union-attr]  # no part has parts
            for part in parsed.iter_parts()
        }

    def _write(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the request line holds the access key."""


def _valid(login: str) -> str:
    try:
        b64decode(login, validate=True)
    except ValueError:
        return ""
    return login
