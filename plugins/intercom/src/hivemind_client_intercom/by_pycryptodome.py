"""RSA and AES-GCM by `pycryptodome`, for where `cryptography` is not installed."""

from __future__ import annotations

from typing import Any

from Crypto.Cipher import AES, PKCS1_OAEP
from Crypto.Hash import SHA256
from Crypto.PublicKey import RSA
from Crypto.Signature import pss

_UNREADABLE = (ValueError, TypeError, IndexError)


class PublicKey:
    """A public RSA key (see `keys.PublicKey`)."""

    def __init__(self, key: Any) -> None:
        self._key = key
        self.bits: int = key.size_in_bits()

    def pem(self) -> str:
        """PEM text (SubjectPublicKeyInfo)."""
        return str(self._key.export_key().decode("ascii"))

    def verify(self, signature: bytes, data: bytes) -> bool:
        """Whether the signature over `data` is this key's."""
        try:
            pss.new(self._key).verify(SHA256.new(data), signature)
        except (ValueError, TypeError):
            return False
        return True

    def wrap(self, data: bytes) -> bytes:
        """Encrypt a little `data` for the key's owner."""
        return bytes(PKCS1_OAEP.new(self._key).encrypt(data))


class PrivateKey:
    """A private RSA key (see `keys.PrivateKey`)."""

    def __init__(self, key: Any) -> None:
        self._key = key
        self.public = PublicKey(key.public_key())

    def sign(self, data: bytes) -> bytes:
        """The signature over `data`."""
        return bytes(pss.new(self._key).sign(SHA256.new(data)))

    def unwrap(self, wrapped: bytes) -> bytes:
        """What was wrapped for this key. Raises ValueError for anything else."""
        return bytes(PKCS1_OAEP.new(self._key).decrypt(wrapped))


def load_public(pem: str) -> PublicKey:
    """Read PEM text. Raises ValueError for what is no public RSA key."""
    key = _load(pem, "a public key")
    if key.has_private():
        raise ValueError("not a public key in PEM form")
    return PublicKey(key)


def load_private(pem: str) -> PrivateKey:
    """Read PEM text. Raises ValueError for what is no private RSA key, or one behind a password."""
    key = _load(pem, "a private key")
    if not key.has_private():
        raise ValueError("not a private key in PEM form")
    return PrivateKey(key)


def _load(pem: str, what: str) -> Any:
    if not pem.lstrip().startswith("-----BEGIN"):
        raise ValueError(f"not {what} in PEM form")
    try:
        return RSA.import_key(pem)
    except _UNREADABLE as error:
        raise ValueError(f"not {what} in PEM form") from error


def encrypt(key: bytes, nonce: bytes, plaintext: bytes) -> tuple[bytes, bytes]:
    """AES-GCM: the ciphertext, and its tag of 16 bytes."""
    ciphertext, tag = AES.new(key, AES.MODE_GCM, nonce=nonce).encrypt_and_digest(plaintext)
    return bytes(ciphertext), bytes(tag)


def decrypt(key: bytes, nonce: bytes, ciphertext: bytes, tag: bytes) -> bytes:
    """AES-GCM: the plaintext. Raises ValueError when the tag does not fit."""
    return bytes(AES.new(key, AES.MODE_GCM, nonce=nonce).decrypt_and_verify(ciphertext, tag))
