"""What ciphers, encodings and serializers prove before they are offered, and what the conformance kit asks for.

Each `…_fault` returns why an item must not be offered, or an empty text. What was proved once counts for the
process. `thorough` is for tests: more samples, every bit, and the errors of the contract.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any, Callable

from attrs import evolve

from hivemind_core_client.plugins.contract import Cipher, Encoding, Serializer
from hivemind_core_client.plugins.noise_suites import KEY_SIZE, NONCE_SIZE, function_of, suites_of
from hivemind_core_client.wire.errors import FrameError, FrameTooLarge
from hivemind_core_client.wire.message import (
    AnyMessageType,
    HiveMessage,
    HiveMessageType,
    HiveMindBinaryPayloadType,
    Payload,
)
from hivemind_core_client.wire.text import described

#: The sizes of nonce and tag of each name that hubs know, and `_PLAIN` sealed by it, by the size of the key: key and
#: nonce are the bytes 0, 1, 2 and so on. Another algorithm under such a name would open no frame of any hub.
_KNOWN: dict[str, tuple[int, int, dict[int, str]]] = {
    "AES-GCM": (
        16,
        16,
        {
            16: "cb88f0f7e9eaacb1d1c86501f21adbdf2d95cfc6a53fed064e53a39115b0e7150757d30ead64b7ed54708432",
            24: "e17a5812caa19ffe69d4e76f5b7b98aa15dbbc08280111522d08fbd7ad45ecf79dc6d50cca9e985d0a021246",
            32: "064cc31f498c2f5abd8fa94623c15f933dc718c40bebf3252d4c3ea1da984b8e45c5d8a766bb842c0b1e03dd",
        },
    ),
    "CHACHA20-POLY1305": (
        12,
        16,
        {32: "e8db6b69597fc03297f34d9cee787d43a004c1823d128ddf8fe55cb1244a408a0d3d27c8e67540a174786edb"},
    ),
}
#: `_PLAIN` sealed by each cipher function of Noise with a key of 32 bytes and a nonce of 12, as above.
_IN_NOISE = {
    "AESGCM": "2622b572b58da769ad31e5e4c78c0b4deaa2f4519c1d7f1a511596f131f162d345573b5c5dad57102bda16c0",
    "ChaChaPoly": _KNOWN["CHACHA20-POLY1305"][2][32],
}
_PLAIN = b"a cipher proves itself first"
#: Nonces are random: shorter ones would repeat. Shorter tags could be guessed.
_SHORTEST = 12
#: Every byte, the empty string, and lengths that do not fill a group of any encoding.
_ENCODED = (bytes(range(256)), b"", *(bytes(range(200, 200 + size)) for size in range(1, 18)))
_LARGE = 65536
_MAX = 2**20


def cipher_fault(cipher: Cipher, thorough: bool = False) -> str:
    """Why this cipher must not be offered, or an empty text when it protects what it seals."""
    return _once(_cipher_fault, cipher, thorough)


def encoding_fault(encoding: Encoding, thorough: bool = False) -> str:
    """Why this encoding must not be offered, or an empty text when it round-trips."""
    return _once(_encoding_fault, encoding, thorough)


def serializer_fault(serializer: Serializer, thorough: bool = False) -> str:
    """Why this serializer must not be used, or an empty text when it gives back samples of every message type."""
    return _once(_serializer_fault, serializer, thorough)


def _once(prove: Callable[[Any, bool], Iterator[str]], item: Any, thorough: bool) -> str:
    try:
        _passed(prove, item, thorough)
    except _Fault as fault:
        return str(fault)
    except KeyboardInterrupt:
        raise
    except (
        BaseException
    ):  # what a plugin brings may be such that it cannot be remembered: without a hash, or equality
        return _first(prove, item, thorough)
    return ""


class _Fault(Exception):
    """Why a proof failed. It is raised, so that a proof that failed is made anew the next time."""


@lru_cache(maxsize=256)
def _passed(prove: Callable[[Any, bool], Iterator[str]], item: Any, thorough: bool) -> None:
    fault = _first(prove, item, thorough)
    if fault:
        raise _Fault(fault)


def _first(prove: Callable[[Any, bool], Iterator[str]], item: Any, thorough: bool) -> str:
    kind = type(item).__name__.lower()
    try:
        fault = next(prove(item, thorough), "")
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a plugin may raise anything, or exit; it is then not offered
        fault = f"failed its self-test: {described(error)}"
    return f"{kind} {item.name} {fault}" if fault else ""


def some_bytes(size: int, seed: int = 0) -> bytes:
    """`size` bytes that look random and are the same each time."""
    blocks = (hashlib.sha256(b"%d %d" % (seed, block)).digest() for block in range(size // 32 + 1))
    return b"".join(blocks)[:size]


def _cipher_fault(cipher: Cipher, thorough: bool) -> Iterator[str]:
    if not cipher.key_sizes:
        yield "names no key size"
    known = _KNOWN.get(cipher.name)
    for size in cipher.key_sizes:
        yield from _faults_of_samples(cipher, size, [_PLAIN])
        if known is not None:
            yield from _faults_of_the_known(cipher, size, *known)
        yield from _faults_of_secrecy(cipher, size)
        yield from _accepted(cipher, size, thorough)
        if thorough:
            yield from _faults_of_samples(
                cipher, size, [some_bytes(n, n) for n in (0, 1, 15, 16, 17, _LARGE)]
            )
            yield from _faults_of_threads(cipher, size)
    yield from _faults_in_noise(cipher, thorough)


def _faults_of_samples(cipher: Cipher, key_size: int, samples: Iterable[bytes]) -> Iterator[str]:
    key, nonce = some_bytes(key_size, 1), some_bytes(cipher.nonce_size, 2)
    for sample in samples:
        sealed = cipher.seal(key, nonce, sample)
        if type(sealed) is not bytes or type(cipher.open(key, nonce, sealed)) is not bytes:
            yield "does not return bytes"
        if len(sealed) != len(sample) + cipher.tag_size:
            yield f"does not return ciphertext and a tag of {cipher.tag_size} bytes"
        if cipher.open(key, nonce, sealed) != sample:
            yield f"does not open what it sealed, {len(sample)} bytes"
        if cipher.seal_into is not None:
            buffer = bytearray(len(sealed))
            cipher.seal_into(key, nonce, sample, memoryview(buffer))
            if buffer != sealed:
                yield "seals otherwise with seal_into than with seal"
    for what, size in (("nonce", cipher.nonce_size), ("tag", cipher.tag_size)):
        if size < _SHORTEST:
            yield f"has a {what} of {size} bytes: {_SHORTEST} are the least that is safe"


def _faults_of_the_known(
    cipher: Cipher, key_size: int, nonce_size: int, tag_size: int, answers: dict[int, str]
) -> Iterator[str]:
    if (cipher.nonce_size, cipher.tag_size) != (nonce_size, tag_size):
        yield f"does not fit the wire: its name stands for a nonce of {nonce_size} bytes and a tag of {tag_size}"
    if key_size not in answers:
        yield f"does not fit the wire: its name stands for keys of {', '.join(map(str, answers))} bytes"
    if cipher.seal(bytes(range(key_size)), bytes(range(nonce_size)), _PLAIN).hex() != answers[key_size]:
        yield "does not seal as hubs do under its name"


def _faults_in_noise(cipher: Cipher, thorough: bool) -> Iterator[str]:
    """What keeps it from sealing the frames of protocol version 3, in the suites that it is offered for there."""
    for suite in cipher.suites:
        if not function_of(suite):
            yield f"names the suite {suite!r}, which Noise does not know here"
    if cipher.suites and KEY_SIZE not in cipher.key_sizes:
        yield f"names suites of Noise, and takes no key of {KEY_SIZE} bytes"
    for function in {function_of(suite) for suite in suites_of(cipher)}:
        try:
            sealed = cipher.seal(bytes(range(KEY_SIZE)), bytes(range(NONCE_SIZE)), _PLAIN)
        except Exception as error:
            yield f"takes no nonce of {NONCE_SIZE} bytes, which protocol version 3 has: {type(error).__name__}"
            return
        if sealed.hex() != _IN_NOISE[function]:
            yield f"does not seal as {function} in protocol version 3, with a nonce of {NONCE_SIZE} bytes"
        counted = evolve(cipher, nonce_size=NONCE_SIZE, key_sizes=(KEY_SIZE,), seal_into=None)
        yield from _faults_of_samples(counted, KEY_SIZE, [_PLAIN])
        yield from _accepted(counted, KEY_SIZE, thorough)


def _faults_of_secrecy(cipher: Cipher, key_size: int) -> Iterator[str]:
    key, nonce = some_bytes(key_size, 1), some_bytes(cipher.nonce_size, 2)
    sealed = cipher.seal(key, nonce, _PLAIN)
    body = sealed[: len(_PLAIN)]
    if _PLAIN in sealed or sum(a == b for a, b in zip(body, _PLAIN)) > len(_PLAIN) // 2:
        yield "does not hide what it seals"
    if cipher.seal(key, some_bytes(cipher.nonce_size, 3), _PLAIN)[: len(_PLAIN)] == body:
        yield "seals alike with another nonce"
    if cipher.seal(some_bytes(key_size, 4), nonce, _PLAIN)[: len(_PLAIN)] == body:
        yield "seals alike with another key"


def _accepted(cipher: Cipher, key_size: int, thorough: bool) -> Iterator[str]:
    """What it opens and must refuse."""
    key, nonce = some_bytes(key_size, 1), some_bytes(cipher.nonce_size, 2)
    sealed, cut = cipher.seal(key, nonce, _PLAIN), len(_PLAIN)
    bits = 0 if key_size != max(cipher.key_sizes) else 8 if thorough else 1
    forgeries = [("another key", (some_bytes(key_size, 4), nonce, sealed))]
    forgeries.append(("another nonce", (key, some_bytes(cipher.nonce_size, 3), sealed)))
    forgeries += [("a changed key", (bad, nonce, sealed)) for bad in _flipped(key, bits)]
    forgeries += [("a changed nonce", (key, bad, sealed)) for bad in _flipped(nonce, bits)]
    changed = [("a changed ciphertext", bad + sealed[cut:]) for bad in _flipped(sealed[:cut], bits)]
    changed += [("a forged tag", sealed[:cut] + bad) for bad in _flipped(sealed[cut:], bits)]
    ends = range(len(sealed)) if thorough else (0, cipher.tag_size, len(sealed) - 1)
    changed += [("a cut end", sealed[:end]) for end in ends]
    changed.append(("a longer end", sealed + b"\0"))
    forgeries += [(what, (key, nonce, bad)) for what, bad in changed]
    for what, arguments in forgeries:
        try:
            cipher.open(*arguments)
        except ValueError:
            continue
        except Exception as error:  # the client takes any error for a refusal; the contract names ValueError
            if thorough:
                yield f"raises {type(error).__name__} for {what}, where the contract has ValueError"
            continue
        yield f"accepts {what}"


def _flipped(data: bytes, bits: int) -> Iterator[bytes]:
    """`data` with one bit changed: each (8), one in each of up to eight bytes (1), or in the two at the ends (0)."""
    count = len(data)
    places = range(count) if bits == 8 else {at * (count - 1) // 7 for at in (range(8) if bits else (0, 7))}
    for place in places:
        for bit in range(8) if bits == 8 else (place % 8,):
            yield data[:place] + bytes([data[place] ^ 1 << bit]) + data[place + 1 :]


def _faults_of_threads(cipher: Cipher, key_size: int) -> Iterator[str]:
    def fits(seed: int) -> bool:
        key, nonce = some_bytes(key_size, seed % 3), some_bytes(cipher.nonce_size, seed)
        sample = some_bytes(1024, seed)
        return cipher.open(key, nonce, cipher.seal(key, nonce, sample)) == sample

    with ThreadPoolExecutor(4) as threads:
        if not all(threads.map(fits, range(64))):
            yield "mixes up what several threads seal"


def _encoding_fault(encoding: Encoding, thorough: bool) -> Iterator[str]:
    samples = list(_ENCODED)
    if thorough:
        samples += [some_bytes(size, size) for size in (*range(64), 1000, _LARGE)]
        samples += [bytes([byte]) * size for byte in (0, 255) for size in (1, 4, 5, 1000)]
    for sample in samples:
        text = encoding.encode(sample)
        data = encoding.decode(text) if isinstance(text, str) else None
        if data != sample or not isinstance(data, bytes):
            yield f"does not give back the {len(sample)} bytes it was given"
            return
        if any("\ud800" <= character <= "\udfff" for character in text):
            yield "makes text that has no UTF-8"
        if encoding.plain and any(character < " " or character in '"\\' for character in text):
            yield "says that it is plain, and makes characters that JSON escapes"
    if thorough:
        yield from _faults_of_bad_text(encoding)


def _faults_of_bad_text(encoding: Encoding) -> Iterator[str]:
    for text in ("\N{SNOWMAN}" * 4, "\0" * 4):
        try:
            encoding.decode(text)
        except ValueError:
            continue
        except Exception as error:
            yield f"raises {type(error).__name__} for text it cannot have made, where the contract has ValueError"


def sample_messages(msg_type: AnyMessageType) -> list[HiveMessage]:
    """Messages of this type: plain and empty, with letters beyond ASCII, and each bin type."""
    event: dict[str, Any] = {
        "type": "speak",
        "data": {"utterance": "Gr\xfc\xdfe \u2615\n\"'\\"},
        "context": {"n": [1, -2.5, None]},
    }
    if msg_type is HiveMessageType.BINARY:
        return [
            HiveMessage(msg_type, data, bin_type=kind, metadata={"lang": "de"} if data else None)
            for kind in HiveMindBinaryPayloadType
            for data in (bytes(range(256)), b"")
        ]
    if msg_type.carries is Payload.TEXT:
        return [HiveMessage(msg_type, event["data"]["utterance"]), HiveMessage(msg_type, "")]
    if msg_type.carries is Payload.HIVE:
        inner = HiveMessage(HiveMessageType.BUS, event)
        return [HiveMessage(msg_type, inner), HiveMessage(msg_type, HiveMessage("broadcast", inner))]
    if msg_type.carries is Payload.OVOS:
        return [HiveMessage(msg_type, event), HiveMessage(msg_type, {"type": "x", "data": {}, "context": {}})]
    return [HiveMessage(msg_type, {"rings": 2, "deep": [event]}), HiveMessage(msg_type, {})]


def _serializer_fault(serializer: Serializer, thorough: bool) -> Iterator[str]:
    if serializer.name not in ("text", "binary"):
        yield "has a name that no frame has: there are text and binary"
    for msg_type in HiveMessageType:
        for message in sample_messages(msg_type)[: None if thorough else 1]:
            for compress in (True, False, None):
                yield from _faults_of_round_trip(serializer, message, compress)
    yield from _faults_of_bad_frames(serializer, thorough)


def _faults_of_round_trip(serializer: Serializer, message: HiveMessage, compress: Any) -> Iterator[str]:
    what, is_binary = message.msg_type.name, message.msg_type is HiveMessageType.BINARY
    frame = serializer.encode(message, compress)
    if frame is None:
        if is_binary is (serializer.name == "binary"):
            yield f"has no form for {what}, and neither has the other serializer"
        return
    if not isinstance(frame, str if serializer.name == "text" else (bytes, bytearray)):
        yield f"makes a {type(frame).__name__} of {what}"
    if serializer.decode(frame, _MAX) != message:
        yield f"does not give back the {what} it was given (compress={compress})"


def _faults_of_bad_frames(serializer: Serializer, thorough: bool) -> Iterator[str]:
    large = serializer.encode(
        HiveMessage("bus", {"type": "x", "data": {"x": "x" * 9999}, "context": {}}), True
    )
    bad: list[Any] = ["", "{", "[]", "\0"] if serializer.name == "text" else [b"", b"\xff" * 9]
    if thorough and large is not None:
        bad += [large[:size] for size in range(min(len(large) - 1, 200))]
    for frame in bad:
        try:
            serializer.decode(frame, _MAX)
        except FrameError:
            continue
        except Exception as error:
            yield f"raises {type(error).__name__} for a frame that is none, where the contract has FrameError"
        else:
            if frame in ("", b""):
                yield "reads a message in an empty frame"
    if large is not None:
        try:
            serializer.decode(large, 512)
        except FrameTooLarge:
            return
        yield "inflates beyond the limit that it was given"
