"""What a hub can do to a client whose session stands."""

from __future__ import annotations

import functools
import json
import struct
import zlib

from hivemind_core_client.builtins.binary_serializer import encode
from hivemind_core_client.message import HiveMessage, HiveMessageType

from .peer import BINARY, CLOSE, PING, Peer, bus_text, frame, header, text
from .table import SOCKETS, in_session


def _binary(payload: bytes, compressed: bool = True, code: int = 1) -> bytes:
    """A binary frame whose payload is whatever bytes these are."""
    bits = (0b10 << 5 | code) << 1 | compressed
    metadata = zlib.compress(b"{}") if compressed else b"{}"
    return (bits << 8 | len(metadata)).to_bytes(2, "big") + metadata + payload


@functools.cache
def _bomb(inside: bytes, times: int, before: bytes = b"", after: bytes = b"") -> bytes:
    """zlib of this so many times, without having it in memory."""
    squeeze = zlib.compressobj(9)
    block = inside * 100_000
    pieces = [squeeze.compress(before)]
    pieces += [squeeze.compress(block) for _ in range(times // 100_000)]
    return b"".join([*pieces, squeeze.compress(after), squeeze.flush()])


@in_session("pings without an end, in a session", kinds=SOCKETS)
def pings(peer: Peer) -> None:
    peer.flood(frame(PING) * 30_000)


@in_session("a zip bomb of 48 MB", stay=2.0, memory=256.0, quick=True)
def zip_bomb(peer: Peer) -> None:
    bomb = _bomb(b"a" * 100, 480_000)
    for _ in range(3):
        peer.deliver(_binary(bomb))
    peer.serve()


@in_session("30 MB of {} in 29 kB of zlib", stay=2.0, memory=256.0)
def json_bomb(peer: Peer) -> None:
    before, after = b'{"type":"t","context":{},"data":{"a":[{}', b"]}}"
    bomb = _bomb(b",{}", 10_000_000, before, after)
    peer.deliver(_binary(bomb))
    peer.serve()


@in_session("20 MB of [] as text", stay=2.0, memory=320.0)
def json_text(peer: Peer) -> None:
    lists = ",".join(["[]"] * 6_600_000)
    peer.deliver(f'{{"msg_type":"bus","payload":{{"type":"t","context":{{}},"data":{{"a":[{lists}]}}}}}}')
    peer.serve()


@in_session("a session of our id that grows", stay=2.0, memory=256.0)
def session_grows(peer: Peer) -> None:
    before = (
        b'{"type":"t","data":{},"context":{"session":{"session_id":"%s","grown":[""'
        % peer.session_id.encode()
    )
    peer.deliver(_binary(_bomb(b',"a"', 8_000_000, before, b"]}}}")))
    peer.serve()


@in_session("a session of our id that cannot be sent", stay=2.0)
def session_unfit(peer: Peer) -> None:
    for value in (10**400, [[[[]]]] * 1000, {"a": "\x00"}, None, "default"):
        peer.bus(context={"session": {"session_id": peer.session_id, "odd": value, "expires_at": value}})
    peer.bus(context={"session": {"session_id": "default"}})
    peer.bus(context={"session": [1]})
    peer.serve()


@in_session("2 GB of messages in 120 kB", stay=3.0, memory=512.0)
def mailbox(peer: Peer) -> None:
    before, after = b'{"type":"t","context":{},"data":{"a":"', b'"}}'
    large = peer.sealed(_binary(_bomb(b"a" * 10, 200_000, before, after)))
    for _ in range(1000):
        peer.send(large)
    peer.serve()


@in_session("malformed messages inside others, 2,000 of them", records=400)
def malformed(peer: Peer) -> None:
    for number in range(2000):
        inner = {"msg_type": "bus", "payload": number}
        peer.deliver(json.dumps({"msg_type": "propagate", "payload": inner}))
    peer.serve()


@in_session("frames in the clear, 2,000 of them", records=2400)
def in_the_clear(peer: Peer) -> None:
    for _ in range(2000):
        peer.send(text(bus_text()))
    peer.serve()


@in_session("sealed frames that do not open, 2,000 of them", records=2400)
def not_ours(peer: Peer) -> None:
    for number in range(2000):
        peer.send(frame(BINARY, struct.pack(">Q", number) * 8))
    peer.serve()


@in_session("a second handshake")
def second_handshake(peer: Peer) -> None:
    for greeting in peer.link_of.greeting():
        peer.send(text(str(greeting)))
        peer.deliver(str(greeting))
    peer.deliver(json.dumps({"msg_type": "shake", "payload": {"envelope": "00" * 24, "cipher": "AES-GCM"}}))
    peer.serve()


@in_session("PROPAGATE in PROPAGATE, 5,000 deep")
def nested(peer: Peer) -> None:
    inner = bus_text()
    whole = '{"msg_type":"propagate","payload":' * 5000 + inner + "}" * 5000
    peer.deliver(whole)
    peer.serve()


@in_session(
    "new floods of PING, 3,000 of them",
    records=400,
)
def floods(peer: Peer) -> None:
    peer.beside(peer.serve)
    for number in range(3000):
        ping = {
            "flood_id": f"f{number}",
            "peer": f"p{number}::1",
            "site_id": "s",
            "timestamp": 1,
            "lang": "en",
        }
        inner = {"msg_type": "ping", "payload": ping}
        peer.deliver(json.dumps({"msg_type": "propagate", "payload": inner}))
    peer.silence()


@in_session("routes of 100,000 hops", memory=256.0)
def routes(peer: Peer) -> None:
    hops = [{"source": f"a{number}", "targets": ["b"]} for number in range(100_000)]
    inner = json.loads(bus_text())
    peer.deliver(
        json.dumps({"msg_type": "broadcast", "payload": inner, "route": hops, "target_site_id": "x"})
    )
    peer.serve()


@in_session("binary data of every bin type, with metadata that lies", stay=1.5)
def binary_data(peer: Peer) -> None:
    facts = ({}, {"file_name": "../../etc/passwd"}, {"file_name": 1}, {"sample_rate": "x"}, {"lang": None})
    for number in range(16):
        for metadata in facts:
            message = HiveMessage(HiveMessageType.BINARY, b"RIFF" * 10, metadata=dict(metadata))
            made = encode(message)
            assert made is not None
            head = bytearray(made)
            head[len(made) - 41] = head[len(made) - 41] & 0xF0 | number
            peer.deliver(bytes(head))
    peer.serve()


@in_session("an INTERCOM that nobody sealed", stay=1.5)
def intercom(peer: Peer) -> None:
    for payload in (
        {},
        {"ciphertext": "AA==", "signature": "AA=="},
        {"ciphertext": 1},
        {"encrypted_key": "A" * 10**6},
    ):
        peer.deliver(json.dumps({"msg_type": "intercom", "payload": payload}))
        inner = {"msg_type": "intercom", "payload": payload}
        peer.deliver(json.dumps({"msg_type": "propagate", "payload": inner}))
    peer.serve()


@in_session("answers to questions that nobody asked", stay=1.5)
def answers(peer: Peer) -> None:
    inner = json.loads(bus_text("hive.query.complete"))
    for kind in ("query", "cascade"):
        for facts in ({}, {"query_id": "q", "is_response": True}, {"query_id": [], "is_response": 1}):
            peer.deliver(json.dumps({"msg_type": kind, "payload": inner, "metadata": facts}))
    peer.serve()


@in_session("reads nothing of what we send", stay=4.0, size=400_000, kinds=SOCKETS, memory=96.0, quick=True)
def reads_nothing(peer: Peer) -> None:
    peer.silence()


@in_session("reads a little of what we send", stay=4.0, size=400_000, kinds=SOCKETS, memory=96.0)
def reads_little(peer: Peer) -> None:
    while not peer.stop.wait(0.05):
        peer.connection.recv(512)


@in_session("half a frame, then silence, in a session", kinds=SOCKETS)
def half_frame(peer: Peer) -> None:
    peer.send(header(BINARY, 10_000) + b"a" * 100)
    peer.silence()


@in_session("hangs up in the middle of a frame", kinds=SOCKETS)
def cut_off(peer: Peer) -> None:
    peer.send(header(BINARY, 10_000) + b"a" * 100)
    peer.connection.close()


@in_session(
    "a frame beyond the limit", kinds=SOCKETS, errors=("ConnectionLost", "NotConnected", "FrameTooLarge")
)
def too_large(peer: Peer) -> None:
    peer.send(header(BINARY, 2**40))
    peer.listen()


@in_session("hangs up right after each session")
def hangs_up(peer: Peer) -> None:
    peer.connection.close()


for code in (1000, 1008, 1009, 1011, 1012, 4000):

    @in_session(f"closes a session with {code}", kinds=SOCKETS)
    def closes(peer: Peer, number: int = code) -> None:
        peer.send(frame(CLOSE, struct.pack(">H", number) + b"go"))
        peer.listen()
