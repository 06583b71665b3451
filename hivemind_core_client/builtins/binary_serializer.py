"""Binary frames, bit by bit as docs/protocol.md has them.

Every field of a frame is a whole number of bytes but for the 4 bits of a bin type, so a frame begins either
on a byte or, BINARY, in the middle of one. The head (start bit to metadata, and bin type) is one
small integer, shifted once; the payload is a slice.
"""

from __future__ import annotations

import zlib
from typing import Any, Optional

from attrs import frozen

from hivemind_core_client.plugins.contract import Serializer
from hivemind_core_client.plugins.hookspecs import hookimpl
from hivemind_core_client.wire.errors import (
    FrameError,
    FrameTooLarge,
    InvalidMessage,
    Mend,
    UnknownMessageType,
)
from hivemind_core_client.wire.frame_errors import MetadataTooLarge, UnsupportedProtocolVersion
from hivemind_core_client.wire.json_text import Json, json_text, json_weighed, utf8
from hivemind_core_client.wire.message import (
    WRAPPER_TYPES,
    AnyBinaryType,
    AnyMessageType,
    HiveMessage,
    HiveMessageType,
    read_binary_type,
)

FRAME_VERSION = 1
MAX_METADATA_BYTES = 255

#: The 5-bit code of each type; INTERCOM has none, and no type of a plugin.
CODES: dict[AnyMessageType, int] = {
    HiveMessageType.HANDSHAKE: 0,
    HiveMessageType.BUS: 1,
    HiveMessageType.SHARED_BUS: 2,
    HiveMessageType.BROADCAST: 3,
    HiveMessageType.PROPAGATE: 4,
    HiveMessageType.ESCALATE: 5,
    HiveMessageType.HELLO: 6,
    HiveMessageType.QUERY: 7,
    HiveMessageType.CASCADE: 8,
    HiveMessageType.PING: 9,
    HiveMessageType.RENDEZVOUS: 10,
    HiveMessageType.THIRDPRTY: 11,
    HiveMessageType.BINARY: 12,
}
_TYPES = {code: msg_type for msg_type, code in CODES.items()}
_BINARY = HiveMessageType.BINARY
_RAISE = Mend("if you trust the hub with more, raise Limits.inflated")
#: The metadata of most messages, and its compressed form.
_NONE, _NONE_SMALL = b"{}", zlib.compress(b"{}")


@hookimpl(trylast=True)
def hivemind_serializers() -> list[Serializer]:
    """The serializer named `binary`."""
    return [Serializer("binary", encode, decode)]


@frozen
class _Head:
    """What stands before the payload; `end` is the byte at which the payload begins."""

    code: int
    compressed: bool
    metadata: bytes
    bin_type: int
    end: int


def encode(message: HiveMessage, compress: Optional[bool] = None, versioned: bool = False) -> Optional[bytes]:
    """The binary frame of a message.

    `compress` is True, False, or None for whichever is shorter; a BINARY payload is never compressed.
    Returns None for a message without a binary form: a type without a code, metadata beyond 255 bytes, or
    an address or a route, for which the frame has no field. Raises MetadataTooLarge for BINARY with that
    much metadata, which has no other form.
    """
    code = CODES.get(message.msg_type)
    if code is None or _has_more(message):
        return None
    metadata = _bytes_of(message.metadata) if message.metadata else _NONE
    payload = message.raw_payload if message.msg_type is _BINARY else _bytes_of(message.raw_payload)
    compressed, metadata, payload = _compressed(message.msg_type, compress, metadata, payload)
    if len(metadata) <= MAX_METADATA_BYTES:
        return _head(code, compressed, metadata, message, versioned) + payload
    if message.msg_type is _BINARY:
        raise MetadataTooLarge(
            f"the metadata of a BINARY message is {len(metadata)} bytes; {MAX_METADATA_BYTES} fit",
            Mend("shorten it"),
        )
    return None


def decode(frame: bytes, max_size: int) -> HiveMessage:
    """Raises FrameError for anything that is no frame.

    FrameTooLarge for one that inflates beyond `max_size` bytes, or would take too much memory once it is parsed.
    """
    head = _read_head(frame)
    msg_type = _TYPES.get(head.code)
    if msg_type is None:
        raise UnknownMessageType(f"unknown message type code {head.code}")
    metadata: Json = {}
    if head.metadata and head.metadata != (_NONE_SMALL if head.compressed else _NONE):
        metadata, _ = _object(head.metadata, head.compressed, max_size, "the metadata")
    payload = frame[head.end :]
    try:
        if msg_type is _BINARY:
            message = HiveMessage(msg_type, payload, bin_type=_bin_type(head.bin_type), metadata=metadata)
            message.weight = len(payload)
            return message
        body, weight = _object(payload, head.compressed, max_size, "the payload")
        more = _from_inner(body) if msg_type in WRAPPER_TYPES else {}
        message = HiveMessage(msg_type, body, metadata=metadata, **more)
        message.weight = weight
        return message
    except InvalidMessage as error:
        raise FrameError(str(error)) from error


