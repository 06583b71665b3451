"""A proxy on loopback that may change, drop, repeat or reorder what a client over HTTP and its hub tell each other."""

from __future__ import annotations

import json
import threading
from base64 import b64decode, b64encode
from email import message_from_bytes
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlencode, urlsplit

from .hubs import HOST
from .meddler import END_SECONDS, Change, Frame, Proxy, as_it_is

_KEPT = {"status": "message sent"}
_LISTS = {"/get_messages": "messages", "/get_binary_messages": "b64_messages"}


class HttpMeddler(Proxy):
    """For one client over HTTP: what holds at its `connect` holds for that session."""

    def __init__(self, hub_port: int) -> None:
        self.hub_port = hub_port
        self.session = _Session(as_it_is, as_it_is)
        meddler = self

        class Handler(_Handler):
            """Knows where it belongs."""

            proxy = meddler

        self._server = ThreadingHTTPServer((HOST, 0), Handler)
        self._server.daemon_threads = True
        super().__init__(self._server.server_address[1], self._listen, self._end)

    def _listen(self) -> None:
        self._server.serve_forever(0.05)

    def _end(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def connect(self) -> None:
        """A session begins."""
        self.connections += 1
        self.session = _Session(self.down, self.up)


class _Session:
    """The changes of one session, and how many frames went each way. Requests are answered side by side."""

    def __init__(self, down: Change, up: Change) -> None:
        self._changes = {"down": down, "up": up}
        self._numbers = {"down": 0, "up": 0}
        self._lock = threading.Lock()

    def changed(self, direction: str, frame: Frame) -> list[Frame]:
        with self._lock:
            number = self._numbers[direction]
            self._numbers[direction] += 1
            return self._changes[direction](number, frame)


class _Handler(BaseHTTPRequestHandler):
    proxy: HttpMeddler
    protocol_version = "HTTP/1.1"

    def setup(self) -> None:
        super().setup()
        self._hub = HTTPConnection(HOST, self.proxy.hub_port, timeout=END_SECONDS)

    def finish(self) -> None:
        self._hub.close()
        super().finish()

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: the path holds the access key."""

    def do_GET(self) -> None:
        status, body = self._asked("GET", b"")
        name = _LISTS.get(urlsplit(self.path).path)
        if name is not None and isinstance(body.get(name), list):
            session = self.proxy.session
            frames = [_read(name, text) for text in body[name]]
            body[name] = [_written(changed) for frame in frames for changed in session.changed("down", frame)]
        self._answer(status, body)

    def do_POST(self) -> None:
        data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        endpoint = urlsplit(self.path).path
        if endpoint == "/connect":
            self.proxy.connect()
        if endpoint != "/send_message":
            self._answer(*self._asked("POST", data))
            return
        form = _fields(self.headers.get("Content-Type", ""), data)
        answer: tuple[int, dict[str, Any]] = (200, _KEPT)
        if "message" not in form:  # the client asks whether its session still stands
            answer = self._asked("POST", data)
        else:
            for changed in self.proxy.session.changed("up", _of_form(form)):
                answer = self._asked("POST", urlencode(_form(changed)).encode())
        self._answer(*answer)

    def _asked(self, method: str, data: bytes) -> tuple[int, dict[str, Any]]:
        headers = {"Content-Type": "application/x-www-form-urlencoded"} if method == "POST" else {}
        self._hub.request(method, self.path, data, headers)
        answer = self._hub.getresponse()
        body = json.loads(answer.read() or b"{}")
        return answer.status, body

    def _answer(self, status: int, body: dict[str, Any]) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def _read(name: str, text: str) -> Frame:
    return b64decode(text) if name == "b64_messages" else text


def _written(frame: Frame) -> str:
    return frame if isinstance(frame, str) else b64encode(frame).decode("ascii")


def _fields(content_type: str, data: bytes) -> dict[str, str]:
    """The fields of a multipart form."""
    form = message_from_bytes(f"Content-Type: {content_type}\r\n\r\n".encode() + data)
    parts = form.get_payload() if form.is_multipart() else []
    return {
        str(part.get_param("name", header="content-disposition")): part.get_payload(decode=True).decode()
        for part in parts
    }


def _of_form(form: dict[str, str]) -> Frame:
    return b64decode(form["message"]) if form.get("binary") else form["message"]


def _form(frame: Frame) -> dict[str, str]:
    if isinstance(frame, str):
        return {"message": frame}
    return {"message": _written(frame), "binary": "1"}
