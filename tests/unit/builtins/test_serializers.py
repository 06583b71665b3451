"""Text and binary frames: what comes back, and that whatever comes in is a message or one typed error."""

from __future__ import annotations

import contextlib
import json
import random
import zlib
from typing import Any, Optional

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hivemind_core_client.builtins import binary_serializer, text_serializer
from hivemind_core_client.builtins.binary_serializer import CODES, decode, encode
from hivemind_core_client.errors import (
    FrameError,
    FrameTooLarge,
    InvalidMessage,
    ProtocolError,
    UnknownMessageType,
    UnsupportedProtocolVersion,
)
from hivemind_core_client.message import (
    OVOS_TYPES,
    WRAPPER_TYPES,
    HiveMessage,
    HiveMessageType,
    HiveMindBinaryPayloadType,
)
from tests.unit.framing_support import by_hand
from tests.unit.strategies import JSON, OBJECTS
from tests.unit.support import MAX

T = HiveMessageType
BIN = HiveMindBinaryPayloadType
CODED = [t for t in T if t in CODES]

SMALL = st.dictionaries(st.text(max_size=4), st.integers(0, 999) | st.text(max_size=5), max_size=3)
OVOS = st.fixed_dictionaries({"type": st.text(max_size=9), "data": OBJECTS, "context": OBJECTS})


@st.composite
def messages(draw: Any, types: Any = tuple(T)) -> HiveMessage:
    msg_type = draw(st.sampled_from(types))
    metadata = draw(SMALL)
    if msg_type is T.BINARY:
        bin_type = draw(st.sampled_from(list(BIN)))
        return HiveMessage(msg_type, draw(st.binary(max_size=400)), bin_type=bin_type, metadata=metadata)
    if msg_type in OVOS_TYPES:
        return HiveMessage(msg_type, draw(OVOS), metadata=metadata)
    if msg_type in WRAPPER_TYPES:
        return HiveMessage(msg_type, HiveMessage("bus", draw(OVOS)), metadata=metadata)
    return HiveMessage(msg_type, draw(OBJECTS), metadata=metadata)


@given(messages(), st.sampled_from([True, False, None]))
def test_text_round_trip(message: HiveMessage, compress: Optional[bool]) -> None:
    if not utf8(message):
        return
    frame = text_serializer.encode(message, compress)
    assert (frame is None) == (message.msg_type is T.BINARY)
    if frame is not None:
        assert text_serializer.decode(frame, MAX) == message


def utf8(message: HiveMessage) -> bool:
    try:
        json.dumps(
            [message.raw_payload if message.msg_type is not T.BINARY else 0, message.metadata],
            ensure_ascii=False,
        ).encode()
    except UnicodeEncodeError:
        return False
    return True


@given(messages(tuple(CODED)), st.sampled_from([True, False, None]), st.booleans())
def test_binary_round_trip(message: HiveMessage, compress: Optional[bool], versioned: bool) -> None:
    if not utf8(message):
        with pytest.raises(InvalidMessage, match="surrogate"):
            encode(message, compress, versioned)
        return
    frame = encode(message, compress, versioned)
    assert frame is not None
    assert decode(frame, MAX) == message


def test_messages_a_lone_surrogate_has_no_binary_form() -> None:
    for message in (HiveMessage("ping", {"a": "\ud800"}), HiveMessage("ping", {}, metadata={"a": "\udfff"})):
        with pytest.raises(InvalidMessage, match="surrogate"):
            encode(message)


@pytest.mark.parametrize("text", ["a" * 2000, ""])
def test_none_takes_whichever_is_shorter(text: str) -> None:
    message = HiveMessage("3rdparty", {"text": text})
    sizes = {compress: len(encode(message, compress) or b"") for compress in (True, False, None)}
    assert sizes[None] == min(sizes[True], sizes[False])


@pytest.mark.parametrize("compress", [True, None, False])
def test_a_binary_payload_is_never_compressed(compress: Optional[bool]) -> None:
    data = b"\0" * 10_000
    frame = encode(HiveMessage("bin", data), compress)
    assert frame is not None and frame.endswith(data)


def test_messages_a_type_without_a_code_has_no_binary_form() -> None:
    """Row: INTERCOM was binarized into nonsense."""
    assert encode(HiveMessage("intercom", {"ciphertext": "x"})) is None
    assert set(T) - set(CODES) == {T.INTERCOM}


