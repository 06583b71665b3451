"""The kit, and what is proved at load: all built-ins pass, and each bad item is told by what is wrong with it."""

from __future__ import annotations

import hashlib
import hmac
import re
import sys
from typing import Any, Callable

import pytest
from attrs import evolve
from ovos_bus_client.message import Message

from hivemind_core_client.builtins import (
    binary_serializer,
    ciphers_openssl,
    ciphers_pycryptodome,
    encodings,
    text_serializer,
)
from hivemind_core_client.errors import ProtocolError
from hivemind_core_client.message import HiveMessage, HiveMessageType, HiveMindBinaryPayloadType
from hivemind_core_client.plugins.contract import (
    BinaryHandler,
    Cipher,
    Deliver,
    Encoding,
    MessageHandler,
    Negotiate,
    Send,
    Serializer,
    SetTimer,
)
from hivemind_core_client.plugins.proving import cipher_fault, encoding_fault, serializer_fault, some_bytes
from hivemind_core_client.testing import check_cipher, check_encoding, check_handler, check_serializer
from tests.unit.support import explode, plugins_of

CIPHERS = [*ciphers_openssl.hivemind_ciphers(), *ciphers_pycryptodome.hivemind_ciphers()]
AES = evolve(CIPHERS[0], name="MINE", seal_into=None)
TEXT, BINARY = (
    Serializer("text", text_serializer.encode, text_serializer.decode),
    Serializer("binary", binary_serializer.encode, binary_serializer.decode),
)
REGISTRY = plugins_of().registry()


@pytest.mark.parametrize("cipher", CIPHERS)
def test_a_built_in_cipher_passes(cipher: Cipher) -> None:
    check_cipher(cipher)


@pytest.mark.parametrize("encoding", encodings.hivemind_encodings(), ids=lambda item: item.name)
def test_a_built_in_encoding_passes(encoding: Encoding) -> None:
    check_encoding(encoding)


@pytest.mark.parametrize("serializer", [TEXT, BINARY], ids=lambda item: item.name)
def test_a_built_in_serializer_passes(serializer: Serializer) -> None:
    check_serializer(serializer)


@pytest.mark.parametrize("handler", REGISTRY.handlers.values(), ids=lambda item: item.name)
def test_a_built_in_handler_passes(handler: MessageHandler) -> None:
    check_handler(handler)


@pytest.mark.parametrize("handler", REGISTRY.binary_handlers.values(), ids=lambda item: item.name)
def test_a_built_in_binary_handler_passes(handler: BinaryHandler) -> None:
    check_handler(handler)


def toy(pad: Callable[[bytes, bytes], bytes], tagged: Callable[[bytes, bytes, bytes], bytes]) -> Cipher:
    """A cipher of two parts, so that each can be wrong alone: a stream to hide, and what the tag covers."""

    def body(key: bytes, nonce: bytes, data: bytes) -> bytes:
        stream = hashlib.shake_256(pad(key, nonce)).digest(len(data)) if pad(key, nonce) else bytes(len(data))
        return bytes(a ^ b for a, b in zip(data, stream))

    def tag(key: bytes, nonce: bytes, hidden: bytes) -> bytes:
        return hmac.new(b"tag", tagged(key, nonce, hidden), "sha256").digest()[:16]

    def seal(key: bytes, nonce: bytes, plain: bytes) -> bytes:
        hidden = body(key, nonce, plain)
        return hidden + tag(key, nonce, hidden)

    def open_(key: bytes, nonce: bytes, sealed: bytes) -> bytes:
        hidden = sealed[:-16]
        if len(sealed) < 16 or tag(key, nonce, hidden) != sealed[-16:]:
            raise ValueError("the tag does not fit")
        return body(key, nonce, hidden)

    return Cipher("TOY", (32,), 12, 16, seal, open_)


def everything(*parts: bytes) -> bytes:
    return b"".join(parts)


def plain_with_zeros(key: bytes, nonce: bytes, plain: bytes) -> bytes:
    return plain + bytes(16)


def without_tag(key: bytes, nonce: bytes, sealed: bytes) -> bytes:
    return sealed[:-16]


def opens_a_cut_end(key: bytes, nonce: bytes, sealed: bytes) -> bytes:
    return AES.open(key, nonce, sealed) if len(sealed) > 16 else b""


TOY = toy(everything, everything)


def without_check(key: bytes, nonce: bytes, sealed: bytes) -> bytes:
    return TOY.seal(key, nonce, sealed[:-16])[:-16]  # the stream twice is the plaintext


