"""What a hub can do to a client that polls it over HTTP."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from typing import Callable, Optional, Union

from .peer import Peer
from .table import BROKEN, TIMEOUT, mode

Answer = Union[bytes, Callable[[Peer], None]]


def body(content: Union[bytes, object], status: str = "200 OK", more: bytes = b"") -> bytes:
    """A whole answer; what is no bytes goes as JSON."""
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(data)}\r\n"
    return head.encode() + more + b"\r\n" + data


_FINE: dict[str, Answer] = {
    "disconnect": body({"error": "Client is not connected"}),
    "connect": body({"status": "Connected"}),
    "get_messages": body({"messages": []}),
    "get_binary_messages": body({"b64_messages": []}),
    "send_message": body({"status": "message sent"}),
}


def _hub(peer: Peer, odd: Mapping[str, Answer]) -> None:
    """Answer each request as a hub does, or as `odd` says."""
    answers = {**_FINE, **odd}
    while not peer.stop.is_set():
        head = peer.request()
        endpoint = head.split(b"/", 1)[1].split(b"?", 1)[0].decode("latin-1")
        answer = answers.get(endpoint, body({}, "404 Not Found"))
        if isinstance(answer, bytes):
            peer.send(answer)
        else:
            answer(peer)


def over_http(
    name: str, ends: tuple[str, ...], answers: Optional[Mapping[str, Answer]] = None, **options: object
) -> None:
    """Register a hub over HTTP that gives these answers, by endpoint."""

    def act(peer: Peer) -> None:
        _hub(peer, answers or {})

    mode(f"HTTP: {name}", ends, kinds=("http",), **options)(act)


def _dripped(peer: Peer) -> None:
    peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    peer.drip(b"{" * 10_000)


def _endless(peer: Peer) -> None:
    peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    peer.flood(b"10000\r\n" + b"a" * 65536 + b"\r\n")


def _small_chunks(peer: Peer) -> None:
    peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    peer.flood(b"1\r\na\r\n" * 10_000)


def _promised(peer: Peer) -> None:
    peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 9999999999999\r\n\r\n")
    peer.flood(b"a" * 65536)


_REDIRECT = body({}, "302 Found", b"Location: http://127.0.0.1:9/elsewhere\r\n")
_ENDS = (*BROKEN, "KeyRefused", "HubRefused", "HandshakeError")

over_http("never a message", TIMEOUT, quick=True)
over_http("redirects", ("NotAHub",), {"connect": _REDIRECT, "disconnect": _REDIRECT})
over_http("redirects a poll", _ENDS, {"get_messages": _REDIRECT})
over_http("401", ("KeyRefused",), {"connect": body({"error": "no"}, "401 Unauthorized")})
over_http(
    "500 to all", ("NotAHub",), {"connect": body(b"oops", "500 Oops"), "disconnect": body(b"", "500 Oops")}
)
over_http("drips its answer", _ENDS, {"connect": _dripped})
over_http("drips what is polled", _ENDS, {"get_messages": _dripped})
over_http("an answer without an end", _ENDS, {"get_messages": _endless}, memory=512.0)
over_http("chunks of a byte without an end", _ENDS, {"get_messages": _small_chunks}, memory=512.0)
over_http("a Content-Length of 10 TB", _ENDS, {"get_messages": _promised}, memory=512.0)
over_http(
    "headers that are none, in every answer",
    TIMEOUT,
    {"get_messages": body({"messages": []}, more=b"no header at all\r\nX-Y: z\r\n")},
)
over_http(
    "a chunk of -10^40 bytes",
    _ENDS,
    {"get_messages": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1%s\r\n" % (b"0" * 40)},
)
over_http(
    "a chunk of 10^40 bytes",
    _ENDS,
    {"get_messages": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1%s\r\n{}" % (b"0" * 40)},
)
over_http(
    "a chunk of -5 bytes",
    _ENDS,
    {"get_messages": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\n"},
)
over_http(
    "two lengths",
    _ENDS,
    {"get_messages": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}x"},
)
over_http(
    "more than its length says",
    _ENDS,
    {"get_messages": body({"messages": []}) + b"HTTP/1.1 200 OK\r\n" * 100},
)
over_http("an answer to no request", _ENDS, {"disconnect": body({}) * 50})
over_http(
    "a gzip bomb",
    _ENDS,
    {"get_messages": body(gzip.compress(b"a" * 50_000_000), more=b"Content-Encoding: gzip\r\n")},
)
over_http(
    "a million messages in one answer",
    _ENDS,
    {"get_messages": body(b'{"messages":[' + b'"",' * 1_000_000 + b'""]}')},
    memory=64.0,
    records=2000,
)
over_http(
    "a million binary messages in one answer",
    _ENDS,
    {"get_binary_messages": body(b'{"b64_messages":[' + b'"AA==",' * 1_000_000 + b'""]}')},
    memory=64.0,
    records=2000,
)
over_http(
    "30 MB of {}",
    _ENDS,
    {"get_messages": body(b'{"messages":[' + b"{}," * 10_000_000 + b'""]}')},
    memory=96.0,
    records=2000,
)
over_http(
    "messages that are no texts",
    _ENDS,
    {"get_messages": body({"messages": [1, None, [], {}, 2**70]})},
    records=2000,
)
over_http("messages that are no list", _ENDS, {"get_messages": body({"messages": {"a": 1}})})
over_http("an answer that is a list", _ENDS, {"get_messages": body([])})
over_http("an answer of NaN", _ENDS, {"get_messages": body(b'{"messages":[NaN]}')})