def _bytes_of(value: Any) -> bytes:
    return utf8(json_text(value))


def _compressed(
    msg_type: AnyMessageType, compress: Optional[bool], metadata: bytes, payload: bytes
) -> tuple[bool, bytes, bytes]:
    if compress is False:
        return False, metadata, payload
    small_metadata = _NONE_SMALL if metadata is _NONE else zlib.compress(metadata)
    small_payload = payload if msg_type is _BINARY else zlib.compress(payload)
    if compress or len(small_metadata) + len(small_payload) < len(metadata) + len(payload):
        return True, small_metadata, small_payload
    return False, metadata, payload


def _head(code: int, compressed: bool, metadata: bytes, message: HiveMessage, versioned: bool) -> bytes:
    bits = 0b11 << 8 | FRAME_VERSION if versioned else 0b10
    bits = (bits << 5 | code) << 1 | compressed
    size = 3 if versioned else 2
    start = (bits << 8 | len(metadata)).to_bytes(size, "big") + metadata
    if message.msg_type is not _BINARY:
        return start
    shifted = int.from_bytes(start, "big") << 4 | message.bin_type
    return shifted.to_bytes(len(start) + 1, "big")


def _read_head(frame: bytes) -> _Head:
    begin = _first_one(frame)
    shift = 8 - frame[begin].bit_length()
    if shift not in (0, 4):
        raise FrameError("a binary frame that does not begin on half a byte")
    versioned = bool(frame[begin] << shift & 0x40)
    fixed = 3 if versioned else 2
    bits = _bits(frame, begin, fixed, shift)
    if versioned and bits >> 14 & 0xFF > FRAME_VERSION:
        raise UnsupportedProtocolVersion(
            f"a binary frame of version {bits >> 14 & 0xFF}; this client reads {FRAME_VERSION}"
        )
    code, compressed, length = bits >> 9 & 0x1F, bool(bits >> 8 & 1), bits & 0xFF
    if (code == CODES[_BINARY]) != bool(shift):
        raise FrameError("a binary frame whose length does not fit its type")
    size = fixed + length
    metadata = (_bits(frame, begin, size, shift) & ((1 << 8 * length) - 1)).to_bytes(length, "big")
    end = begin + size + (1 if shift else 0)
    return _Head(code, compressed, metadata, frame[end - 1] & 0x0F, end)


def _first_one(frame: bytes) -> int:
    """Index of the first byte that is not zero."""
    index = len(frame) - len(frame.lstrip(b"\0"))
    if index == len(frame):
        raise FrameError("a binary frame without a start bit")
    return index


def _bits(frame: bytes, begin: int, size: int, shift: int) -> int:
    """The integer of `size` bytes that begin `shift` bits into the byte at `begin`."""
    end = begin + size + (1 if shift else 0)
    if end > len(frame):
        raise FrameError(f"a binary frame of {len(frame)} bytes ends within its head")
    value = int.from_bytes(frame[begin:end], "big")
    return (value >> (8 - shift) if shift else value) & ((1 << 8 * size) - 1)


def _bin_type(value: int) -> AnyBinaryType:
    try:
        return read_binary_type(value)
    except ValueError:
        raise FrameError(f"unknown bin type code {value}") from None


def _object(data: bytes, compressed: bool, max_size: int, what: str) -> tuple[Json, int]:
    """The object in it, and what that takes in memory."""
    text = _inflated(data, max_size, what) if compressed else data
    if len(text) > max_size:
        raise FrameTooLarge(f"{what} has {len(text)} bytes; the limit is {max_size}", _RAISE)
    return json_weighed(text, what, max_size, len(data))


def _inflated(data: bytes, max_size: int, what: str) -> bytes:
    stream = zlib.decompressobj()
    try:
        inflated = stream.decompress(data, max_size + 1)
    except zlib.error as error:
        raise FrameError(f"{what} is no zlib stream") from error
    if len(inflated) > max_size:
        raise FrameTooLarge(f"{what} inflates to more than the limit of {max_size} bytes", _RAISE)
    if not stream.eof or stream.unused_data:
        raise FrameError(f"{what} is not one whole zlib stream")
    return inflated


def _has_more(message: HiveMessage) -> bool:
    """Whether a message says what its binary frame, unlike its text frame, cannot."""
    if message.msg_type is _BINARY:
        return False
    route, site = message.raw_route or None, message.target_site_id
    if message.target_public_key is not None:
        return True
    if route is None and site is None:
        return False
    inner = _from_inner(message.raw_payload) if message.msg_type in WRAPPER_TYPES else {}
    return route not in (None, inner.get("route")) or site not in (None, inner.get("target_site_id"))


def _from_inner(body: Json) -> Json:
    """The binary frame has no field for route and site; those of a wrapper are the ones of the message inside."""
    route, site = body.get("route"), body.get("target_site_id")
    return {
        "route": list(route) if isinstance(route, list) else None,
        "target_site_id": site if isinstance(site, str) else None,
    }
