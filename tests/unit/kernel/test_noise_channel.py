"""The transport of protocol version 3: pieces, order, bounds."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hivemind_core_client.errors import (
    CleartextRefused,
    ConnectionLost,
    FrameError,
    FrameTooLarge,
    InvalidMessage,
)
from hivemind_core_client.kernel.noise_channel import CHUNK, NoiseChannel

LIMIT = 4 * CHUNK


class Counted:
    """A cipher state that only counts: what is sealed at one place opens at that place alone."""

    def __init__(self) -> None:
        self.place = 0

    def encrypt_with_ad(self, ad: bytes, plaintext: bytes) -> bytes:
        assert ad == b""
        self.place += 1
        return self.place.to_bytes(4, "big") + plaintext

    def decrypt_with_ad(self, ad: bytes, ciphertext: bytes) -> bytes:
        if int.from_bytes(ciphertext[:4], "big") != self.place + 1:
            raise ValueError("tag")
        self.place += 1
        return ciphertext[4:]


def channel(limit: int = LIMIT) -> NoiseChannel:
    return NoiseChannel(Counted(), Counted(), limit, "ws://hub:5678")


def carried(*plains: bytes) -> list[bytes]:
    """Frames of a peer that carry these bytes, whatever they are."""
    state = Counted()
    return [state.encrypt_with_ad(b"", plain) for plain in plains]


def opened(receiver: NoiseChannel, frames: list[Any]) -> list[Any]:
    return [receiver.open(frame) for frame in frames]


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 2 * CHUNK + 1, LIMIT])
@pytest.mark.parametrize("kind", [str, bytes])
def test_a_message_comes_back_as_it_was(size: int, kind: type) -> None:
    plain = "x" * size if kind is str else bytes(size)
    frames = channel().seal(plain)
    assert len(frames) == max(1, -(-size // CHUNK))
    assert opened(channel(), frames) == [None] * (len(frames) - 1) + [plain]


@pytest.mark.parametrize(
    ("plain", "markers"),
    [
        ("a", [0]),
        (b"a", [1]),
        ("a" * (CHUNK + 1), [2, 5]),
        (b"a" * (3 * CHUNK), [3, 4, 5]),
    ],
)
def test_what_the_first_byte_says(plain: Any, markers: list[int]) -> None:
    assert [frame[4] for frame in channel().seal(plain)] == markers


@given(st.lists(st.text() | st.binary() | st.integers(CHUNK, 3 * CHUNK).map(bytes), max_size=4))
def test_messages_one_after_another(plains: list[Any]) -> None:
    sender, receiver = channel(), channel()
    came = [plain for one in plains for plain in opened(receiver, sender.seal(one)) if plain is not None]
    assert came == plains


@given(st.lists(st.binary(max_size=20), max_size=8))
def test_whatever_a_peer_seals_is_a_message_or_an_error(plains: list[bytes]) -> None:
    receiver = channel(limit=30)
    for frame in carried(*plains):
        try:
            assert isinstance(receiver.open(frame), (str, bytes, type(None)))
        except (ConnectionLost, FrameError):
            continue


@pytest.mark.parametrize(
    "plains",
    [
        [b"\x04more"],
        [b"\x05last"],
        [b"\x02first", b"\x00whole"],
        [b"\x02first", b"\x03first"],
        [b"\x06"],
        [b""],
    ],
    ids=lambda plains: b" ".join(plains).hex(),
)
def test_pieces_out_of_order_end_the_connection(plains: list[bytes]) -> None:
    receiver = channel()
    *before, last = carried(*plains)
    opened(receiver, before)
    with pytest.raises(ConnectionLost, match="out of order"):
        receiver.open(last)


@pytest.mark.parametrize("change", ["repeated", "lost", "swapped", "changed"])
def test_a_frame_that_is_not_at_its_place_ends_the_connection(change: str) -> None:
    first, second = channel().seal("a")[0], b"\xff" * 9
    sealed = Counted()
    frames = [sealed.encrypt_with_ad(b"", b"\x00" + text) for text in (b"a", b"b")]
    wrong = {
        "repeated": [frames[0], frames[0]],
        "lost": [frames[1]],
        "swapped": [frames[1], frames[0]],
        "changed": [second],
    }[change]
    assert first == frames[0]
    receiver = channel()
    with pytest.raises(ConnectionLost, match="does not open at its place"):
        opened(receiver, wrong)


def test_text_is_refused_and_costs_nothing_else() -> None:
    receiver = channel()
    with pytest.raises(CleartextRefused):
        receiver.open('{"msg_type": "bus"}')
    assert opened(receiver, channel().seal("after")) == ["after"]


def test_what_is_no_utf8_costs_only_itself() -> None:
    receiver = channel()
    bad, good = carried(b"\x00\xff", b"\x00good")
    with pytest.raises(FrameError, match="UTF-8"):
        receiver.open(bad)
    assert receiver.open(good) == "good"


@pytest.mark.parametrize(
    "pieces",
    [
        [b"\x03" + bytes(11), b"\x04" + bytes(40), b"\x05" + bytes(40)],
        [b"\x03" + bytes(9), b"\x04" + bytes(2), b"\x05"],
        [b"\x03" + bytes(9), b"\x05" + bytes(2)],
    ],
)
def test_a_message_beyond_the_limit_is_dropped_once_and_no_more_is_kept(pieces: list[bytes]) -> None:
    receiver = channel(limit=10)
    *frames, after = carried(*pieces, b"\x01after")
    errors = 0
    for frame in frames:
        try:
            assert receiver.open(frame) is None
        except FrameTooLarge:
            errors += 1
    assert errors == 1
    assert receiver.open(after) == b"after"


def test_a_message_beyond_the_limit_is_not_sent() -> None:
    sender = channel(limit=10)
    with pytest.raises(InvalidMessage, match="Send it in parts"):
        sender.seal(b"01234567890")
    assert sender.seal("a")[0][:4] == b"\0\0\0\1"


def test_a_peer_that_breaks_on_pieces_gets_none() -> None:
    sender = NoiseChannel(Counted(), Counted(), LIMIT, "ws://hub:5678", takes_pieces=False)
    with pytest.raises(InvalidMessage, match="max_protocol_version=2"):
        sender.seal("x" * (CHUNK + 1))
    assert sender.seal("x" * CHUNK)[0][:4] == b"\0\0\0\1"


def test_text_that_has_no_utf8_is_not_sent() -> None:
    sender = channel()
    with pytest.raises(InvalidMessage):
        sender.seal("\ud800")
    assert sender.seal("a")[0][:4] == b"\0\0\0\1"


def test_its_repr_names_the_peer_alone() -> None:
    assert repr(channel()) == "<NoiseChannel, ws://hub:5678>"
