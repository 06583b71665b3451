"""The parsers that read what a peer sends, each as a function of bytes that raises nothing but what it documents.

Each function judges too: what was read can be looked at and written again, and reads as the same then.
"""

from __future__ import annotations

import functools
import random
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Callable, Optional
from unittest import mock

from hivemind_core_client.builtins import binary_serializer, text_serializer
from hivemind_core_client.config.settings import HttpAddress
from hivemind_core_client.config.tls import Tls
from hivemind_core_client.errors import (
    CleartextRefused,
    ConnectionLost,
    DecryptionFailed,
    FrameError,
    FrameTooLarge,
    HubConnectionError,
    InvalidMessage,
    KeyRefused,
)
from hivemind_core_client.kernel.crypto import CipherChannel
from hivemind_core_client.kernel.noise_channel import NoiseChannel
from hivemind_core_client.kernel.options import Credentials
from hivemind_core_client.kernel.policy import Deadlines
from hivemind_core_client.message import HiveMessage, HiveMessageType
from hivemind_core_client.plugins.contract import Cipher, Encoding, Frame
from hivemind_core_client.plugins.wrapping import strip_claims
from hivemind_core_client.transports import http, tcp
from hivemind_core_client.transports.failures import Closed
from tests.unit import support

from . import structure

#: What a frame may inflate to here, in bytes: small, so that an input finds the bound.
_MOST = 64 * 1024
_MOST_PIECES = 512
_MOST_ANSWER = 16 * 1024
_MOST_MESSAGES = 64


@dataclass(frozen=True)
class Parser:
    """`read` takes any bytes. `tokens` are what its inputs are made of, `seeds` whole inputs to begin with.

    `change` makes another input of the same form, or None where it cannot.
    """

    name: str
    read: Callable[[bytes], None]
    tokens: tuple[bytes, ...]
    seeds: tuple[bytes, ...]
    change: Callable[[random.Random, bytes], Optional[bytes]] = lambda chance, data: None


class Wrong(AssertionError):
    """A parser read something, but what it made of it does not hold together."""


def _look(message: HiveMessage) -> None:
    """Do what a client does with a message."""
    strip_claims(message.raw_payload)
    assert repr(message)
    assert isinstance(message.route, list)
    assert isinstance(message.target_peers, list)
    try:
        assert message.payload is not None
    except FrameError:  # the message inside is none, which its reader is told
        return


def _same(message: HiveMessage, again: HiveMessage) -> None:
    if message != again:
        raise Wrong(f"{message!r} reads as {again!r} when it is written again")


def read_text(data: bytes) -> None:
    """A text frame."""
    try:
        message = text_serializer.decode(data.decode("utf-8", "replace"), _MOST)
    except FrameError:
        return
    _look(message)
    written = text_serializer.encode(message)
    assert written is not None
    _same(message, text_serializer.decode(written, 2 * _MOST))


def read_binary(data: bytes) -> None:
    """A binary frame, not sealed."""
    try:
        message = binary_serializer.decode(data, _MOST)
    except FrameError:
        return
    _look(message)
    try:
        written = binary_serializer.encode(message, compress=False)
    except InvalidMessage:  # metadata that was compressed as it came does not fit
        return
    if written is not None:
        _same(message, binary_serializer.decode(written, 2 * _MOST))


def _open_noise(key: bytes, nonce: bytes, sealed: bytes) -> bytes:
    """What begins with 0xFF does not open."""
    if sealed[:1] == b"\xff":
        raise ValueError("the tag does not fit")
    return sealed


#: A cipher that seals nothing.
_NOTHING = Cipher("NOTHING", (32,), 12, 0, lambda key, nonce, plaintext: plaintext, _open_noise)


def read_noise(data: bytes) -> None:
    """Transport messages, each after a byte that gives its length; 255 stands for one that is text."""
    channel = NoiseChannel(_NOTHING, "25519_AESGCM_SHA256", (bytes(32), bytes(32)), _MOST_PIECES, "the peer")
    held: list[bytes] = []
    for frame in _cut(data):
        try:
            whole = channel.open(frame)
        except ConnectionLost:
            return
        except (CleartextRefused, FrameError):
            continue
        if isinstance(frame, bytes):
            _check_pieces(held, frame, whole)


