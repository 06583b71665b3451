"""What a hub can do to a client that has no session yet."""

from __future__ import annotations

import json
import struct
from typing import Any

from .peer import (
    BINARY,
    CLOSE,
    CONTINUED,
    PING,
    PONG,
    TEXT,
    Peer,
    bus_text,
    frame,
    header,
    text,
)
from .table import ALL, BROKEN, TIMEOUT, mode

_MIB = 2**20
_HELLO = '{"msg_type":"hello","payload":{"pubkey":null,"peer":"sat::1","node_id":"hub-1"}}'


# before there is a WebSocket


@mode("accepts and is silent", TIMEOUT, kinds=ALL, quick=True)
def silent(peer: Peer) -> None:
    peer.silence()


@mode("hangs up at once", BROKEN, kinds=ALL)
def hangs_up(peer: Peer) -> None:
    peer.connection.close()


@mode("hangs up after the request", BROKEN, kinds=ALL)
def hangs_up_after_request(peer: Peer) -> None:
    peer.request()
    peer.connection.close()


@mode("speaks SSH", BROKEN, kinds=ALL)
def ssh(peer: Peer) -> None:
    peer.send(b"SSH-2.0-OpenSSH_9.0\r\n\r\n")
    peer.silence()


@mode("drips its answer to the upgrade", TIMEOUT, kinds=ALL)
def drips(peer: Peer) -> None:
    peer.request()
    peer.send(b"HTTP/1.1 101 Switching Protocols\r\nX-Endless: ")
    peer.drip(b"a" * 10_000)


@mode("a header line without an end", BROKEN, kinds=ALL)
def endless_line(peer: Peer) -> None:
    peer.request()
    peer.send(b"HTTP/1.1 101 Switching Protocols\r\nX-Endless: ")
    peer.flood(b"a" * 65536)


@mode("header lines without an end", BROKEN, kinds=ALL)
def endless_headers(peer: Peer) -> None:
    peer.request()
    peer.send(b"HTTP/1.1 101 Switching Protocols\r\n")
    peer.flood(b"X-More: yes\r\n" * 1000)


@mode("100 Continue without an end", BROKEN, kinds=ALL)
def continues(peer: Peer) -> None:
    peer.request()
    peer.flood(b"HTTP/1.1 100 Continue\r\n\r\n" * 1000)


for status, ends in (
    ("301 Moved Permanently", ("NotAHub",)),
    ("307 Temporary Redirect", ("NotAHub",)),
    ("401 Unauthorized", ("KeyRefused",)),
    ("403 Forbidden", ("KeyRefused",)),
    ("404 Not Found", ("NotAHub",)),
    ("500 Oops", ("NotAHub",)),
    ("999 \xff", ("NotAHub",)),
):

    @mode(f"answers {status.split()[0]}", ends, kinds=ALL)
    def answers(peer: Peer, line: str = status) -> None:
        where = f"http://127.0.0.1:{peer.connection.getsockname()[1]}/elsewhere"
        head = f"HTTP/1.1 {line}\r\nLocation: {where}\r\nContent-Length: 0\r\n\r\n"
        while not peer.stop.is_set():
            peer.request()
            peer.send(head.encode("latin-1"))


@mode("a body without an end behind its refusal to upgrade", BROKEN)
def endless_body(peer: Peer) -> None:
    peer.request()
    peer.send(b"HTTP/1.1 200 OK\r\n\r\n")
    peer.flood(b"a" * 65536)


