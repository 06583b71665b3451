"""CipherChannel: sealed frames, and that whatever comes in is opened or one typed error."""

from __future__ import annotations

import json
from typing import Any, Optional

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from hivemind_core_client.errors import (
    CleartextRefused,
    DecodingError,
    DecryptionFailed,
    EncryptionFailed,
    FrameError,
    InvalidKeySize,
    InvalidMessage,
    ProtocolError,
)
from hivemind_core_client.kernel.crypto import CipherChannel
from hivemind_core_client.plugins.contract import Frame
from tests.unit.support import CIPHERS, ENCODINGS, registry

KEY = bytes(range(32))
CHANNELS = [(cipher, encoding) for cipher in CIPHERS for encoding in ENCODINGS]


def channel(
    cipher: str = "AES-GCM", encoding: str = "JSON-HEX", key: bytes = KEY, **options: Any
) -> CipherChannel:
    return CipherChannel(registry().ciphers[cipher], registry().encodings[encoding], key, **options)


@pytest.mark.parametrize(("cipher", "encoding"), CHANNELS)
def test_what_is_sealed_opens(cipher: str, encoding: str) -> None:
    mine, theirs = channel(cipher, encoding), channel(cipher, encoding)
    plains: list[Frame] = ["grüß dich \U0001f600", "", "x" * 5000, b"", b"\x00\xff" * 500]
    for plain in plains:
        (frame,) = mine.seal(plain)
        assert type(frame) is type(plain)
        assert theirs.open(frame) == plain


@pytest.mark.parametrize("cipher", CIPHERS)
@pytest.mark.parametrize("size", [0, 16383, 16384, 70_000])
@pytest.mark.parametrize("kind", [bytes, bytearray])
def test_bytes_of_any_size_are_sealed_alike(cipher: str, size: int, kind: type) -> None:
    """Large ones are sealed in place, where the cipher can."""
    made = registry().ciphers[cipher]
    nonce, plain = bytes(range(made.nonce_size)), bytes(size)
    for variant in (made, evolve(made, seal_into=None)):
        some = CipherChannel(variant, registry().encodings["JSON-HEX"], KEY, lambda number: nonce[:number])
        (frame,) = some.seal(kind(plain))
        assert frame == nonce + made.seal(KEY, nonce, plain)
        assert some.open(frame) == plain and some.open(bytearray(frame)) == plain


def test_a_cipher_that_fails_in_place_is_an_error_of_ours() -> None:
    def explode(*arguments: Any) -> None:
        raise RuntimeError("secret")

    broken = evolve(registry().ciphers["AES-GCM"], seal_into=explode)
    some = CipherChannel(broken, registry().encodings["JSON-HEX"], KEY)
    with pytest.raises(EncryptionFailed) as caught:
        some.seal(bytes(20_000))
    assert "secret" not in str(caught.value)


@given(st.sampled_from(CHANNELS), st.text(alphabet=st.characters(exclude_categories=["Cs"])) | st.binary())
def test_anything_sealed_opens(names: tuple[str, str], plain: Frame) -> None:
    assert channel(*names).open(channel(*names).seal(plain)[0]) == plain


@pytest.mark.parametrize("cipher", CIPHERS)
def test_the_layout_of_sealed_frames(cipher: str) -> None:
    """protocol.md, section 3: nonce ‖ ciphertext ‖ tag; in text each field encoded on its own."""
    made = registry().ciphers[cipher]
    nonce = bytes(range(100, 100 + made.nonce_size))
    some = channel(cipher, random_bytes=lambda size: nonce[:size])
    sealed = made.seal(KEY, nonce, b"plain")
    assert some.seal(b"plain") == [nonce + sealed]
    fields = json.loads(some.seal("plain")[0])
    assert fields == {"ciphertext": sealed[:-16].hex(), "tag": sealed[-16:].hex(), "nonce": nonce.hex()}


