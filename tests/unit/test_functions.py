"""The functions of the reference client: what one makes the other reads, and what is refused is an error of ours."""

from __future__ import annotations

import contextlib
import json
import zlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ovos_bus_client.message import Message

from hivemind_core_client import encryption, errors, exceptions, serialization, util
from hivemind_core_client.encryption import SupportedCiphers, SupportedEncodings
from hivemind_core_client.message import OVOS_TYPES, WRAPPER_TYPES, HiveMessage, HiveMessageType
from hivemind_core_client.wire.json_text import json_text
from tests.unit.framing_support import by_hand
from tests.unit.strategies import JSON, OBJECTS

T = HiveMessageType
KEY = "0123456789abcdef"
LONG_KEY = KEY * 2
KEYS = st.sampled_from([16, 24, 32]).flatmap(lambda size: st.binary(min_size=size, max_size=size))
FIELDS = {"type": "speak", "data": {"utterance": "ü"}, "context": {"a": 1}}
SPEAK = Message("speak", {"utterance": "ü"}, {"a": 1})
GOES = "use the one of `encryption`"
#: What each encoding makes of this text, as the reference client does.
CLEAR = b"hi there"
ENCODED = {
    "JSON-B91": b"qa=Cq/rN<R",
    "JSON-Z85B": b"hpCrB}uzPw",
    "JSON-Z85P": b"\0xLwPhxK#i}",
    "JSON-B64": b"aGkgdGhlcmU=",
    "JSON-URLSAFE-B64": b"aGkgdGhlcmU=",
    "JSON-B32": b"NBUSA5DIMVZGK===",
    "JSON-HEX": b"6869207468657265",
}


@pytest.mark.parametrize("name", ENCODED)
def test_an_encoding_by_function(name: str) -> None:
    assert encryption.get_encoder(name)(CLEAR) == ENCODED[name]
    assert encryption.get_decoder(name)(ENCODED[name]) == CLEAR
    assert encryption.get_decoder(SupportedEncodings(name))(ENCODED[name].decode()) == CLEAR


@given(st.binary(max_size=64), st.sampled_from(list(SupportedEncodings)))
def test_any_bytes_come_back_from_an_encoding(data: bytes, encoding: SupportedEncodings) -> None:
    encoded = encryption.get_encoder(encoding)(data)
    assert encoded.isascii() and encryption.get_decoder(encoding)(encoded) == data


@given(st.binary(max_size=32), st.sampled_from(list(SupportedEncodings)))
def test_what_is_not_in_an_encoding_is_one_typed_error(text: bytes, encoding: SupportedEncodings) -> None:
    with contextlib.suppress(exceptions.DecodingError):
        assert isinstance(encryption.get_decoder(encoding)(text), bytes)


def test_names_of_ciphers_and_encodings() -> None:
    assert encryption.read_cipher("AES-GCM") is encryption.read_cipher(SupportedCiphers.AES_GCM)
    assert encryption.read_encoding("JSON-HEX") is SupportedEncodings.JSON_HEX
    for wrong in ("aes-gcm", "JSON_HEX", "", None, 5, []):
        with pytest.raises(exceptions.InvalidCipher):
            encryption.read_cipher(wrong)
        with pytest.raises(exceptions.InvalidEncoding):
            encryption.get_encoder(wrong)
        with pytest.raises(exceptions.InvalidEncoding):
            encryption.get_decoder(wrong)


def test_aes_and_chacha_by_function() -> None:
    """The vectors are what the reference client makes."""
    aes = (bytes.fromhex("9b03"), bytes.fromhex("f57e3a02ffa64c6aea3290e2788acc5f"), b"n" * 16)
    assert encryption.encrypt_AES(KEY, "hi", b"n" * 16) == aes
    assert encryption.encrypt_AES(KEY.encode(), b"hi", nonce=b"n" * 16, mode=11) == aes
    assert encryption.decrypt_AES_128(KEY, *aes) == b"hi"
    ciphertext, tag, nonce = encryption.encrypt_ChaCha20_Poly1305("k" * 32, "hi", b"n" * 12)
    assert (ciphertext.hex(), tag.hex()) == ("e696", "cedcf96dea858f9ad446a73fa241e257")
    assert encryption.decrypt_ChaCha20_Poly1305("k" * 32, ciphertext, tag, nonce) == b"hi"


