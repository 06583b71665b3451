"""Ciphers and encodings in order of measured speed."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Callable, TypeVar

from attrs import define, field

from hivemind_core_client.plugins.contract import Cipher, Encoding
from hivemind_core_client.wire.text import described

T = TypeVar("T")

_SEALED = bytes(16384)
_ENCODED = bytes(range(256)) * 4
#: What a character costs on its way, in seconds: a link of 800 Mbit/s. Hex is as fast as base64, and longer by half.
_SECONDS_PER_BYTE = 1e-8


@define
class Ranking:
    """Measures items by `seconds` as they come, and puts them in order; nothing is measured unless `needed`."""

    _seconds: Callable[[Any], float]
    _needed: bool
    _measured: dict[str, float] = field(factory=dict)

    def fault(self, item: Any) -> str:
        """Measure an item: why that failed, or an empty text. A plugin may raise anything, and even exit."""
        if self._needed:
            try:
                self._measured[item.name] = self._seconds(item)
            except KeyboardInterrupt:
                raise
            except BaseException as error:
                kind = type(item).__name__.lower()
                return f"{kind} {item.name} failed when its speed was measured: {described(error)}"
        return ""

    def ranked(self, items: Mapping[str, T]) -> dict[str, T]:
        """The same, the fastest first."""
        return dict(sorted(items.items(), key=lambda pair: self._measured.get(pair[0], 0.0)))


def cipher_seconds(cipher: Cipher) -> float:
    """Seconds to seal and open 16 KiB."""
    key, nonce = bytes(range(max(cipher.key_sizes))), bytes(range(cipher.nonce_size))
    return _best_of(2, lambda: cipher.open(key, nonce, cipher.seal(key, nonce, _SEALED)))


def encoding_seconds(encoding: Encoding) -> float:
    """Seconds to encode and decode 1 KiB, and for the characters that it takes on the way."""
    text = encoding.encode(_ENCODED)
    return _best_of(5, lambda: encoding.decode(encoding.encode(_ENCODED))) + len(text) * _SECONDS_PER_BYTE


def _best_of(runs: int, work: Callable[[], object]) -> float:
    """The best of some runs: the first one warms up, and any may be interrupted."""
    best = float("inf")
    for _ in range(runs):
        start = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - start)
    return best