def _cut(data: bytes) -> Iterator[Frame]:
    at = 0
    while at < len(data):
        size = data[at]
        yield "text" if size == 255 else data[at + 1 : at + 1 + size]
        at += 1 if size == 255 else 1 + size


def _check_pieces(held: list[bytes], frame: bytes, whole: Optional[Frame]) -> None:
    """`held` are the pieces of the message that has begun; the channel must have put them together."""
    marker, body = frame[:1], frame[1:]
    if marker in (b"\2", b"\3"):
        held.clear()
    held.append(body)
    if whole is None:
        return
    expected = body if marker in (b"\0", b"\1") else b"".join(held)
    if (whole.encode() if isinstance(whole, str) else bytes(whole)) != expected:
        raise Wrong("the pieces of a message were put together in another way than they came")


def _opened(key: bytes, nonce: bytes, sealed: bytes) -> bytes:
    if sealed[:1] == b"\xff":
        raise ValueError("the tag does not fit")
    return sealed


_CIPHER = Cipher("none", (16,), 2, 2, lambda key, nonce, plain: plain + b"..", _opened)
_ENCODING = Encoding("JSON-HEX", bytes.hex, bytes.fromhex)


def read_sealed(data: bytes) -> None:
    """A frame as it comes in protocol versions 0 to 2: text, or bytes after a first byte that is zero."""
    channel = CipherChannel(_CIPHER, _ENCODING, b"k" * 16)
    frame: Frame = data[1:] if data[:1] == b"\0" else data.decode("utf-8", "replace")
    try:
        channel.open(frame)
    except (FrameError, DecryptionFailed, CleartextRefused):
        return


def read_link(data: bytes) -> None:
    """Frames before a handshake or after one, a line each. A Link raises nothing, whatever comes."""
    sealed = data[:1] == b"\1"
    if sealed:
        hub = support.keyed()
        link, seal = hub.link, hub.seal
    else:
        link, seal = support.new_link(Credentials(password=support.PASSWORD)), _unchanged
    for line in data[1:].split(b"\n"):
        frame: Frame = line[1:] if line[:1] == b"\0" else line.decode("utf-8", "replace")
        link.receive(seal(frame))


def _unchanged(frame: Frame) -> Frame:
    return frame


class _Socket:
    """A hub that answers each request; the one of number `odd`, and those after it, with what it is told."""

    def __init__(self, odd: int, answer: bytes) -> None:
        self._requests = 0
        self._odd = odd
        self._answer = answer
        self._left = b""

    def setblocking(self, flag: bool) -> None:
        """It never blocks."""

    def send(self, data: Any) -> int:
        if b" HTTP/1.1\r\n" in bytes(data):
            if self._requests < self._odd:
                self._left += _FINE[self._requests]
            elif self._requests == self._odd:
                self._left += self._answer
            self._requests += 1
        return len(data)

    def recv(self, size: int) -> bytes:
        piece, self._left = self._left[:size], self._left[size:]
        return piece

    def shutdown(self, how: int) -> None:
        """Nothing to end."""

    def close(self) -> None:
        """Nothing to close."""

    def fileno(self) -> int:
        return -1


def _answer(body: bytes, status: bytes = b"200 OK", headers: bytes = b"") -> bytes:
    return b"HTTP/1.1 %s\r\nContent-Length: %d\r\n%s\r\n%s" % (status, len(body), headers, body)


#: The answers of a hub to the requests of one who comes: to leave, to connect, for texts, for bytes.
_FINE = (
    _answer(b'{"error":"Client is not connected"}'),
    _answer(b'{"status":"Connected"}'),
    _answer(b'{"messages":["{}"]}'),
    _answer(b'{"b64_messages":["AAAA"]}'),
)


class _AtOnce:
    """Polls without a pause."""

    def interval(self, quiet: float) -> float:
        return 0.0