@given(KEYS, st.binary(max_size=64))
def test_what_aes_sealed_opens_with_that_key_alone(key: bytes, data: bytes) -> None:
    ciphertext, tag, nonce = encryption.encrypt_AES(key, data)
    assert (len(ciphertext), len(tag), len(nonce)) == (
        len(data),
        encryption.AES_TAG_SIZE,
        encryption.AES_NONCE_SIZE,
    )
    assert len(key) in encryption.AES_KEY_SIZES
    assert encryption.decrypt_AES_128(key, ciphertext, tag, nonce) == data
    with pytest.raises(exceptions.WrongEncryptionKey):
        encryption.decrypt_AES_128(bytes([key[0] ^ 1]) + key[1:], ciphertext, tag, nonce)
    with pytest.raises(exceptions.DecryptionKeyError):
        encryption.decrypt_AES_128(key, ciphertext, bytes([tag[0] ^ 1]) + tag[1:], nonce)


@given(st.binary(min_size=32, max_size=32), st.text(max_size=64))
def test_what_chacha_sealed_opens_with_that_key_alone(key: bytes, text: str) -> None:
    ciphertext, tag, nonce = encryption.encrypt_ChaCha20_Poly1305(key, text)
    assert (len(tag), len(nonce)) == (encryption.CHACHA20_TAG_SIZE, encryption.CHACHA20_NONCE_SIZE)
    assert encryption.decrypt_ChaCha20_Poly1305(key, ciphertext, tag, nonce) == text.encode()
    with pytest.raises(exceptions.DecryptionKeyError):
        encryption.decrypt_ChaCha20_Poly1305(key[::-1] + b"", ciphertext, tag, b"x" * 12)


@pytest.mark.parametrize("moved", [-4, -1, 1, 16])
def test_a_tag_of_another_length_is_refused(moved: int) -> None:
    """Even where ciphertext and tag together are what was sealed."""
    ciphertext, tag, nonce = encryption.encrypt_AES(KEY, "hello, hello, hello")
    whole = ciphertext + tag
    cut = len(ciphertext) - moved
    with pytest.raises(exceptions.DecryptionKeyError, match="16 bytes"):
        encryption.decrypt_AES_128(KEY, whole[:cut], whole[cut:], nonce)
    with pytest.raises(exceptions.DecryptionKeyError, match="16 bytes"):
        encryption.decrypt_AES_128(KEY, whole, None, nonce)  # type: ignore[arg-type]  # as a field that is missing


def test_a_sealed_frame_opens_in_every_form() -> None:
    sealed = encryption.encrypt_as_json(KEY, "ü")
    for form in (sealed, sealed.encode(), json.loads(sealed)):
        assert encryption.decrypt_from_json(KEY, form) == "ü"


def test_keys_nonces_and_modes_that_do_not_fit() -> None:
    for size in (0, 5, 20, 40):
        with pytest.raises(exceptions.InvalidKeySize, match=f"not of {size}"):
            encryption.encrypt_AES("k" * size, "")
        with pytest.raises(exceptions.InvalidKeySize):
            encryption.decrypt_ChaCha20_Poly1305("k" * size, b"", b"", b"n" * 12)
    with pytest.raises(exceptions.InvalidKeySize, match="nonce of 12 bytes, not of 5"):
        encryption.encrypt_ChaCha20_Poly1305(LONG_KEY, "", b"short")
    with pytest.raises(exceptions.InvalidCipher, match="mode 9"):
        encryption.encrypt_AES(KEY, "", mode=9)


def test_a_binary_frame_that_is_too_short_does_not_open() -> None:
    for frame in (b"", b"short", "short", b"x" * 99):
        with pytest.raises(exceptions.DecryptionKeyError):
            encryption.decrypt_bin(KEY, frame)  # type: ignore[arg-type]  # text is taken, as it is there


