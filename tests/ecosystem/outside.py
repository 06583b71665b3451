"""What stands outside the hive: servers of chats, played on loopback in the process of the test."""

from __future__ import annotations

import json
import queue
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.request import Request, urlopen

Json = dict[str, Any]
#: Answers a request: method, path and content (`{}` where there is none).
Answer = Callable[[str, str, Json], Json]

_SECONDS = 30.0
_ROOM = "!room:localhost"
_HELD_SECONDS = 1.0


@contextmanager
def http_server(answer: Answer) -> Iterator[int]:
    """A server that speaks JSON while in a `with`. Gives its port."""

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            content = json.loads(self.rfile.read(length) or b"{}")
            body = json.dumps(answer(self.command, self.path, content)).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PUT = _answer

        def log_message(self, *arguments: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def post(address: str, content: bytes, content_type: str) -> None:
    """Send one request, and wait for its answer."""
    request = Request(address, data=content, headers={"Content-Type": content_type})
    with urlopen(request, timeout=_SECONDS) as response:
        response.read()


def get(address: str) -> str:
    """The text at an address."""
    with urlopen(address, timeout=_SECONDS) as response:
        text: str = response.read().decode()
        return text


class Homeserver:
    """A Matrix server with one room. `say` puts a message of Anna's into it; `heard` has what the bot wrote."""

    def __init__(self) -> None:
        self.heard: queue.Queue[str] = queue.Queue()
        self._said: queue.Queue[str] = queue.Queue()
        self._batch = 0

    def say(self, text: str) -> None:
        """Let Anna write."""
        self._said.put(text)

    def answer(self, method: str, path: str, content: Json) -> Json:
        """What the server says to a request."""
        if path.split("?")[0].endswith("/whoami"):
            return {"user_id": "@hivebot:localhost"}
        if "/join/" in path:
            return {"room_id": _ROOM}
        if "/sync" in path:
            return self._sync()
        if "/send/" in path:
            self.heard.put(content["body"])
            return {"event_id": "$1"}
        return {}

    def _sync(self) -> Json:
        self._batch += 1
        batch = str(self._batch)
        try:
            text = self._said.get(timeout=_HELD_SECONDS)
        except queue.Empty:
            return {"next_batch": batch}
        event = {
            "type": "m.room.message",
            "sender": "@anna:localhost",
            "content": {"msgtype": "m.text", "body": text},
        }
        return {
            "next_batch": batch,
            "rooms": {"join": {_ROOM: {"timeline": {"prev_batch": batch, "events": [event]}}}},
        }


class Channel:
    """A Twitch channel, which takes one bot. `say` sends it a line of Anna's; `heard` has the lines that it wrote."""

    def __init__(self) -> None:
        self.heard: queue.Queue[str] = queue.Queue()
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]
        self._server.settimeout(_SECONDS)
        self._bot: socket.socket | None = None

    def __enter__(self) -> Channel:
        return self

    def __exit__(self, *error: object) -> None:
        self._server.close()
        if self._bot is not None:
            self._bot.close()

    def admit(self) -> None:
        """Wait for the bot, and greet it."""
        self._bot, _ = self._server.accept()
        self._bot.settimeout(_SECONDS)
        threading.Thread(target=self._listen, args=(self._bot,), daemon=True).start()
        self._send(":tmi.twitch.tv 366 bot #hive :End of /NAMES list")

    def say(self, text: str) -> None:
        """Let Anna write."""
        self._send(f":anna!anna@anna.tmi.twitch.tv PRIVMSG #hive :{text}")

    def _send(self, line: str) -> None:
        assert self._bot is not None
        self._bot.sendall(f"{line}\r\n".encode())

    def _listen(self, bot: socket.socket) -> None:
        try:
            with bot.makefile(encoding="utf-8") as lines:
                for line in lines:
                    self.heard.put(line.strip())
        except OSError:  # the test is over
            return