@contextmanager
def _no_timers(*arguments: Any) -> Iterator[None]:
    """Nothing waits here."""
    yield


_ADDRESS, _TLS, _DEADLINES = HttpAddress.read("127.0.0.1", 5679, 5679), Tls(), Deadlines()


def read_http(data: bytes) -> None:
    """The bytes of one answer, after a byte that says to which request; those before it are answered as hubs do."""
    odd = data[0] % len(_FINE) if data else 0
    connected = _Socket(odd, data[1:])
    polling: Any = _AtOnce()
    transport = http.HttpTransport(_ADDRESS, _TLS, _DEADLINES, _MOST_ANSWER, polling, 1.0, http.HttpHistory())
    with (
        mock.patch.object(tcp, "dial", return_value=connected),
        mock.patch.object(tcp, "deadline", _no_timers),
    ):
        try:
            transport.open("http://127.0.0.1:5679/?authorization=a2V5")
            for _ in range(_MOST_MESSAGES):
                incoming = transport.receive()
                if isinstance(incoming, Closed):
                    return
                assert isinstance(incoming, (str, bytes))
        except (HubConnectionError, FrameTooLarge, KeyRefused):
            return
        finally:
            transport.release()


@functools.lru_cache(maxsize=1)
def _texts() -> tuple[bytes, ...]:
    """A text frame of each kind."""
    bus = {
        "type": "speak",
        "data": {"utterance": "zwölf \u20ac"},
        "context": {"session": {"session_id": "s"}},
    }
    hop = {"source": "a::1", "targets": ["b::2"]}
    inner = HiveMessage("bus", bus, target_site_id="kitchen", route=[hop]).as_dict
    messages = [
        HiveMessage("bus", bus),
        HiveMessage("propagate", inner, route=[hop], target_pubkey="PEM", metadata={"ttl": 1}),
        HiveMessage("query", inner, metadata={"query_id": "q", "is_response": True}),
        HiveMessage("ping", {"flood_id": "f", "peer": "p", "timestamp": 1.5, "public_key": None}),
        HiveMessage("hello", {"pubkey": None, "peer": "sat::1", "node_id": "hub-1"}),
        HiveMessage("shake", support.offer_payload()),
        HiveMessage("shake", {"noise": {"msg": "00" * 48}}),
        HiveMessage("intercom", {"ciphertext": "AA==", "signature": "AA=="}, target_pubkey="PEM"),
        HiveMessage("3rdparty", {"any": [1e300, -0.0, 2**70, True, "\ud83d\ude00"[:0]]}),
    ]
    return tuple(message.as_json.encode() for message in messages)


def _binaries() -> Iterator[bytes]:
    for text in _texts():
        message = HiveMessage.deserialize(text)
        for options in ({"compress": False}, {"compress": True}, {"versioned": True}):
            frame = binary_serializer.encode(message.copy(target_pubkey=None), **options)
            if frame is not None:
                yield frame
    spoken = HiveMessage(HiveMessageType.BINARY, b"RIFF", metadata={"lang": "en"})
    for frame in (binary_serializer.encode(spoken, True), binary_serializer.encode(spoken, False)):
        assert frame is not None
        yield frame


def _piece(marker: int, body: bytes = b"") -> bytes:
    return bytes([len(body) + 1, marker]) + body