@pytest.mark.parametrize(
    ("told", "expected"),
    [("flags : fpu aes sse", True), ("Features\t: fp asimd aes", True), ("flags : fpu", False), ("", False)],
)
def test_whether_the_processor_has_aes(monkeypatch: pytest.MonkeyPatch, told: str, expected: bool) -> None:
    monkeypatch.setattr(Path, "read_text", lambda self, errors: f"processor : 0\n{told}\n")
    assert encryption.cpu_supports_AES() is expected


def test_a_processor_that_does_not_tell_goes_by_the_faster_cipher(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path, errors: str) -> str:
        raise FileNotFoundError

    monkeypatch.setattr(Path, "read_text", refuse)
    for ciphers in ([SupportedCiphers.AES_GCM], list(SupportedCiphers), list(SupportedCiphers)[::-1], []):
        monkeypatch.setattr(encryption, "optimal_ciphers", lambda found=ciphers: found)
        assert encryption.cpu_supports_AES() is (ciphers[:1] == [SupportedCiphers.AES_GCM])


def test_the_ciphers_that_use_blocks() -> None:
    assert encryption.AES_CIPHERS == encryption.BLOCK_CIPHERS == {SupportedCiphers.AES_GCM}
    assert encryption.CHACHA20_KEY_SIZE == 32


@given(st.text() | OBJECTS, st.booleans())
def test_what_is_cast_to_bytes_comes_back(value: Any, compressed: bool) -> None:
    data = util.cast2bytes(value, compressed)
    text = util.bytes2str(data, compressed)
    assert (json.loads(text) if isinstance(value, dict) else text) == value
    assert util.decompress_payload(util.compress_payload(data)) == data
    assert zlib.decompress(util.compress_payload(text)) == text.encode()


def test_bytes_that_are_no_text() -> None:
    assert util.cast2bytes(b"\xff") == b"\xff"
    with pytest.raises(UnicodeDecodeError):
        util.bytes2str(b"\xff")
    with pytest.raises(zlib.error):
        util.bytes2str(b"text", compressed=True)


def test_the_whole_of_a_message_as_a_dict() -> None:
    message = HiveMessage("bus", SPEAK)
    assert util.payload2dict(message) == util.payload2dict(message.serialize()) == message.as_dict
    for given_message in (SPEAK, SPEAK.serialize(), FIELDS, json_text(FIELDS).encode()):
        assert util.payload2dict(given_message) == util.get_payload(given_message) == FIELDS
    assert util.get_payload(message) == FIELDS and util.get_payload(HiveMessage("bin", b"x")) == b"x"
    assert util.get_mycroft_msg(SPEAK) is SPEAK
    assert util.get_hivemsg(FIELDS) == message
    with pytest.raises(exceptions.MalformedWirePayload):
        util.payload2dict("[1]")


def test_messages_in_a_payload_become_dicts_too() -> None:
    said = Message("speak", {"utterance": "a"}, {"b": 1})
    plain = {"type": "speak", "data": {"utterance": "a"}, "context": {"b": 1}}
    given_ = {"one": said, "all": [[said], {"deep": HiveMessage("bus", said)}], "n": 1}
    made = util.payload2dict(given_)
    assert made["one"] == plain and made["all"][0] == [plain] and made["n"] == 1
    assert made["all"][1]["deep"] == HiveMessage("bus", plain).as_dict
    assert given_["one"] is said
    assert json.loads(json.dumps(util.payload2dict(Message("x", {"inner": said}))))["data"]["inner"] == plain


@pytest.mark.parametrize(
    "fields", [{}, {"data": {}}, {"type": 5}, {"type": "a", "data": "x"}, {"type": "a", "context": 1}]
)
def test_what_is_no_ovos_message(fields: Any) -> None:
    for form in (fields, json.dumps(fields)):
        with pytest.raises(errors.InvalidMessage):
            util.get_mycroft_msg(form)