def test_a_nonce_is_used_once() -> None:
    some = channel()
    frames = {bytes(some.seal(b"same")[0])[:16] for _ in range(200)}  # type: ignore[arg-type]  # bytes in, bytes out
    assert len(frames) == 200


@pytest.mark.parametrize("tag", ["absent", None])
def test_the_tag_may_hang_on_the_ciphertext(tag: Optional[str]) -> None:
    """Browsers leave the tag where their cipher put it."""
    some = channel("CHACHA20-POLY1305", "JSON-B64")
    encode, decode = registry().encodings["JSON-B64"].encode, registry().encodings["JSON-B64"].decode
    fields = json.loads(some.seal("hello")[0])
    joined = {
        "ciphertext": encode(decode(fields["ciphertext"]) + decode(fields["tag"])),
        "nonce": fields["nonce"],
    }
    if tag is None:
        joined["tag"] = None
    assert some.open(json.dumps(joined)) == "hello"


def altered(**changes: Any) -> str:
    fields = {**json.loads(channel().seal("hello")[0]), **changes}
    return json.dumps({name: value for name, value in fields.items() if value is not ...})


SEALED = channel().seal("hello")[0]
BROKEN: dict[str, tuple[Frame, type[ProtocolError]]] = {
    "handshake/cleartext": ('{"msg_type": "bus", "payload": {}}', CleartextRefused),
    "handshake/cleartext that speaks of ciphertext": ('{"msg_type": "ciphertext"}', CleartextRefused),
    "no json": ("ciphertext", FrameError),
    "no object": ('["ciphertext"]', FrameError),
    "depth bomb": ("[" * 100_000, FrameError),
    "ciphertext that is no text": (altered(ciphertext=1), FrameError),
    "ciphertext null": (altered(ciphertext=None), FrameError),
    "nonce missing": (altered(nonce=...), FrameError),
    "nonce that is no text": (altered(nonce=[]), FrameError),
    "tag that is no text": (altered(tag=5), FrameError),
    "nonce too short": (altered(nonce="00"), FrameError),
    "nonce too long": (altered(nonce="00" * 17), FrameError),
    "no hex": (altered(ciphertext="zz"), DecodingError),
    "nonce no hex": (altered(nonce="0"), DecodingError),
    "tag no hex": (altered(tag="\u0660"), DecodingError),
    "wrong tag": (altered(tag="00" * 16), DecryptionFailed),
    "short tag": (altered(tag="00"), DecryptionFailed),
    "empty": (altered(ciphertext="", tag=""), DecryptionFailed),
    "no tag": (altered(tag=...), DecryptionFailed),
    "other ciphertext": (altered(ciphertext="00" * 5), DecryptionFailed),
    "another key": (channel(key=bytes(32)).seal("hello")[0], DecryptionFailed),
    "another cipher, in bytes": (channel("CHACHA20-POLY1305").seal(b"x" * 40)[0], DecryptionFailed),
    "bytes too short": (bytes(31), FrameError),
    "no bytes": (b"", FrameError),
    "bytes that are no sealed frame": (bytes(100), DecryptionFailed),
}


@pytest.mark.parametrize(("frame", "error"), BROKEN.values(), ids=BROKEN.keys())
def test_messages_broken_frames_are_one_typed_error(frame: Frame, error: type[ProtocolError]) -> None:
    with pytest.raises(error) as caught:
        channel().open(frame)
    assert type(caught.value) is error


def test_a_frame_cut_anywhere_does_not_open() -> None:
    frame = channel().seal(b"hello")[0]
    for size in range(len(frame)):
        with pytest.raises(ProtocolError):
            channel().open(frame[:size])


def test_sealed_text_that_is_no_utf8() -> None:
    encoding = registry().encodings["JSON-HEX"]
    nonce = bytes(16)
    sealed = registry().ciphers["AES-GCM"].seal(KEY, nonce, b"\xff\xfe")
    frame = json.dumps({"ciphertext": encoding.encode(sealed), "nonce": encoding.encode(nonce)})
    with pytest.raises(FrameError, match="UTF-8"):
        channel().open(frame)


