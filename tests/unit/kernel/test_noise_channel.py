"""The transport of protocol version 3: pieces, order, bounds."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hivemind_core_client.errors import (
    CleartextRefused,
    ConnectionLost,
    EncryptionFailed,
    FrameError,
    FrameTooLarge,
    InvalidMessage,
)
from hivemind_core_client.kernel.noise_channel import CHUNK, NoiseChannel
from hivemind_core_client.plugins.contract import Cipher

LIMIT = 4 * CHUNK


SUITE = "25519_AESGCM_SHA256"
KEYS = (bytes(32), bytes(32))


def numbered(key: bytes, nonce: bytes, plaintext: bytes) -> bytes:
    return nonce[8:] + plaintext


def at_its_number(key: bytes, nonce: bytes, sealed: bytes) -> bytes:
    if sealed[:4] != nonce[8:]:
        raise ValueError("tag")
    return sealed[4:]


#: Seals nothing: what is sealed at one place opens at that place alone.
COUNTED = Cipher("COUNTED", (32,), 12, 4, numbered, at_its_number)


def channel(limit: int = LIMIT, cipher: Cipher = COUNTED, **options: Any) -> NoiseChannel:
    return NoiseChannel(cipher, SUITE, KEYS, limit, "ws://hub:5678", **options)


def carried(*plains: bytes) -> list[bytes]:
    """Frames of a peer that carry these bytes, whatever they are."""
    return [number.to_bytes(4, "big") + plain for number, plain in enumerate(plains)]


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
    frames = carried(b"\x00a", b"\x00b")
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
    assert sender.seal("a")[0][:4] == bytes(4)


def test_a_peer_that_breaks_on_pieces_gets_none() -> None:
    sender = channel(takes_pieces=False)
    with pytest.raises(InvalidMessage, match="max_protocol_version=2"):
        sender.seal("x" * (CHUNK + 1))
    assert sender.seal("x" * CHUNK)[0][:4] == bytes(4)


def test_text_that_has_no_utf8_is_not_sent() -> None:
    sender = channel()
    with pytest.raises(InvalidMessage):
        sender.seal("\ud800")
    assert sender.seal("a")[0][:4] == bytes(4)


def test_its_repr_names_the_peer_alone() -> None:
    assert repr(channel()) == "<NoiseChannel, COUNTED, ws://hub:5678>"


@pytest.mark.parametrize(
    ("suite", "nonces"),
    [
        ("25519_AESGCM_SHA256", ["000000000000000000000000", "000000000000000000000001"]),
        ("25519_ChaChaPoly_SHA256", ["000000000000000000000000", "000000000100000000000000"]),
        ("25519_ChaChaPoly_BLAKE2s", ["000000000000000000000000", "000000000100000000000000"]),
    ],
)
def test_nonces_are_counters_as_noise_lays_them_out_and_each_direction_has_its_key(
    suite: str, nonces: list[str]
) -> None:
    calls: list[tuple[bytes, str]] = []

    def noted(key: bytes, nonce: bytes, text: bytes) -> bytes:
        calls.append((key, nonce.hex()))
        return text

    cipher = Cipher("NOTED", (32,), 24, 0, noted, noted)
    both = NoiseChannel(cipher, suite, (b"out", b"in"), LIMIT, "ws://hub:5678")
    for _ in range(2):
        assert both.open(both.seal("a")[0]) == "a"
    assert [nonce for key, nonce in calls if key == b"out"] == nonces
    assert [nonce for key, nonce in calls if key == b"in"] == nonces


@pytest.mark.parametrize("answer", [None, "text", 7], ids=["None", "text", "raises"])
def test_a_cipher_that_fails_costs_the_message_and_no_number(answer: Any) -> None:
    """Pieces that were sealed already never leave, so the next message begins where they did."""
    fails = [False, True]

    def broken(key: bytes, nonce: bytes, plaintext: bytes) -> Any:
        if not fails or not fails.pop(0):
            return numbered(key, nonce, plaintext)
        return answer if answer != 7 else 1 // 0

    sender = channel(cipher=Cipher("BROKEN", (32,), 12, 4, broken, at_its_number))
    with pytest.raises(EncryptionFailed, match=r"BROKEN could not seal: (TypeError|ZeroDivisionError)"):
        sender.seal("x" * (CHUNK + 1))
    assert opened(channel(), sender.seal("after")) == ["after"]


@pytest.mark.parametrize("answer", [None, 7], ids=["None", "a number"])
def test_a_cipher_that_opens_to_no_bytes_ends_the_connection(answer: Any) -> None:
    receiver = channel(cipher=Cipher("BROKEN", (32,), 12, 4, numbered, lambda *_: answer))
    with pytest.raises(ConnectionLost, match="does not open"):
        receiver.open(channel().seal("a")[0])


def test_a_cipher_that_exits_ends_no_program() -> None:
    raised: list[BaseException] = []

    def leave(*_: Any) -> bytes:
        raise raised[-1]

    broken = channel(cipher=Cipher("BROKEN", (32,), 12, 4, leave, leave))
    raised.append(SystemExit(3))
    with pytest.raises(EncryptionFailed, match="BROKEN could not seal: SystemExit"):
        broken.seal("a")
    with pytest.raises(ConnectionLost, match="does not open"):
        broken.open(channel().seal("a")[0])
    raised.append(KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        broken.seal("a")
    with pytest.raises(KeyboardInterrupt):
        broken.open(channel().seal("a")[0])
