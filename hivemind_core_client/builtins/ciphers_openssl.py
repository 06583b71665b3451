"""AES-GCM and ChaCha20-Poly1305 over OpenSSL, by the `cryptography` package."""

from __future__ import annotations

import importlib.util
from functools import cache, lru_cache
from typing import Any

from hivemind_core_client.plugins.contract import Cipher
from hivemind_core_client.plugins.hookspecs import hookimpl


@hookimpl(trylast=True)
def hivemind_ciphers() -> list[Cipher]:
    """Both ciphers, or none where `cryptography` is not installed."""
    if importlib.util.find_spec("cryptography") is None:
        return []
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

    return [
        _cipher("AES-GCM", AESGCM, InvalidTag, key_sizes=(16, 24, 32), nonce_size=16),
        _cipher("CHACHA20-POLY1305", ChaCha20Poly1305, InvalidTag, key_sizes=(32,), nonce_size=12),
    ]


@cache  # what is made twice alike proves itself once
def _cipher(
    name: str, algorithm: Any, wrong_tag: type[Exception], key_sizes: tuple[int, ...], nonce_size: int
) -> Cipher:
    keyed = lru_cache(maxsize=8)(algorithm)  # setting a key up costs more than sealing a short message

    def seal(key: bytes, nonce: bytes, plaintext: bytes) -> bytes:
        sealed: bytes = keyed(key).encrypt(nonce, plaintext, None)
        return sealed

    def open_(key: bytes, nonce: bytes, sealed: bytes) -> bytes:
        try:
            plaintext: bytes = keyed(key).decrypt(nonce, sealed, None)
        except wrong_tag:
            raise ValueError("the tag does not fit") from None
        return plaintext

    def seal_into(key: bytes, nonce: bytes, plaintext: bytes, buffer: memoryview) -> None:
        keyed(key).encrypt_into(nonce, plaintext, None, buffer)

    into = seal_into if hasattr(algorithm, "encrypt_into") else None  # cryptography 46 and later
    return Cipher(name, key_sizes, nonce_size, 16, seal, open_, into)