_JSON_TOKENS = (
    *(b'"%s"' % field.encode() for field in ("msg_type", "payload", "metadata", "route", "node", "type")),
    *(b'"%s"' % field.encode() for field in ("target_site_id", "target_pubkey", "source_peer", "context")),
    *(b'"%s"' % field.encode() for field in ("data", "source", "targets", "session", "session_id", "noise")),
    *(b'"%s"' % kind.value.encode() for kind in HiveMessageType),
    *(b"{}", b"[]", b"null", b"true", b"1e400", b"NaN", b"-Infinity", b"9" * 30, b"\\ud800", b"\\u0000"),
    *(
        b'{"":',
        b"[[[[[[[[",
        b',"":',
        b"\xef\xbb\xbf",
        b"\xed\xa0\x80",
        b"-0.0",
        b"1E-400",
        b"\xf0\x9f\x98\x80",
    ),
)
_HTTP_TOKENS = (
    *(
        b"HTTP/1.1 ",
        b"HTTP/1.0 ",
        b"200",
        b"204",
        b"302",
        b"401",
        b"409",
        b"100 Continue\r\n\r\n",
        b"\r\n\r\n",
    ),
    *(b"Content-Length: ", b"Transfer-Encoding: chunked\r\n", b"Content-Encoding: gzip\r\n", b"-5\r\n"),
    *(b"Location: http://127.0.0.1:9/\r\n", b"Connection: close\r\n", b"ffffffffffffffff\r\n", b"0\r\n\r\n"),
    *(b'"status"', b'"messages"', b'"b64_messages"', b'"error"', b'"Connected"', b"{}", b"[]", b"null"),
    *(b'"no noise session"', b"Set-Cookie: a=b\r\n", b"HTTP/9.9 ", b"Keep-Alive: timeout=-1\r\n"),
)


def _all() -> Iterator[Parser]:
    yield Parser("text", read_text, _JSON_TOKENS, _texts(), structure.changed_text)
    frame_tokens = (*_JSON_TOKENS, b"x\x9c", b"\0\0\0")
    yield Parser("binary", read_binary, frame_tokens, tuple(_binaries()), structure.changed_frame)
    noise_seeds = (
        _piece(0, b"{}") + _piece(1, b"\x80"),
        _piece(2, b"a" * 200) + _piece(4, b"b") + _piece(5, b"c") + _piece(0, b"{}"),
        _piece(3, b"a" * 200) + _piece(4, b"b" * 200) * 2 + _piece(5) + _piece(2) + _piece(5, b"\xff"),
        b"\xff" + _piece(0, b"\xff") + _piece(5) + _piece(6),
    )
    yield Parser("noise", read_noise, tuple(bytes([2, n, 97]) for n in range(7)), noise_seeds)
    bodies = (
        *((0, _answer(b'{"status":"Disconnected"}')), (1, _answer(b'{"error":"no"}', b"401 No"))),
        *((1, _answer(b"", b"302 Found", b"Location: http://127.0.0.1:9/\r\n")),),
        *((2, _answer(b'{"messages":["{}",1,null]}')), (3, _answer(b'{"b64_messages":["AA==","?",1]}'))),
        *((2, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"),),
        *((2, _answer(b'{"error":"Client is not connected"}')), (2, b"SSH-2.0-OpenSSH_9.0\r\n\r\n")),
    )
    http_seeds = tuple(bytes([number]) + body for number, body in bodies)
    yield Parser("http", read_http, _HTTP_TOKENS, http_seeds, structure.changed_answer)
    sealed_text = b'{"ciphertext":"7b7d","tag":"2e2e","nonce":"0000"}'
    sealed_seeds = (sealed_text, b'{"ciphertext":"7b7d","nonce":"0000"}', b"\0\0\0{}..", _texts()[0])
    sealed_tokens = (*_JSON_TOKENS, b'"ciphertext"', b'"tag"', b'"nonce"')
    yield Parser("sealed", read_sealed, sealed_tokens, sealed_seeds, structure.changed_text)
    hello, offer = _texts()[4], _texts()[5]
    link_seeds = (
        b"\0" + hello + b"\n" + offer + b"\n" + _texts()[6],
        *(b"\1" + text for text in _texts()),
        b"\1\0" + next(_binaries()),
    )
    link_tokens = (*_JSON_TOKENS, b'"envelope"', b'"cipher"', b"\n")
    yield Parser("link", read_link, link_tokens, link_seeds, structure.changed_lines)


#: By name. The first four read the bytes of a peer; the other two are made of them.
PARSERS: dict[str, Parser] = {parser.name: parser for parser in _all()}
FOUR = ("text", "binary", "noise", "http")


def as_line(data: bytes) -> str:
    """An input as a line of a corpus."""
    return b64encode(data).decode("ascii")