NOISE = "".join(random.Random(7).choice("abcdefghijklmnop0123456789") for _ in range(900))


def metadata_of(size: int) -> dict[str, str]:
    """Metadata of exactly `size` bytes of JSON: `{"a":""}` is 8."""
    return {"a": NOISE[: size - 8]}


@pytest.mark.parametrize(("size", "fits"), [(254, True), (255, True), (256, False), (300, False)])
def test_messages_metadata_must_fit_255_bytes(size: int, fits: bool) -> None:
    metadata = metadata_of(size)
    assert len(json.dumps(metadata, separators=(",", ":"))) == size
    frame = encode(HiveMessage("ping", {}, metadata=metadata), compress=False)
    assert (frame is not None) == fits
    if frame is not None:
        assert decode(frame, MAX).metadata == metadata
        return
    with pytest.raises(InvalidMessage, match=f"{size} bytes"):
        encode(HiveMessage("bin", b"", metadata=metadata), compress=False)


def test_metadata_counts_as_compressed() -> None:
    metadata = {"a": "b" * 2000}
    for message in (HiveMessage("ping", {}, metadata=metadata), HiveMessage("bin", b"x", metadata=metadata)):
        frame = encode(message, compress=True)
        assert frame is not None and decode(frame, MAX) == message


@pytest.mark.parametrize("bin_type", BIN)
def test_messages_bin_type_is_honoured(bin_type: HiveMindBinaryPayloadType) -> None:
    """Rows: bin_type set on the message was ignored; b"" became {}."""
    frame = encode(HiveMessage("bin", b"", bin_type=bin_type))
    assert frame is not None
    read = decode(frame, MAX)
    assert (read.bin_type, read.payload) == (bin_type, b"")


# what no peer should send

PING = by_hand(9, b"{}", b"{}")
DEFLATED = zlib.compress(b"{}")


def zipped(payload: bytes, metadata: bytes = DEFLATED) -> bytes:
    return by_hand(9, metadata, payload, compressed=True)


BROKEN: dict[str, tuple[bytes, type[FrameError]]] = {
    "empty": (b"", FrameError),
    "zeros": (bytes(40), FrameError),
    "a start bit alone": (b"\x80", FrameError),
    "a start bit on an odd place": (b"\x40\x00\x00\x00", FrameError),
    "a start bit on another odd place": (b"\x01\x00\x00\x00", FrameError),
    "version 2": (by_hand(9, b"{}", b"{}", version=2), UnsupportedProtocolVersion),
    "version 255": (by_hand(12, b"{}", b"", 0, version=255), UnsupportedProtocolVersion),
    "BINARY without the half byte": (by_hand(12, b"{}", b"x"), FrameError),
    "PING with the half byte": (by_hand(9, b"{}", b"{}", 0), FrameError),
    "metadata that is no JSON": (by_hand(9, b"{", b"{}"), FrameError),
    "metadata that is a list": (by_hand(9, b"[]", b"{}"), FrameError),
    "metadata that is no UTF-8": (by_hand(9, b"\xff\xff", b"{}"), FrameError),
    "metadata beyond the frame": (PING[:1] + b"\xff{}{}", FrameError),
    "a payload that is no JSON": (by_hand(9, b"{}", b"nonsense"), FrameError),
    "a payload that is a list": (by_hand(9, b"{}", b"[]"), FrameError),
    "no payload": (by_hand(9, b"{}", b""), FrameError),
    "a depth bomb": (by_hand(9, b"{}", b"[" * 100_000), FrameError),
    "a payload that is no Message": (by_hand(1, b"{}", b"{}"), FrameError),
    "a payload that is no HiveMessage": (by_hand(3, b"{}", b"{}"), FrameError),
    "no zlib stream": (zipped(b"nonsense"), FrameError),
    "an empty zlib stream": (zipped(b""), FrameError),
    "metadata that is no zlib stream": (zipped(DEFLATED, b"{}"), FrameError),
    "trailing garbage after zlib": (zipped(DEFLATED + b"x"), FrameError),
    "trailing garbage after the metadata's zlib": (zipped(DEFLATED, DEFLATED + b"x"), FrameError),
    "zlib that stops halfway": (zipped(DEFLATED[:-3]), FrameError),
    "zlib with a wrong checksum": (zipped(DEFLATED[:-1] + b"\0"), FrameError),
    **{
        f"unassigned code {code}": (by_hand(code, b"{}", b"{}"), UnknownMessageType) for code in range(13, 32)
    },
}