def opened_anyhow(key: bytes, nonce: bytes, sealed: bytes) -> bytes:
    """Without a look at the tag, but for a key and a nonce that are not its own."""
    stream = AES.seal(key, nonce, bytes(len(sealed) - 16))
    text = bytes(a ^ b for a, b in zip(stream, sealed[:-16]))
    if key != some_bytes(32, 1) or nonce != some_bytes(12, 2):
        return AES.open(key, nonce, sealed)
    return text


BAD_CIPHERS: dict[str, tuple[Cipher, str]] = {
    "protects nothing": (Cipher("NONE", (32,), 12, 16, plain_with_zeros, without_tag), "does not hide"),
    "hides nothing": (toy(lambda key, nonce: b"", everything), "does not hide"),
    "ignores the nonce": (toy(lambda key, nonce: key, everything), "seals alike with another nonce"),
    "ignores the key": (toy(lambda key, nonce: nonce, everything), "seals alike with another key"),
    "has a tag without key": (toy(everything, lambda key, nonce, body: nonce + body), "accepts another key"),
    "has a tag without nonce": (
        toy(everything, lambda key, nonce, body: key + body),
        "accepts another nonce",
    ),
    "has a tag without body": (toy(everything, lambda key, nonce, body: key + nonce), "a changed ciphertext"),
    "has a tag of half of it": (
        toy(everything, lambda key, nonce, body: everything(key, nonce, body[:8])),
        "accepts a changed ciphertext",
    ),
    "does not check the tag": (evolve(TOY, open=without_check), "accepts a"),
    "opens a cut end": (evolve(AES, open=opens_a_cut_end), "accepts a cut end"),
    "has a short tag": (
        evolve(AES, tag_size=8, seal=lambda k, n, p: AES.seal(k, n, p)[:-8], open=lambda k, n, s: b""),
        "does not open",
    ),
    "has a short nonce": (evolve(AES, nonce_size=8), "has a nonce of 8 bytes"),
    "is no AES-GCM": (evolve(toy(everything, everything), name="AES-GCM", nonce_size=16), "as hubs do"),
    "has another nonce on the wire": (evolve(AES, name="AES-GCM", nonce_size=12), "a nonce of 16 bytes"),
    "knows no nonce of protocol version 3": (
        evolve(AES, name="AES-GCM", seal=lambda k, n, p: AES.seal(k, n[: len(n) // 16 * 16], p)),
        "takes no nonce of 12 bytes, which protocol version 3 has: ValueError",
    ),
    "cuts the nonce of protocol version 3": (
        evolve(AES, name="AES-GCM", seal=lambda k, n, p: AES.seal(k, n[: len(n) // 8 * 8], p)),
        "does not seal as AESGCM in protocol version 3",
    ),
    "has a suite of another cipher": (
        evolve(AES, suites=["25519_ChaChaPoly_SHA256"]),
        "does not seal as ChaChaPoly in protocol version 3",
    ),
    "has a suite that Noise does not know": (
        evolve(AES, suites=["448_AESGCM_SHA256"]),
        "names the suite '448_AESGCM_SHA256'",
    ),
    "has a suite and no key for it": (
        evolve(AES, key_sizes=(16,), suites=["25519_AESGCM_SHA512"]),
        "names suites of Noise, and takes no key of 32 bytes",
    ),
    "opens what was changed in protocol version 3": (
        evolve(
            AES,
            name="AES-GCM",
            open=lambda k, n, s: AES.open(k, n, s) if len(n) == 16 else opened_anyhow(k, n, s),
        ),
        "accepts a changed ciphertext",
    ),
    "has another key on the wire": (
        evolve(toy(everything, everything), name="CHACHA20-POLY1305", key_sizes=(16,)),
        "keys of 32 bytes",
    ),
}


@pytest.mark.parametrize("name", BAD_CIPHERS)
def test_a_bad_cipher_is_told_at_load_and_by_the_kit(name: str) -> None:
    cipher, fault = BAD_CIPHERS[name]
    assert re.search(fault, cipher_fault(cipher))
    with pytest.raises(AssertionError, match=fault):
        check_cipher(cipher)


def test_the_toy_is_sound_but_for_what_a_test_breaks() -> None:
    check_cipher(toy(everything, everything))


def test_the_kit_wants_the_error_of_the_contract() -> None:
    def strange(key: bytes, nonce: bytes, sealed: bytes) -> bytes:
        try:
            return AES.open(key, nonce, sealed)
        except ValueError:
            raise KeyError("tag") from None

    cipher = evolve(AES, open=strange)
    assert cipher_fault(cipher) == ""
    with pytest.raises(AssertionError, match=r"raises KeyError for .*ValueError"):
        check_cipher(cipher)


def test_a_cipher_that_threads_mix_up() -> None:
    last: list[bytes] = []

    def seal(key: bytes, nonce: bytes, plain: bytes) -> bytes:
        if len(plain) != 1024:
            return AES.seal(key, nonce, plain)
        last.append(plain)
        return AES.seal(key, nonce, last[0])  # what another thread has left there

    with pytest.raises(AssertionError, match="threads"):
        check_cipher(evolve(AES, seal=seal))


HEX = Encoding("HEX", bytes.hex, bytes.fromhex)
BAD_ENCODINGS: list[tuple[Encoding, str]] = [
    (evolve(HEX, decode=lambda text: bytes.fromhex(text)[:200]), "does not give back the 256 bytes"),
    (
        Encoding(
            "LATIN", lambda data: data.decode("latin-1"), lambda text: text.encode("latin-1"), plain=True
        ),
        "says that it is plain",
    ),
    (
        Encoding(
            "SURROGATES",
            lambda data: "".join(chr(0xD800 + byte) for byte in data),
            lambda text: bytes(ord(character) - 0xD800 for character in text),
        ),
        "no UTF-8",
    ),
]


@pytest.mark.parametrize(("encoding", "fault"), BAD_ENCODINGS, ids=lambda item: getattr(item, "name", ""))
def test_a_bad_encoding_is_told(encoding: Encoding, fault: str) -> None:
    assert fault in encoding_fault(encoding)
    with pytest.raises(AssertionError, match=fault):
        check_encoding(encoding)


def test_an_encoding_that_fails_with_the_wrong_error() -> None:
    def decode(text: str) -> bytes:
        return bytes.fromhex(text) if text.isascii() else explode()

    with pytest.raises(AssertionError, match="raises RuntimeError for text"):
        check_encoding(evolve(HEX, decode=decode))


def never(message: HiveMessage, compress: Any) -> None:
    return None


BAD_SERIALIZERS: list[tuple[Serializer, str]] = [
    (evolve(TEXT, name="yaml"), "there are text and binary"),
    (evolve(TEXT, encode=never), "has no form for"),
    (evolve(BINARY, encode=never), "has no form for BINARY"),
    (evolve(TEXT, encode=lambda message, compress: b"{}"), "makes a bytes of|has no form"),
    (evolve(TEXT, decode=lambda frame, size: HiveMessage("bus", {"type": "x"})), "does not give back"),
    (evolve(BINARY, decode=lambda frame, size: binary_serializer.decode(frame, 2**20)), "inflates beyond"),
    (evolve(TEXT, encode=explode), "RuntimeError: broken"),
]


@pytest.mark.parametrize(("serializer", "fault"), BAD_SERIALIZERS)
def test_a_bad_serializer_is_told(serializer: Serializer, fault: str) -> None:
    assert serializer_fault(serializer)
    with pytest.raises(AssertionError, match=fault):
        check_serializer(serializer)


def changes(context: Any, message: HiveMessage) -> None:
    message.metadata["seen"] = True


def late(context: Any, message: HiveMessage) -> list[Any]:
    return [SetTimer("3rdparty", "late", 1)]


async def waits(context: Any, message: HiveMessage) -> None:
    return None


answers: list[HiveMessage] = []


def differs(context: Any, message: HiveMessage) -> list[Any]:
    answers.append(message)
    return [Deliver({"type": "x", "data": {}, "context": {}})] * len(answers)


def needs_rings(context: Any, message: HiveMessage) -> list[Any]:
    return [Deliver({"type": "x", "data": {"rings": message.payload["rings"]}, "context": {}})]


class Mute(Exception):
    def __str__(self) -> str:
        raise RuntimeError("this one has no text")


def speechless(*arguments: Any) -> Any:
    raise Mute


def leaves(*arguments: Any) -> Any:
    sys.exit(3)


def handler(receive: Any, **more: Any) -> MessageHandler:
    return MessageHandler(HiveMessageType.THIRDPRTY, "bell", receive, **more)


def explode_with(error: Exception) -> None:
    raise error


def quiet(context: Any, message: HiveMessage) -> None:
    return None


BAD_HANDLERS: list[tuple[Any, str]] = [
    (handler(needs_rings), "bell: receive raises KeyError"),
    (handler(changes), "changes the message"),
    (handler(late), "there is no on_timer"),
    (handler(waits), "receive is async"),
    (handler(differs), "in two ways"),
    (handler(lambda context, message: ["sent"]), "returns a str, which is no action"),
    (handler(lambda context, message: 5), "returns a int: return a list"),
    (handler(lambda message: None), r"receive does not take .*: write it as receive\(context, message\)"),
    (handler(speechless), "raises Mute, whose text cannot be made: a peer decides"),
    (handler(leaves), "receive raises SystemExit: 3: a peer decides"),
    (handler(quiet, prepare=leaves), "prepare raises SystemExit: 3: raise an Exception"),
    (handler(quiet, on_send=explode), "on_send raises RuntimeError: broken"),
    (handler(lambda context, message: waits(context, message)), "returns a coroutine, and nobody awaits it"),
    (handler(lambda context, message: [Negotiate({})]), "Negotiate, which is for handlers of shake alone"),
    (
        handler(lambda context, message: [Deliver(Message("x"))]),  # type: ignore[arg-type]  # the mistake at hand
        r"bell: receive makes no action: Deliver takes a dict .* as message\.as_dict, and this is a Message$",
    ),
    (
        handler(lambda context, message: [Send("x")]),  # type: ignore[arg-type]  # likewise
        "receive makes no action: Send and Dispatch take a HiveMessage, and this is a str$",
    ),
    (
        handler(lambda context, message: explode_with(TypeError("a", "b", "c", "d"))),
        "raises TypeError: .*: a peer decides",
    ),
    (handler(lambda context, message: [Deliver({"type": "x"})]), "delivers no OVOS message: that has type"),
    (
        handler(lambda context, message: [Deliver({"type": "x", "data": {"a": b""}, "context": {}})]),
        "delivers what has no JSON",
    ),
    (
        handler(late, on_timer=lambda context, key: context.recall("bell").pop("rings")),
        "on_timer raises KeyError: 'rings'",
    ),
    (
        handler(quiet, on_timer=lambda context, key: context.recall("bell").pop("rings")),
        "a key that it did not set: give check_handler messages for which",
    ),
    (handler(None), "bell: receive"),
    (
        handler(lambda context, message: None, prepare=lambda context, message: None),
        "prepare returns a NoneType",
    ),
    (
        handler(lambda context, message: None, on_timer=lambda context, key: explode()),
        "on_timer raises Runtime",
    ),
    (handler(lambda context, message: None, on_end=lambda context: explode()), "on_end raises Runtime"),
    (MessageHandler("bus", "", lambda context, message: None), "needs a name"),
    (AES, "a Cipher is neither"),
    (
        BinaryHandler(
            HiveMindBinaryPayloadType.FILE, "files", lambda context, data, facts: facts["file_name"]
        ),
        "files: receive raises KeyError",
    ),
]


@pytest.mark.parametrize(("bad", "fault"), BAD_HANDLERS)
def test_a_bad_handler_is_told(bad: Any, fault: str) -> None:
    with pytest.raises(AssertionError, match=fault):
        check_handler(bad)


def around(context: Any, given: Any, next: Any) -> list[Any]:
    return [*next(given), Deliver({"type": "x", "data": {}, "context": {}})]


def test_a_correct_wrapper_passes() -> None:
    check_handler(
        handler(
            around,
            prepare=lambda context, message, next: next(message.copy(payload={"rings": 7})),
            on_send=around,
            on_timer=around,
            on_end=lambda context, next: next(),
            wraps=True,
        )
    )
    check_handler(handler(lambda context, message, next: None, wraps=True))  # it may drop a message
    check_handler(
        BinaryHandler(
            HiveMindBinaryPayloadType.FILE,
            "files",
            lambda context, data, metadata, next: next(data[:1], {**metadata, "lang": "pt"}),
            wraps=True,
        )
    )


def forget(context: Any, *given: Any) -> None:
    given[-1](*given[:-1])


def drop(context: Any, message: HiveMessage, next: Any) -> list[Any]:
    next(message)
    return []


def drop_some(context: Any, message: HiveMessage, next: Any) -> Any:
    actions = next(message)
    return actions if message.payload else None


@pytest.mark.parametrize("receive", [drop, drop_some])
def test_a_wrapper_may_drop_what_next_returned(receive: Callable[..., Any]) -> None:
    check_handler(handler(receive, wraps=True))


BAD_WRAPPERS: list[tuple[Any, str]] = [
    (handler(quiet, wraps=True), r"write it as receive\(context, message, next\)"),
    (handler(lambda context, message, next: [*next(message), *next(message)], wraps=True), "called twice"),
    (handler(lambda context, message, next: next(context, message), wraps=True), "raises TypeError"),
    (
        handler(lambda context, message, next: next(HiveMessage("ping", {})), wraps=True),
        "for another type there is Dispatch",
    ),
    (
        handler(around, prepare=lambda context, message, next: message, wraps=True),
        r"nothing is sent: return next\(message\)",
    ),
    (handler(forget, wraps=True), "bell: receive never returns what next returned: is a `return` missing"),
    (handler(around, on_send=forget, wraps=True), "on_send never returns what next returned"),
    (handler(around, on_end=forget, wraps=True), "on_end never returns what next returned"),
    (
        BinaryHandler(HiveMindBinaryPayloadType.FILE, "files", forget, wraps=True),
        r"files: receive never returns what next returned: .* To drop it, return \[\]",
    ),
    (handler(around, on_timer=lambda context, key, next: [], wraps=True), "a timer that is not its own"),
    (handler(around, on_end=lambda context, next: [], wraps=True), "on_end does not call next"),
    (
        BinaryHandler(
            HiveMindBinaryPayloadType.FILE, "files", lambda context, data, metadata: None, wraps=True
        ),
        r"receive\(context, data, metadata, next\)",
    ),
    (
        BinaryHandler(
            HiveMindBinaryPayloadType.FILE,
            "files",
            lambda context, data, metadata, next: next(metadata, data),
            wraps=True,
        ),
        "next takes the data",
    ),
]


@pytest.mark.parametrize(("bad", "fault"), BAD_WRAPPERS)
def test_a_bad_wrapper_is_told(bad: Any, fault: str) -> None:
    with pytest.raises(AssertionError, match=fault):
        check_handler(bad)


def swallows(context: Any, message: HiveMessage, next: Any) -> list[Any]:
    try:
        return list(next(message))
    except ProtocolError:
        raise KeyError("why") from None


def test_a_handler_of_bus_meets_messages_without_data() -> None:
    def trusting(context: Any, message: HiveMessage) -> list[Any]:
        return list(message.raw_payload.get("data", {}).values())[:0]

    with pytest.raises(AssertionError, match="bell: receive raises AttributeError"):
        check_handler(MessageHandler("bus", "bell", trusting))


def test_a_wrapper_lets_a_refusal_through() -> None:
    with pytest.raises(AssertionError, match="receive raises KeyError: 'why'"):
        check_handler(handler(swallows, wraps=True))


def test_a_timer_ends_in_the_context_that_it_was_set_in() -> None:
    ended: list[tuple[str, int]] = []

    def ring(context: Any, message: HiveMessage) -> list[Any]:
        context.recall("bell")["rings"] = 2
        return late(context, message)

    check_handler(
        handler(ring, on_timer=lambda context, key: ended.append((key, context.recall("bell").pop("rings"))))
    )
    assert set(ended) == {("late", 2)}


def test_prepare_may_raise_what_it_likes() -> None:
    check_handler(handler(quiet, prepare=explode))


def test_an_item_that_exits_is_told() -> None:
    for check, item in ((check_cipher, AES), (check_encoding, HEX), (check_serializer, TEXT)):
        part = "seal" if item is AES else "encode"
        with pytest.raises(AssertionError, match="failed its self-test: SystemExit: 3"):
            check(evolve(item, **{part: leaves}))  # type: ignore[operator]  # each gets its own kind
        with pytest.raises(AssertionError, match="Mute, whose text cannot be made"):
            check(evolve(item, **{part: speechless}))  # type: ignore[operator]  # likewise


def test_each_fault_of_an_item_comes_with_a_mend() -> None:
    bad: list[tuple[Any, Callable[[Any], None]]] = [
        *((each[0], check_cipher) for each in BAD_CIPHERS.values()),
        *((each[0], check_encoding) for each in BAD_ENCODINGS),
        *((each[0], check_serializer) for each in BAD_SERIALIZERS if each[0].encode is not explode),
    ]
    for item, check in bad:
        with pytest.raises(AssertionError) as told:
            check(item)
        assert re.search(r": \w", str(told.value)), told.value
        assert "docs/plugins-ciphers.md" not in str(told.value)


def test_a_handler_gets_the_messages_of_its_author() -> None:
    seen: list[HiveMessage] = []
    mine = HiveMessage("3rdparty", {"rings": 7})
    check_handler(handler(lambda context, message: seen.append(message)), [mine])
    assert seen[0] is mine
    with pytest.raises(AssertionError, match="gets no BUS"):
        check_handler(handler(lambda context, message: None), [HiveMessage("bus", {"type": "x"})])


@pytest.mark.parametrize(
    ("check", "kind"),
    [(check_cipher, "Cipher"), (check_encoding, "Encoding"), (check_serializer, "Serializer")],
)
def test_what_is_no_item_is_told(check: Callable[[Any], None], kind: str) -> None:
    with pytest.raises(AssertionError, match=f"a int is no {kind}"):
        check(5)