@given(OBJECTS)
def test_a_text_frame_is_parsed_in_any_form(fields: Any) -> None:
    text = json.dumps(fields)
    for frame in (fields, text, text.encode(), bytearray(text.encode())):
        assert util.parse_text_frame(frame) == fields


@pytest.mark.parametrize("frame", ["", "x", "[1]", b"\xff", 5, None, [{}]])
def test_what_is_no_text_frame(frame: Any) -> None:
    assert util.parse_text_frame(frame) is None and not util.unencrypted_frame_allowed(frame, False)


@pytest.mark.parametrize("msg_type", [*(kind.value for kind in T), "unknown", None])
def test_what_may_come_in_the_clear(msg_type: Any) -> None:
    frame = {"msg_type": msg_type, "payload": {}}
    for form in (frame, json.dumps(frame)):
        assert util.unencrypted_frame_allowed(form, False) is (msg_type in ("hello", "shake"))
        assert not util.unencrypted_frame_allowed(form, True)


@pytest.mark.parametrize("b64", [False, True])
def test_the_deprecated_functions_name_the_others(b64: bool) -> None:
    with pytest.warns(DeprecationWarning, match=GOES):
        sealed = util.encrypt_as_json(KEY, {"a": "ü"}, b64)
    assert len(json.loads(sealed)["nonce"]) == (24 if b64 else 32)
    for form in (sealed, sealed.encode(), json.loads(sealed)):
        with pytest.warns(DeprecationWarning, match=GOES):
            assert util.decrypt_from_json(KEY, form) == '{"a":"ü"}'
    with pytest.warns(DeprecationWarning, match=GOES), pytest.raises(exceptions.DecryptionKeyError):
        util.decrypt_from_json(KEY[::-1], sealed)
    with pytest.warns(DeprecationWarning, match=GOES), pytest.raises(errors.ProtocolError):
        util.decrypt_from_json(KEY, "{}")
    with pytest.warns(DeprecationWarning, match=GOES):
        assert util.decrypt_bin(KEY, util.encrypt_bin(KEY, "text")) == b"text"


def samples(msg_type: HiveMessageType, fields: Any) -> Any:
    """A payload that fits the type."""
    if msg_type is T.BINARY:
        return json_text(fields).encode()
    if msg_type in OVOS_TYPES:
        return Message("speak", fields)
    return HiveMessage("bus", Message("speak", fields)) if msg_type in WRAPPER_TYPES else fields


@given(
    st.sampled_from(sorted(serialization.BINARY_ENCODABLE_TYPES)),
    OBJECTS,
    st.dictionaries(st.text(max_size=4), st.integers(0, 9), max_size=3),
    st.sampled_from([True, False, None]),
    st.booleans(),
)
def test_any_payload_comes_back_from_a_string_of_bits(
    msg_type: Any, fields: Any, metadata: Any, compressed: Any, versioned: bool
) -> None:
    payload = samples(msg_type, fields)
    bits = serialization.get_bitstring(msg_type, payload, compressed, metadata, versioned=versioned)
    for form in (bits, bits.bytes, bytearray(bits.bytes), memoryview(bits.bytes)):
        assert serialization.decode_bitstring(form) == HiveMessage(msg_type, payload, metadata=metadata)


@given(st.binary(max_size=40))
def test_a_string_of_bits(data: bytes) -> None:
    bits = serialization.Bitstring(data)
    assert bits.bytes == bits.tobytes() == bytes(bits) == data and bits.hex == data.hex()
    assert len(bits) == bits.len == bits.length == 8 * len(data) == len(bits.bin) == len(list(bits))
    assert bits.bin == "".join("01"[bit] for bit in bits) == "".join(f"{byte:08b}" for byte in data)
    assert bits == data and bits == serialization.Bitstring(bytearray(data)) and bits != 5
    assert hash(bits) == hash(data) and repr(bits) == f"<Bitstring of {8 * len(data)} bits>"


