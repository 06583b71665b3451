"""One connection of the hostile hub: a raw socket, and what helps to be as bad as one likes over it."""

from __future__ import annotations

import functools
import json
import socket
import struct
import threading
from base64 import b64encode
from collections.abc import Iterable
from hashlib import sha1
from typing import Any, Callable, Optional, Union

from hivemind_core_client import HiveMindError
from hivemind_core_client.config.rsa_keys import generate_rsa_key
from hivemind_core_client.plugins.manager import load_plugins
from hivemind_core_client.testing.hub_link import Account, HubLink, HubOptions
from tests.unit.support import PASSWORD

CONTINUED, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
#: How long a mode may go on, in seconds: longer than any client stays.
LONGEST_S = 60.0
_MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class Gone(OSError):
    """The client has hung up."""


def header(opcode: int, size: int, last: bool = True, mask: bool = False, reserved: int = 0) -> bytes:
    """The head of a WebSocket frame of `size` bytes, which need not follow."""
    first = (0x80 if last else 0) | reserved << 4 | opcode
    masked = 0x80 if mask else 0
    if size < 126:
        return bytes([first, masked | size])
    if size < 2**16:
        return struct.pack(">BBH", first, masked | 126, size)
    return struct.pack(">BBQ", first, masked | 127, size)


def frame(opcode: int, data: bytes = b"", last: bool = True) -> bytes:
    """A WebSocket frame as a server sends it."""
    return header(opcode, len(data), last) + data


def text(data: Union[str, bytes]) -> bytes:
    """A whole text message."""
    return frame(TEXT, data.encode() if isinstance(data, str) else data)


@functools.lru_cache(maxsize=1)
def keys() -> tuple[str, str]:
    """The hub's RSA key, private and public PEM text."""
    return generate_rsa_key()


