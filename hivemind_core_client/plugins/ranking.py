"""Ciphers and encodings in order of measured speed."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Callable, TypeVar

from hivemind_core_client.plugins.contract import Cipher, Encoding

T = TypeVar("T")

_SEALED = bytes(16384)
_ENCODED = bytes(range(256)) * 4
#: What a character costs on its way, in seconds: a link of 800 Mbit/s. Hex is as fast as base64, and longer by half.
_SECONDS_PER_BYTE = 1e-8


def by_speed(items: Mapping[str, T], seconds: Callable[[T], float]) -> dict[str, T]:
    """The same, the fastest first. One alone is not measured."""
    if len(items) < 2:
        return dict(items)
    return dict(sorted(items.items(), key=lambda pair: seconds(pair[1])))


def cipher_seconds(cipher: Cipher) -> float:
    """Seconds to seal and open 16 KiB."""
    key, nonce = bytes(max(cipher.key_sizes)), bytes(cipher.nonce_size)
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