@pytest.mark.parametrize(("frame", "error"), BROKEN.values(), ids=BROKEN.keys())
def test_messages_broken_frames_are_one_typed_error(frame: bytes, error: type[FrameError]) -> None:
    with pytest.raises(error) as caught:
        decode(frame, MAX)
    assert type(caught.value) is error


WHOLE = [
    by_hand(1, b'{"a":1}', b'{"type":"x","data":{}}'),
    by_hand(1, zlib.compress(b'{"a":1}'), zlib.compress(b'{"type":"x"}'), compressed=True),
    by_hand(9, b"{}", b"{}", version=1),
]


@pytest.mark.parametrize("frame", WHOLE)
def test_messages_a_frame_cut_anywhere_is_one_typed_error(frame: bytes) -> None:
    for size in range(len(frame)):
        with pytest.raises(FrameError):
            decode(frame[:size], MAX)
    assert decode(frame, MAX).msg_type in (T.BUS, T.PING)


def test_messages_a_binary_frame_cut_in_its_head_is_one_typed_error() -> None:
    frame = by_hand(12, b'{"a":1}', b"payload", 3)
    for size in range(len(frame) - len(b"payload")):
        with pytest.raises(FrameError):
            decode(frame[:size], MAX)


@pytest.mark.parametrize("limit", [10, 1000, 100_000])
def test_messages_zip_bombs_are_bounded(limit: int) -> None:
    def filler(size: int) -> bytes:
        return b'{"a":"' + b"0" * (size - 8) + b'"}'

    exact = zipped(zlib.compress(filler(limit)))
    assert decode(exact, limit).payload
    for bomb in (
        zipped(zlib.compress(filler(limit + 1))),
        zipped(zlib.compress(b"0" * 50_000_000, 1)[:250_000]),
    ):
        with pytest.raises(FrameTooLarge):
            decode(bomb, limit)
    metadata = zlib.compress(filler(limit + 1), 9)
    if len(metadata) <= 255:
        with pytest.raises(FrameTooLarge, match="metadata"):
            decode(zipped(DEFLATED, metadata), limit)


def test_text_beyond_the_limit_is_refused() -> None:
    text = HiveMessage("ping", {}).serialize()
    assert text_serializer.decode(text, len(text)).msg_type is T.PING
    with pytest.raises(FrameTooLarge):
        text_serializer.decode(text, len(text) - 1)


@given(st.binary(max_size=120))
def test_any_bytes_give_a_message_or_one_typed_error(frame: bytes) -> None:
    for start in (b"", b"\x82", b"\x92\x02{}", b"\x83", b"\x09\x80\x02", b"\xc0\x52"):
        with contextlib.suppress(ProtocolError):
            assert isinstance(decode(start + frame, 1000), HiveMessage)


@given(st.sampled_from(WHOLE), st.data())
def test_any_flipped_byte_gives_a_message_or_one_typed_error(frame: bytes, data: Any) -> None:
    at = data.draw(st.integers(0, len(frame) - 1))
    value = data.draw(st.integers(0, 255))
    with contextlib.suppress(ProtocolError):
        assert isinstance(decode(frame[:at] + bytes([value]) + frame[at + 1 :], 1000), HiveMessage)


@given(st.text() | JSON.map(json.dumps))
def test_any_text_gives_a_message_or_one_typed_error(frame: str) -> None:
    with contextlib.suppress(ProtocolError):
        assert isinstance(text_serializer.decode(frame, 1000), HiveMessage)


def test_the_serializers_by_name() -> None:
    assert [s.name for s in text_serializer.hivemind_serializers()] == ["text"]
    assert [s.name for s in binary_serializer.hivemind_serializers()] == ["binary"]


# what a binary frame has no field for