class Peer:
    """A client that has come. `stop` is set when the test is over.

    Every method raises OSError then, and when the client has left.
    """

    def __init__(self, connection: socket.socket, stop: threading.Event) -> None:
        self.connection = connection
        self.stop = stop
        self.link: Optional[HubLink] = None
        connection.settimeout(LONGEST_S)

    def send(self, data: bytes) -> None:
        """Write bytes."""
        self.connection.sendall(data)

    def flood(self, data: bytes) -> None:
        """Write the same bytes until the client leaves."""
        while not self.stop.is_set():
            self.connection.sendall(data)

    def drip(self, data: Iterable[int], pause: float = 0.02) -> None:
        """Write a byte at a time."""
        for byte in data:
            if self.stop.wait(pause):
                return
            self.connection.sendall(bytes([byte]))

    def silence(self) -> None:
        """Say nothing more, and read nothing."""
        self.stop.wait(LONGEST_S)

    def listen(self) -> None:
        """Say nothing more, and read until the client leaves."""
        while not self.stop.is_set() and self.connection.recv(65536):
            continue

    def beside(self, work: Callable[[], None]) -> None:
        """Do something in a thread of its own, until it ends or the client leaves."""

        def run() -> None:
            try:
                work()
            except OSError:
                return

        threading.Thread(target=run, daemon=True).start()

    def request(self) -> bytes:
        """The head of the client's HTTP request."""
        data = b""
        while b"\r\n\r\n" not in data:
            piece = self.connection.recv(4096)
            if not piece:
                raise Gone("the client has hung up")
            data += piece
        return data

    def upgrade(self, more: bytes = b"", accept: Optional[bytes] = None) -> None:
        """Turn the connection into a WebSocket; `more` are further header lines."""
        lines = self.request().split(b"\r\n")
        key = next((line for line in lines if line.lower().startswith(b"sec-websocket-key")), b":")
        right = b64encode(sha1(key.partition(b":")[2].strip() + _MAGIC).digest())
        self.send(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: %s\r\n%s\r\n" % (right if accept is None else accept, more)
        )

    def read(self) -> tuple[int, bytes]:
        """Opcode and data of the client's next frame."""
        first, second = self._exactly(2)
        size = second & 0x7F
        if size > 125:
            size = int.from_bytes(self._exactly(2 if size == 126 else 8), "big")
        mask, data = self._exactly(4), self._exactly(size)
        whole = (mask * (size // 4 + 1))[:size]
        plain = (int.from_bytes(data, "big") ^ int.from_bytes(whole, "big")).to_bytes(size, "big")
        return first & 0x0F, plain

    def message(self) -> Union[str, bytes]:
        """The client's next message; pings are answered, and a close is the end."""
        while True:
            opcode, data = self.read()
            if opcode == CLOSE:
                raise Gone("the client says goodbye")
            if opcode == PING:
                self.send(frame(PONG, data))
            elif opcode in (TEXT, BINARY):
                return data.decode() if opcode == TEXT else data

    def greet(self, versions: tuple[int, int] = (0, 1), password: str = PASSWORD, **more: Any) -> None:
        """Upgrade, and send HELLO and the offer; `more` changes the offer."""
        self.upgrade()
        self.meet(versions, password)
        assert self.link is not None
        hello, offer = (str(each) for each in self.link.greeting())
        if more:
            fields = json.loads(offer)
            fields["payload"].update(more)
            offer = json.dumps(fields)
        self.send(text(hello) + text(offer))

    def meet(self, versions: tuple[int, int] = (0, 1), password: str = PASSWORD) -> None:
        """Be a hub to this client."""
        private, public = keys()
        options = HubOptions(private_key=private, public_key=public, versions=versions, binarize=True)
        registry = load_plugins().require()
        self.link = HubLink(registry, Account("k", password, name="client-1"), options, "hostile")

    def session(self, versions: tuple[int, int] = (0, 1)) -> None:
        """Greet, and return when the client's HELLO has come: the session stands."""
        self.greet(versions)
        while not self.link_of.ready:
            self.take(self.message())

    def take(self, received: Union[str, bytes]) -> None:
        """Do with a message of the client what a hub does."""
        try:
            message, answers = self.link_of.receive(received)
        except HiveMindError as error:
            raise Gone(f"the client breaks the rules: {error}") from error
        if message is not None and message.msg_type.value == "hello":
            self.link_of.introduce(message)
        for answer in answers:
            self.send_sealed(answer)

    @property
    def link_of(self) -> HubLink:
        """The hub's half of the session."""
        assert self.link is not None
        return self.link

    @property
    def session_id(self) -> str:
        """The client's session id, as it said it."""
        return str(self.link_of.session.get("session_id"))

    def sealed(self, plain: Union[str, bytes]) -> bytes:
        """WebSocket frames that carry this, sealed."""
        return b"".join(_as_frame(each) for each in self.link_of.seal_frame(plain))

    def send_sealed(self, each: Any) -> None:
        """Write what has been sealed already."""
        self.send(_as_frame(each))

    def deliver(self, plain: Union[str, bytes]) -> None:
        """Send text or bytes of any content, sealed as a message would be."""
        self.send(self.sealed(plain))

    def bus(self, msg_type: str = "hostile", data: Any = None, context: Any = None) -> None:
        """Send a BUS message."""
        self.deliver(bus_text(msg_type, data, context))

    def serve(self) -> None:
        """Be a hub that only listens, until the client leaves."""
        while not self.stop.is_set():
            self.take(self.message())

    def _exactly(self, size: int) -> bytes:
        data = bytearray()
        while len(data) < size:
            piece = self.connection.recv(min(size - len(data), 2**20))
            if not piece:
                raise Gone("the client has hung up")
            data += piece
        return bytes(data)


def _as_frame(each: Any) -> bytes:
    return text(each) if isinstance(each, str) else frame(BINARY, bytes(each))


def bus_text(msg_type: str = "hostile", data: Any = None, context: Any = None) -> str:
    """The text of a BUS message."""
    payload = {"type": msg_type, "data": data or {}, "context": context or {}}
    return json.dumps({"msg_type": "bus", "payload": payload})
