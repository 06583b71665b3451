"""Binary frames beside frames that were made by hand, bit by bit, from docs/protocol.md."""

from __future__ import annotations

import json
import zlib
from typing import Any, Optional

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hivemind_core_client.builtins.binary_serializer import CODES, decode, encode
from hivemind_core_client.message import (
    OVOS_TYPES,
    WRAPPER_TYPES,
    HiveMessage,
    HiveMessageType,
    HiveMindBinaryPayloadType,
)
from tests.unit.framing_support import by_hand, bytes_of, read_by_hand
from tests.unit.support import MAX

T = HiveMessageType
BIN = HiveMindBinaryPayloadType


INNER = {"type": "speak", "data": {}, "context": {}}
HOPS = [{"source": "a", "targets": ["b"]}]
WRAPPED = HiveMessage("bus", INNER, route=HOPS)


def sample(msg_type: HiveMessageType) -> HiveMessage:
    if msg_type in WRAPPER_TYPES:
        return HiveMessage(msg_type, WRAPPED)
    return HiveMessage(msg_type, INNER if msg_type in OVOS_TYPES else {"a": "ü"})


def test_the_codes_of_the_protocol() -> None:
    names = (
        "shake bus shared_bus broadcast propagate escalate hello query cascade ping rendezvous 3rdparty bin"
    )
    assert {member.value: code for member, code in CODES.items()} == {
        name: code for code, name in enumerate(names.split())
    }


# Written down bit by bit with paper and pencil: no code made these.
GOLDEN: list[tuple[str, str, HiveMessage]] = [
    (
        "PING {} and no metadata",  # 1 0 01001 0 | 00000010 | {} | {}
        "10010010 00000010 01111011 01111101 01111011 01111101",
        HiveMessage("ping", {}),
    ),
    (
        "BINARY, TTS, one byte",  # 0000 1 0 01100 0 | 00000010 | {} | 0110 | 11111111
        "00001001 10000000 00100111 10110111 11010110 11111111",
        HiveMessage("bin", b"\xff", bin_type=BIN.TTS_AUDIO),
    ),
    (
        "BINARY, undefined, no byte",
        "00001001 10000000 00100111 10110111 11010000",
        HiveMessage("bin", b""),
    ),
    (
        "HELLO, not compressed",  # 1 0 00110 0
        "10001100 00000010 01111011 01111101 01111011 01111101",
        HiveMessage("hello", {}),
    ),
]


@pytest.mark.parametrize(("bits", "message"), [row[1:] for row in GOLDEN], ids=[row[0] for row in GOLDEN])
def test_golden_frames(bits: str, message: HiveMessage) -> None:
    frame = bytes(int(byte, 2) for byte in bits.split())
    assert encode(message, compress=False) == frame
    assert decode(frame, MAX) == message


def test_golden_versioned_frame() -> None:
    # 1 1 00000001 01001 0 | 00000010 | {} | {}
    bits = "11000000 01010010 00000010 01111011 01111101 01111011 01111101"
    frame = bytes(int(byte, 2) for byte in bits.split())
    assert encode(HiveMessage("ping", {}), compress=False, versioned=True) == frame
    assert decode(frame, MAX) == HiveMessage("ping", {})


def test_golden_length_of_zero_reads_as_no_metadata() -> None:
    frame = bytes([0b10010010, 0]) + b"{}"
    assert decode(frame, MAX) == HiveMessage("ping", {})


@pytest.mark.parametrize("msg_type", [t for t in CODES if t is not T.BINARY])
@pytest.mark.parametrize("version", [None, 1])
@pytest.mark.parametrize("compressed", [False, True])
def test_frames_made_by_hand_are_read_and_made_alike(
    msg_type: HiveMessageType, version: Optional[int], compressed: bool
) -> None:
    message = sample(msg_type)
    metadata, payload = (
        b'{"m":1}',
        json.dumps(message.raw_payload, separators=(",", ":"), ensure_ascii=False).encode(),
    )
    if compressed:
        metadata, payload = zlib.compress(metadata), zlib.compress(payload)
    frame = by_hand(CODES[msg_type], metadata, payload, compressed=compressed, version=version)
    read = decode(frame, MAX)
    assert (read.msg_type, read.raw_payload, read.metadata) == (msg_type, message.raw_payload, {"m": 1})
    again = HiveMessage(msg_type, message.raw_payload, metadata={"m": 1})
    assert encode(again, compress=compressed, versioned=version is not None) == frame


@pytest.mark.parametrize("bin_type", BIN)
@pytest.mark.parametrize("version", [None, 1])
@pytest.mark.parametrize("compressed", [False, True])
def test_binary_frames_made_by_hand_are_read_and_made_alike(
    bin_type: HiveMindBinaryPayloadType, version: Optional[int], compressed: bool
) -> None:
    data = bytes(range(256))
    metadata = zlib.compress(b'{"lang":"en"}') if compressed else b'{"lang":"en"}'
    frame = by_hand(12, metadata, data, bin_type, compressed, version)
    message = HiveMessage("bin", data, bin_type=bin_type, metadata={"lang": "en"})
    assert decode(frame, MAX) == message
    assert encode(message, compress=compressed, versioned=version is not None) == frame


@pytest.mark.parametrize("zeros", [1, 2, 9])
def test_zero_bytes_in_front_are_skipped(zeros: int) -> None:
    frame = by_hand(9, b"{}", b"{}")
    assert decode(bytes(zeros) + frame, MAX) == HiveMessage("ping", {})
    frame = by_hand(12, b"{}", b"\0\0", 3)
    assert decode(bytes(zeros) + frame, MAX) == HiveMessage("bin", b"\0\0", bin_type=BIN.FILE)


def test_messages_the_route_of_a_wrapper_is_that_of_its_message() -> None:
    """Row: routes were lost in binary frames."""
    for msg_type in WRAPPER_TYPES:
        frame = encode(HiveMessage(msg_type, WRAPPED, route=HOPS))
        assert frame is not None
        read = decode(frame, MAX)
        assert read.route == HOPS and read.payload.route == HOPS


@pytest.mark.parametrize("route", [None, "a", {}, 5, ["broken"], [{"source": 5}], [{"targets": ["a"]}]])
def test_messages_a_broken_inner_route_is_no_route(route: Any) -> None:
    payload = json.dumps({"msg_type": "bus", "payload": INNER, "route": route}).encode()
    assert decode(by_hand(CODES[T.BROADCAST], b"{}", payload), MAX).route == []


@given(
    data=st.binary(max_size=300),
    bin_type=st.sampled_from(list(BIN)),
    metadata=st.dictionaries(st.text(max_size=4), st.integers() | st.text(max_size=4), max_size=4),
    compress=st.sampled_from([True, False, None]),
    versioned=st.booleans(),
)
def test_any_binary_message_reads_back_by_hand(
    data: bytes, bin_type: HiveMindBinaryPayloadType, metadata: Any, compress: Any, versioned: bool
) -> None:
    frame = encode(HiveMessage("bin", data, bin_type=bin_type, metadata=metadata), compress, versioned)
    assert frame is not None
    version, code, compressed, read, rest = read_by_hand(frame)
    assert (version, code) == (1 if versioned else None, 12)
    assert compress is None or compressed is compress
    assert json.loads(zlib.decompress(read) if compressed else read) == metadata
    assert int(rest[:4], 2) == bin_type
    assert bytes_of(rest[4:]) == data
