"""The tables that run: built once from what the plugins offer, then only looked up."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Any, Callable, Generic, TypeVar

from attrs import field, frozen

from hivemind_core_client.plugins.contract import (
    BinaryHandler,
    Cipher,
    Encoding,
    MessageHandler,
    Serializer,
)
from hivemind_core_client.wire.message import HiveMessageType, HiveMindBinaryPayloadType

log = logging.getLogger(__name__)

T = TypeVar("T")

#: Every byte, the empty string, and lengths that do not fill a group of any encoding.
_SAMPLES = (bytes(range(256)), b"", *(bytes(range(200, 200 + size)) for size in range(1, 18)))


@frozen
class Offered(Generic[T]):
    """One thing that a plugin offers: `item`, from the plugin called `plugin`."""

    plugin: str
    item: T


@frozen
class Conflict:
    """Two or more plugins that claim one name: the first one that was called won."""

    kind: str
    name: str
    winner: str
    losers: tuple[str, ...]


@frozen
class Table(Generic[T]):
    """Items by wire name, message type or bin type, with who won where several claimed one."""

    items: Mapping[Any, T]
    conflicts: tuple[Conflict, ...] = ()


@frozen
class Registry:
    """What a Link looks things up in.

    `ciphers` and `encodings` are in order of preference, the best first. `handlers` and `binary_handlers` are what
    runs, wrappers included; `wrapped` has the plain handlers of the message types that are wrapped.
    """

    ciphers: Mapping[str, Cipher] = field(factory=dict)
    encodings: Mapping[str, Encoding] = field(factory=dict)
    serializers: Mapping[str, Serializer] = field(factory=dict)
    handlers: Mapping[HiveMessageType, MessageHandler] = field(factory=dict)
    binary_handlers: Mapping[HiveMindBinaryPayloadType, BinaryHandler] = field(factory=dict)
    wrapped: Mapping[HiveMessageType, MessageHandler] = field(factory=dict)

    def plain(self, msg_type: HiveMessageType) -> MessageHandler | None:
        """The handler of a type without what is wrapped around it, None where nobody handles the type."""
        return self.wrapped.get(msg_type) or self.handlers.get(msg_type)


def build_table(kind: str, offers: Iterable[Offered[T]], key: Callable[[T], Any]) -> Table[T]:
    """Keep the first offer for each key, in the order they come, and note the others."""
    winners: dict[Any, Offered[T]] = {}
    losers: dict[Any, list[str]] = {}
    for offered in offers:
        name = key(offered.item)
        if winners.setdefault(name, offered) is not offered:
            losers.setdefault(name, []).append(offered.plugin)
    conflicts = tuple(
        Conflict(kind, wire_name(name), winners[name].plugin, tuple(beaten))
        for name, beaten in losers.items()
    )
    return Table({name: offered.item for name, offered in winners.items()}, conflicts)


def wire_name(key: Any) -> str:
    """The text under which a table key is shown: its wire name, or the name of a bin type."""
    return key.name if isinstance(key, HiveMindBinaryPayloadType) else str(key)


def encoding_fault(encoding: Encoding) -> str:
    """Why this encoding must not be offered, or an empty text when it round-trips."""
    try:
        for sample in _SAMPLES:
            text = encoding.encode(sample)
            if not isinstance(text, str) or encoding.decode(text) != sample:
                return f"encoding {encoding.name} does not give back the {len(sample)} bytes it was given"
    except Exception as error:  # a plugin may raise anything; it is then not offered
        return f"encoding {encoding.name} failed its self-test: {type(error).__name__}: {error}"
    return ""


def cipher_fault(cipher: Cipher) -> str:
    """Why this cipher must not be offered, or an empty text when it seals and opens."""
    try:
        for size in cipher.key_sizes:
            fault = _cipher_fault_at(cipher, bytes(size))
            if fault:
                return fault
    except Exception as error:  # a plugin may raise anything; it is then not offered
        return f"cipher {cipher.name} failed its self-test: {type(error).__name__}: {error}"
    return "" if cipher.key_sizes else f"cipher {cipher.name} names no key size"


def _cipher_fault_at(cipher: Cipher, key: bytes) -> str:
    nonce, sample = bytes(cipher.nonce_size), b"self-test"
    sealed = cipher.seal(key, nonce, sample)
    if type(sealed) is not bytes or type(cipher.open(key, nonce, sealed)) is not bytes:
        return f"cipher {cipher.name} does not return bytes"
    if len(sealed) != len(sample) + cipher.tag_size:
        return f"cipher {cipher.name} does not return ciphertext and a tag of {cipher.tag_size} bytes"
    if cipher.open(key, nonce, sealed) != sample:
        return f"cipher {cipher.name} does not open what it sealed"
    if cipher.seal_into is not None:
        buffer = bytearray(len(sealed))
        cipher.seal_into(key, nonce, sample, memoryview(buffer))
        if buffer != sealed:
            return f"cipher {cipher.name} seals otherwise with seal_into than with seal"
    try:
        cipher.open(key, nonce, sealed[:-1] + bytes([sealed[-1] ^ 1]))
    except Exception:  # whatever it raises, it did not accept the forgery, which is the point
        return ""
    return f"cipher {cipher.name} accepts a forged tag"