HOP = {"source": "a", "targets": ["b"]}
BUS_INSIDE = HiveMessage("bus", {"type": "x", "data": {}, "context": {}})
UNFIT: dict[str, tuple[HiveMessage, bool]] = {
    "nothing of the kind": (HiveMessage("query", BUS_INSIDE), True),
    "a site that the message inside does not name": (
        HiveMessage("propagate", BUS_INSIDE, target_site_id="s"),
        False,
    ),
    "the site of the message inside": (
        HiveMessage("propagate", BUS_INSIDE.copy(target_site_id="s"), target_site_id="s"),
        True,
    ),
    "another site than the message inside": (
        HiveMessage("propagate", BUS_INSIDE.copy(target_site_id="t"), target_site_id="s"),
        False,
    ),
    "an empty site": (HiveMessage("propagate", BUS_INSIDE, target_site_id=""), False),
    "a route that the message inside does not have": (HiveMessage("query", BUS_INSIDE, route=[HOP]), False),
    "the route of the message inside": (
        HiveMessage("query", BUS_INSIDE.copy(route=[HOP]), route=[HOP]),
        True,
    ),
    "a longer route than the message inside": (
        HiveMessage("query", BUS_INSIDE.copy(route=[HOP]), route=[HOP, HOP]),
        False,
    ),
    "a key": (HiveMessage("propagate", BUS_INSIDE, target_pubkey="K"), False),
    "the key of the message inside": (
        HiveMessage("propagate", BUS_INSIDE.copy(target_pubkey="K"), target_pubkey="K"),
        False,
    ),
    "a site of a message that wraps nothing": (
        HiveMessage("bus", BUS_INSIDE.raw_payload, target_site_id="s"),
        False,
    ),
    "a route of a message that wraps nothing": (HiveMessage("ping", {}, route=[HOP]), False),
    "a payload that only looks like an inner message": (
        HiveMessage("3rdparty", {"target_site_id": "s", "route": [HOP]}, target_site_id="s", route=[HOP]),
        False,
    ),
}


@pytest.mark.parametrize(("message", "fits"), UNFIT.values(), ids=UNFIT.keys())
def test_messages_an_address_that_a_binary_frame_cannot_carry_is_not_lost(
    message: HiveMessage, fits: bool
) -> None:
    """Row: target_site_id and the route were lost on binary frames."""
    frame = encode(message)
    assert (frame is not None) is fits
    if frame is not None:
        assert decode(frame, MAX) == message


def test_bytes_go_binary_whatever_their_envelope_says() -> None:
    message = HiveMessage("bin", b"x", target_site_id="s", route=[HOP], target_pubkey="K")
    assert encode(message) is not None


NAMES_OR_NONE = st.none() | st.sampled_from(["", "s", "t"])
ROUTES = st.none() | st.lists(st.sampled_from([HOP, {"source": "c", "targets": ["d"]}]), max_size=2)


@given(
    st.sampled_from([t for t in T if t is not T.BINARY]),
    *[NAMES_OR_NONE] * 2,
    *[ROUTES] * 2,
    NAMES_OR_NONE,
    SMALL,
)
def test_a_binary_frame_keeps_everything_or_there_is_none(
    msg_type: HiveMessageType,
    site: Any,
    inner_site: Any,
    route: Any,
    inner_route: Any,
    key: Any,
    metadata: Any,
) -> None:
    inner = HiveMessage("bus", BUS_INSIDE.raw_payload, target_site_id=inner_site, route=inner_route)
    payload: Any = inner.as_dict
    if msg_type in OVOS_TYPES:
        payload = inner.raw_payload
    message = HiveMessage(
        msg_type, payload, target_site_id=site, route=route, target_pubkey=key, metadata=metadata
    )
    if utf8(message) and (frame := encode(message)) is not None:
        read = decode(frame, MAX)
        kept = (read.msg_type, read.raw_payload, read.metadata, read.target_public_key)
        assert kept == (msg_type, message.raw_payload, metadata, key)
        assert site is None or read.target_site_id == site
        assert not route or read.raw_route == route


@pytest.mark.parametrize(
    "inside",
    [{"route": "x"}, {"route": {"a": 1}}, {"target_site_id": 5}, {"route": [1, None], "target_site_id": "s"}],
)
def test_what_a_message_inside_says_of_its_way_is_read_as_it_is(inside: dict[str, Any]) -> None:
    body = {**BUS_INSIDE.as_dict, "route": None, "target_site_id": None, **inside}
    read = decode(by_hand(4, b"{}", json.dumps(body).encode()), MAX)
    assert read.raw_route == (inside["route"] if isinstance(inside.get("route"), list) else [])
    assert read.target_site_id == ("s" if inside.get("target_site_id") == "s" else None)