@mode("accepts another key than was asked for", BROKEN)
def wrong_accept(peer: Peer) -> None:
    peer.upgrade(accept=b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
    peer.silence()


@mode(
    "a subprotocol that nobody asked for",
    BROKEN,
)
def subprotocol(peer: Peer) -> None:
    peer.upgrade(b"Sec-WebSocket-Protocol: chat\r\n")
    peer.silence()


@mode(
    "an extension that nobody asked for",
    BROKEN,
)
def extension(peer: Peer) -> None:
    peer.upgrade(b"Sec-WebSocket-Extensions: permessage-deflate\r\n")
    peer.silence()


_TLS_ENDS = ("SecureConnectionFailed", "HubTimeout")


@mode("TLS: garbage", _TLS_ENDS, kinds=ALL, scheme="wss")
def tls_garbage(peer: Peer) -> None:
    peer.connection.recv(4096)
    peer.flood(b"\x16\x03\x01\xff\xff" + b"\xaa" * 4096)


@mode("TLS: silence", TIMEOUT, kinds=ALL, scheme="wss")
def tls_silence(peer: Peer) -> None:
    peer.silence()


@mode("TLS: an alert", _TLS_ENDS, kinds=ALL, scheme="wss")
def tls_alert(peer: Peer) -> None:
    peer.connection.recv(4096)
    peer.send(b"\x15\x03\x03\x00\x02\x02\x28")
    peer.silence()


@mode("TLS: half a record, dripped", _TLS_ENDS, kinds=ALL, scheme="wss")
def tls_drip(peer: Peer) -> None:
    peer.connection.recv(4096)
    peer.send(b"\x16\x03\x03\x40\x00\x02\x00\x3f\xfc\x03\x03")
    peer.drip(b"\0" * 10_000)


@mode("TLS: warnings without an end", _TLS_ENDS, kinds=ALL, scheme="wss")
def tls_warnings(peer: Peer) -> None:
    peer.connection.recv(4096)
    peer.flood(b"\x15\x03\x03\x00\x02\x01\x5a" * 1000)


# a WebSocket, but no hub


def _upgraded(name: str, ends: tuple[str, ...], **options: Any) -> Any:
    """Register what a hub does once it has upgraded."""

    def register(act: Any) -> Any:
        def whole(peer: Peer) -> None:
            peer.upgrade()
            act(peer)

        mode(name, ends, **options)(whole)
        return act

    return register


@_upgraded("upgrades and is silent", TIMEOUT)
def upgraded_silent(peer: Peer) -> None:
    peer.silence()


@_upgraded("half a frame, then silence", TIMEOUT)
def half_frame(peer: Peer) -> None:
    peer.send(header(TEXT, 100) + b"{")
    peer.silence()


@_upgraded("a frame of 64 KiB, dripped", TIMEOUT)
def dripped_frame(peer: Peer) -> None:
    peer.send(header(TEXT, 0xFFFF))
    peer.drip(b"{" * 10_000)


@_upgraded("a frame of 2^63 bytes", BROKEN)
def enormous(peer: Peer) -> None:
    peer.send(header(BINARY, 2**63 - 1))
    peer.flood(b"a" * 65536)


@_upgraded("a frame of 90 MiB that does not follow", TIMEOUT)
def promised(peer: Peer) -> None:
    peer.send(header(BINARY, 90 * _MIB))
    peer.silence()


_WAYS: dict[str, bytes] = {
    "a control frame of 70 kB": header(PING, 70_000) + b"a" * 70_000,
    "a control frame in fragments": frame(PING, b"a", last=False),
    "reserved bits": header(TEXT, 2, reserved=4) + b"{}",
    "a reserved opcode": frame(3, b"{}"),
    "a reserved control opcode": frame(11, b"{}"),
    "a continuation of nothing": frame(CONTINUED, b"{}"),
    "a message within the fragments of another": frame(TEXT, b"{", last=False) + frame(TEXT, b"{}"),
    "a masked frame": header(TEXT, 2, mask=True) + b"\0\0\0\0{}",
    "bad UTF-8": frame(TEXT, b"\xff\xfe{}"),
    "bad UTF-8 across fragments": frame(TEXT, b"\xe2\x82", last=False) + frame(CONTINUED, b"\xff"),
    "a close of one byte": frame(CLOSE, b"\x03"),
    "a close whose reason is no UTF-8": frame(CLOSE, b"\x03\xe8\xff"),
}
for way, data in _WAYS.items():

    @_upgraded(way, (*BROKEN[:3], "KeyRefused"))
    def breaks(peer: Peer, sent: bytes = data) -> None:
        peer.send(sent)
        peer.silence()


for code in (
    0,
    999,
    1000,
    1001,
    1003,
    1005,
    1006,
    1007,
    1008,
    1009,
    1011,
    1012,
    1015,
    2999,
    3000,
    4000,
    4999,
    65535,
):

    @_upgraded(f"closes with {code} before HELLO", (*BROKEN, "KeyRefused"))
    def closes(peer: Peer, number: int = code) -> None:
        peer.send(frame(CLOSE, struct.pack(">H", number) + b"reason"))
        peer.listen()


@_upgraded("frames after a close", (*BROKEN, "KeyRefused"))
def after_close(peer: Peer) -> None:
    peer.send(frame(CLOSE, struct.pack(">H", 1001)))
    peer.flood(text(_HELLO))


@_upgraded("a close, and then silence", (*BROKEN, "KeyRefused"))
def close_and_silence(peer: Peer) -> None:
    peer.send(frame(CLOSE, struct.pack(">H", 1001)))
    peer.silence()


for name, piece in (("pings", frame(PING)), ("full pings", frame(PING, b"a" * 125)), ("pongs", frame(PONG))):

    @_upgraded(
        f"{name} without an end",
        BROKEN,
        quick=name == "pings",
    )
    def control_flood(peer: Peer, data: bytes = piece) -> None:
        peer.flood(data * (65536 // len(data)))


@_upgraded("a ping every 10 ms", TIMEOUT)
def slow_pings(peer: Peer) -> None:
    peer.beside(peer.listen)
    while not peer.stop.wait(0.01):
        peer.send(frame(PING, b"a"))


@_upgraded(
    "80 MB in a first fragment, then one byte each",
    BROKEN,
    memory=400.0,
)
def fragments(peer: Peer) -> None:
    peer.send(header(BINARY, 80_000_000, last=False))
    for _ in range(80):
        peer.send(b"a" * 1_000_000)
    peer.flood(frame(CONTINUED, b"a", last=False) * 10_000)


@_upgraded("one byte in each fragment", BROKEN, memory=400.0)
def small_fragments(peer: Peer) -> None:
    peer.send(frame(BINARY, b"a", last=False))
    peer.flood(frame(CONTINUED, b"a", last=False) * 10_000)


@_upgraded("nothing in each fragment", BROKEN)
def empty_fragments(peer: Peer) -> None:
    peer.send(frame(TEXT, b"", last=False))
    peer.flood(frame(CONTINUED, b"", last=False) * 10_000)


# the first messages

_LARGE: dict[str, tuple[Any, dict[str, str]]] = {
    "30 MB of {}": lambda: b'{"a":[' + b"{}," * 10_000_000 + b"{}]}",
    "30 MB of [": lambda: b"[" * 30_000_000,
    "100,000 levels": lambda: b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "an integer of 5 MB": lambda: b'{"a":' + b"9" * 5_000_000 + b"}",
    "a number of 5 MB": lambda: b'{"a":0.' + b"9" * 5_000_000 + b"}",
    "a text of 20 MB": lambda: b'{"a":"' + b"\\u00e9" * 3_400_000 + b'"}',
    "a million keys": lambda: json.dumps({str(number): 1 for number in range(1_000_000)}).encode(),
}
for name, make in _LARGE.items():

    @_upgraded(f"before authentication: {name}", (*BROKEN, "HandshakeError"))
    def large(peer: Peer, make: Any = make) -> None:
        peer.beside(peer.listen)
        data = text(make())
        for _ in range(3):
            peer.send(data)
        peer.silence()


@_upgraded("small messages without an end", BROKEN, records=2000)
def small_messages(peer: Peer) -> None:
    peer.flood(text("{}") * 10_000)


@_upgraded("bytes before the handshake", TIMEOUT)
def bytes_first(peer: Peer) -> None:
    peer.send(frame(BINARY, b"\x80" * 100) * 10)
    peer.silence()


@_upgraded("messages before the handshake", TIMEOUT)
def messages_first(peer: Peer) -> None:
    peer.send(text(bus_text()) * 10)
    peer.silence()


@_upgraded("HELLO without an end", BROKEN, records=2000)
def hellos(peer: Peer) -> None:
    peer.flood(text(_HELLO) * 1000)


@_upgraded("HELLO, then silence", TIMEOUT)
def only_hello(peer: Peer) -> None:
    peer.send(text(_HELLO))
    peer.silence()


for name, fields in (
    ("numbers", {"pubkey": 1, "peer": 2, "node_id": 3}),
    ("lists", {"pubkey": [], "peer": [[]], "node_id": {}}),
    ("10 MB", {"pubkey": "a" * 5_000_000, "peer": "b" * 5_000_000, "node_id": "c"}),
):

    @_upgraded(f"HELLO with {name} for texts", (*BROKEN, "HandshakeError"), memory=64.0)
    def odd_hello(peer: Peer, payload: Any = fields) -> None:
        peer.send(text(json.dumps({"msg_type": "hello", "payload": payload})))
        peer.silence()
