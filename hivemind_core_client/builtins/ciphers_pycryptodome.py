"""AES-GCM and ChaCha20-Poly1305 by `pycryptodome`, for where `cryptography` is not installed."""

from __future__ import annotations

from functools import cache
from typing import Any

from hivemind_core_client.plugins.contract import Cipher
from hivemind_core_client.plugins.hookspecs import hookimpl

_TAG = 16


@hookimpl(trylast=True)
def hivemind_ciphers() -> list[Cipher]:
    """Both ciphers. The package itself is imported when one of them is first used."""
    return [
        _cipher("AES-GCM", _aes, key_sizes=(16, 24, 32), nonce_size=16),
        _cipher("CHACHA20-POLY1305", _chacha, key_sizes=(32,), nonce_size=12),
    ]


def _aes(key: bytes, nonce: bytes) -> Any:
    from Crypto.Cipher import AES

    return AES.new(key, AES.MODE_GCM, nonce=nonce, mac_len=_TAG)


def _chacha(key: bytes, nonce: bytes) -> Any:
    from Crypto.Cipher import ChaCha20_Poly1305

    return ChaCha20_Poly1305.new(key=key, nonce=nonce)


@cache  # what is made twice alike proves itself once
def _cipher(name: str, keyed: Any, key_sizes: tuple[int, ...], nonce_size: int) -> Cipher:
    def seal(key: bytes, nonce: bytes, plaintext: bytes) -> bytes:
        ciphertext, tag = keyed(key, nonce).encrypt_and_digest(plaintext)
        return bytes(ciphertext + tag)

    def open_(key: bytes, nonce: bytes, sealed: bytes) -> bytes:
        return bytes(keyed(key, nonce).decrypt_and_verify(sealed[:-_TAG], sealed[-_TAG:]))

    return Cipher(name, key_sizes, nonce_size, _TAG, seal, open_)