@given(
    st.sampled_from(CHANNELS),
    st.text(max_size=80)
    | st.binary(max_size=80)
    | st.dictionaries(
        st.sampled_from(["ciphertext", "tag", "nonce", "x"]),
        st.none() | st.integers() | st.text(max_size=60) | st.binary(max_size=20).map(bytes.hex),
    ).map(json.dumps),
)
def test_any_frame_is_one_typed_error(names: tuple[str, str], frame: Frame) -> None:
    with pytest.raises(ProtocolError) as caught:
        channel(*names).open(frame)
    assert KEY.hex() not in str(caught.value)


@pytest.mark.parametrize(("cipher", "sizes"), [("AES-GCM", (16, 24, 32)), ("CHACHA20-POLY1305", (32,))])
def test_keys_are_of_the_ciphers_sizes(cipher: str, sizes: tuple[int, ...]) -> None:
    for size in range(65):
        if size in sizes:
            some = channel(cipher, key=bytes(size))
            assert some.open(some.seal("x")[0]) == "x"
        else:
            with pytest.raises(InvalidKeySize, match=f"not of {size}"):
                channel(cipher, key=bytes(size))


def test_what_cannot_be_sealed_is_said_without_its_content() -> None:
    with pytest.raises(InvalidMessage, match="surrogate"):
        channel().seal("secret \ud800")

    def explode(*arguments: Any) -> bytes:
        raise RuntimeError("secret")

    broken = CipherChannel(
        evolve(registry().ciphers["AES-GCM"], seal=explode), registry().encodings["JSON-HEX"], KEY
    )
    for plain in ("secret", b"secret"):
        with pytest.raises(EncryptionFailed) as caught:
            broken.seal(plain)
        assert "secret" not in str(caught.value)


def leaving(error: BaseException, **parts: str) -> CipherChannel:
    """A channel with a cipher or an encoding whose `parts` raise this."""

    def leave(*_: Any) -> Any:
        raise error

    tables = registry()
    cipher, encoding = tables.ciphers["AES-GCM"], tables.encodings["JSON-HEX"]
    if "cipher" in parts:
        return CipherChannel(evolve(cipher, **{parts["cipher"]: leave}), encoding, KEY)
    return CipherChannel(cipher, evolve(encoding, **{parts["encoding"]: leave}), KEY)


@pytest.mark.parametrize("parts", [{"cipher": "seal"}, {"encoding": "encode"}], ids=str)
def test_what_exits_while_it_seals_ends_no_program(parts: dict[str, str]) -> None:
    with pytest.raises(EncryptionFailed, match="AES-GCM with JSON-HEX could not seal: SystemExit"):
        leaving(SystemExit(3), **parts).seal("text")
    with pytest.raises(KeyboardInterrupt):
        leaving(KeyboardInterrupt(), **parts).seal("text")


@pytest.mark.parametrize("parts", [{"cipher": "open"}, {"encoding": "decode"}], ids=str)
def test_what_exits_while_it_opens_costs_the_frame(parts: dict[str, str]) -> None:
    (frame,) = channel().seal("text")
    with pytest.raises(ProtocolError):
        leaving(SystemExit(3), **parts).open(frame)
    with pytest.raises(KeyboardInterrupt):
        leaving(KeyboardInterrupt(), **parts).open(frame)


@pytest.mark.parametrize("plain", ["text", b"bytes"])
def test_a_cipher_that_opens_to_nothing(plain: Frame) -> None:
    silent = evolve(registry().ciphers["AES-GCM"], open=lambda *_: None)
    receiver = CipherChannel(silent, registry().encodings["JSON-HEX"], KEY)
    with pytest.raises(DecryptionFailed):
        receiver.open(channel().seal(plain)[0])


def test_a_channel_shows_names_only() -> None:
    assert repr(channel()) == "<CipherChannel AES-GCM, JSON-HEX>"
