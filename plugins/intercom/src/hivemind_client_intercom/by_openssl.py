"""RSA and AES-GCM over OpenSSL, by the `cryptography` package."""

from __future__ import annotations

from cryptography.exceptions import InvalidSignature, InvalidTag, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, OAEP, PSS
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

_TAG = 16
# OAEP needs no hash that resists collisions, and every HiveMind node wraps with this one.
_OAEP = OAEP(mgf=MGF1(SHA1()), algorithm=SHA1(), label=None)  # noqa: S303
_PSS = PSS(mgf=MGF1(SHA256()), salt_length=SHA256.digest_size)
_UNREADABLE = (ValueError, TypeError, UnsupportedAlgorithm)


class PublicKey:
    """A public RSA key (see `keys.PublicKey`)."""

    def __init__(self, key: RSAPublicKey) -> None:
        self._key = key
        self.bits = key.key_size

    def pem(self) -> str:
        """PEM text (SubjectPublicKeyInfo)."""
        return self._key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode("ascii")

    def verify(self, signature: bytes, data: bytes) -> bool:
        """Whether the signature over `data` is this key's."""
        try:
            self._key.verify(signature, data, _PSS, SHA256())
        except (InvalidSignature, ValueError):
            return False
        return True

    def wrap(self, data: bytes) -> bytes:
        """Encrypt a little `data` for the key's owner."""
        return self._key.encrypt(data, _OAEP)


class PrivateKey:
    """A private RSA key (see `keys.PrivateKey`)."""

    def __init__(self, key: RSAPrivateKey) -> None:
        self._key = key
        self.public = PublicKey(key.public_key())

    def sign(self, data: bytes) -> bytes:
        """The signature over `data`."""
        return self._key.sign(data, _PSS, SHA256())

    def unwrap(self, wrapped: bytes) -> bytes:
        """What was wrapped for this key. Raises ValueError for anything else."""
        return self._key.decrypt(wrapped, _OAEP)


def load_public(pem: str) -> PublicKey:
    """Read PEM text. Raises ValueError for what is no public RSA key."""
    try:
        key = load_pem_public_key(pem.encode("ascii"))
    except _UNREADABLE as error:
        raise ValueError("not a public key in PEM form") from error
    if not isinstance(key, RSAPublicKey):
        raise ValueError("not an RSA key")
    return PublicKey(key)


def load_private(pem: str) -> PrivateKey:
    """Read PEM text. Raises ValueError for what is no private RSA key, or one behind a password."""
    try:
        key = load_pem_private_key(pem.encode("ascii"), password=None)
    except _UNREADABLE as error:
        raise ValueError("not a private key in PEM form") from error
    if not isinstance(key, RSAPrivateKey):
        raise ValueError("not an RSA key")
    return PrivateKey(key)


def encrypt(key: bytes, nonce: bytes, plaintext: bytes) -> tuple[bytes, bytes]:
    """AES-GCM: the ciphertext, and its tag of 16 bytes."""
    sealed = AESGCM(key).encrypt(nonce, plaintext, None)
    return sealed[:-_TAG], sealed[-_TAG:]


def decrypt(key: bytes, nonce: bytes, ciphertext: bytes, tag: bytes) -> bytes:
    """AES-GCM: the plaintext. Raises ValueError when the tag does not fit."""
    try:
        return AESGCM(key).decrypt(nonce, ciphertext + tag, None)
    except InvalidTag:
        raise ValueError("the tag does not fit") from None
