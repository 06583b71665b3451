"""AES-GCM and ChaCha20-Poly1305 over OpenSSL, by the `cryptography` package."""

from __future__ import annotations

import importlib.util
from functools import lru_cache
from typing import Any

from hivemind_core_client.plugins.contract import Cipher
from hivemind_core_client.plugins.hookspecs import hookimpl


@hookimpl(trylast=True)
def hivemind_ciphers() -> list[Cipher]:
    """Both ciphers, or none where `cryptography` is not installed."""
    if importlib.util.find_spec("cryptography") is None:
        return []
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

    return [
        _cipher("AES-GCM", AESGCM, key_sizes=(16, 24, 32), nonce_size=16),
        _cipher("CHACHA20-POLY1305", ChaCha20Poly1305, key_sizes=(32,), nonce_size=12),
    ]


def _cipher(name: str, algorithm: Any, key_sizes: tuple[int, ...], nonce_size: int) -> Cipher:
    keyed = lru_cache(maxsize=8)(algorithm)  # setting a key up costs more than sealing a short message

    def seal(key: bytes, nonce: bytes, plaintext: bytes) -> bytes:
        sealed: bytes = keyed(key).encrypt(nonce, plaintext, None)
        return sealed

    def open_(key: bytes, nonce: bytes, sealed: bytes) -> bytes:
        from cryptography.exceptions import InvalidTag

        try:
            plaintext: bytes = keyed(key).decrypt(nonce, sealed, None)
        except InvalidTag:
            raise ValueError("the tag does not fit") from None
        return plaintext

    return Cipher(name, key_sizes, nonce_size, 16, seal, open_)