def test_an_ovos_message_as_a_string_of_bits() -> None:
    for given_message in (SPEAK, SPEAK.serialize(), FIELDS):
        for compressed in (False, True):
            bits = serialization.mycroft2bitstring(given_message, compressed)
            assert serialization.decode_bitstring(bits) == HiveMessage("bus", SPEAK, metadata={"a": 1})
    with pytest.raises(exceptions.MetadataTooLarge):
        serialization.mycroft2bitstring(Message("x", {}, {"a": "".join(map(chr, range(32, 900)))}))


def test_what_has_no_string_of_bits() -> None:
    long = {"a": "".join(map(chr, range(32, 900)))}
    for msg_type, payload in (("bus", SPEAK), ("bin", b"x")):
        with pytest.raises(exceptions.MetadataTooLarge, match="255"):
            serialization.get_bitstring(msg_type, payload, hivemeta=long)
    for msg_type, why in (
        ("intercom", "no binary form"),
        ("bus", "no type"),
        ("unknown", "unknown message type"),
    ):
        with pytest.raises(ValueError, match=why):
            serialization.get_bitstring(msg_type)
    assert T.THIRDPRTY not in serialization.BINARY_ENCODABLE_TYPES and len(T) == 14
    assert len(serialization.BINARY_ENCODABLE_TYPES) == 12
    assert (serialization.PROTOCOL_VERSION, serialization.MAX_METADATA_BYTES) == (1, 255)


FRAME = serialization.get_bitstring("bus", SPEAK, compressed=True).bytes


@pytest.mark.parametrize("frame", [b"", b"\0", b"\x80", bytes([0b10111110, 0]), FRAME[:-3], b"\x82\0zz"])
def test_what_is_no_frame_is_malformed(frame: bytes) -> None:
    with pytest.raises(exceptions.MalformedBinaryFrame) as raised:
        serialization.decode_bitstring(frame)
    assert isinstance(raised.value, exceptions.DecodingError) and isinstance(raised.value, ValueError)
    assert isinstance(raised.value.__cause__, errors.FrameError)


def test_a_frame_of_a_later_version_is_not_malformed() -> None:
    with pytest.raises(exceptions.UnsupportedProtocolVersion):
        serialization.decode_bitstring(by_hand(9, b"{}", b"{}", version=2))


@given(st.binary(max_size=64))
def test_any_bytes_are_a_frame_or_one_typed_error(frame: bytes) -> None:
    with contextlib.suppress(exceptions.MalformedBinaryFrame, exceptions.UnsupportedProtocolVersion):
        assert isinstance(serialization.decode_bitstring(SimpleNamespace(tobytes=lambda: frame)), HiveMessage)


#: What each error is caught by in programs for the reference client.
CAUGHT_BY: dict[str, tuple[type[BaseException] | str, ...]] = {
    "DecodingError": ("HiveMindException",),
    "DecryptionKeyError": ("WrongEncryptionKey",),
    "EncryptionKeyError": ("WrongEncryptionKey",),
    "HiveMindConnectionError": ("HiveMindException", ConnectionError),
    "HiveMindEntryPointNotFound": ("HiveMindConnectionError",),
    "IdentityFileCorrupted": ("HiveMindException",),
    "MalformedBinaryFrame": ("DecodingError", ValueError),
    "MalformedWirePayload": (ValueError,),
    "MetadataTooLarge": (ValueError,),
    "SecureConnectionFailed": ("HiveMindConnectionError",),
    "UnsupportedProtocolVersion": (ValueError,),
    "WrongEncryptionKey": ("HiveMindException",),
    "Z85DecodeError": ("DecodingError",),
}


@pytest.mark.parametrize("name", CAUGHT_BY)
def test_errors_are_caught_by_the_names_of_the_reference_client(name: str) -> None:
    for base in CAUGHT_BY[name]:
        caught = getattr(exceptions, base) if isinstance(base, str) else base
        assert issubclass(getattr(exceptions, name), caught)


@given(JSON)
def test_an_error_of_ours_can_be_raised_with_anything(value: Any) -> None:
    assert str(exceptions.HiveMindException(value)) == str(value)
