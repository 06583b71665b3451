"""RSA keys from their PEM texts, kept loaded, by whichever library is installed."""

from __future__ import annotations

from functools import lru_cache
from importlib import import_module
from typing import Protocol, cast

from hivemind_core_client.wire.keys import fingerprint as fingerprint_of
from hivemind_core_client.wire.keys import public_pem

#: Shorter keys can be broken, and longer ones cost whoever must use them too much time. In bits.
MIN_BITS, MAX_BITS = 2048, 16384

_LIBRARIES = ("by_openssl", "by_pycryptodome")


class UnusableKey(ValueError):
    """A text that is no RSA key that INTERCOM can use. The error says why, and never quotes the text."""


class PublicKey(Protocol):
    """A public RSA key of `bits` bits. Signatures are PSS (SHA-256, salt of 32 bytes). Wrapping is OAEP (SHA-1)."""

    bits: int

    def pem(self) -> str:
        """PEM text (SubjectPublicKeyInfo)."""

    def verify(self, signature: bytes, data: bytes) -> bool:
        """Whether the signature over `data` is this key's."""

    def wrap(self, data: bytes) -> bytes:
        """Encrypt a little `data` for the key's owner."""


class PrivateKey(Protocol):
    """A private RSA key, and its public half."""

    @property
    def public(self) -> PublicKey:
        """The public half."""

    def sign(self, data: bytes) -> bytes:
        """The signature over `data`."""

    def unwrap(self, wrapped: bytes) -> bytes:
        """What was wrapped for this key. Raises ValueError for anything else."""


class Library(Protocol):
    """What a module over a cryptographic library offers. AES-GCM keys are 32 bytes, nonces and tags 16."""

    def load_public(self, pem: str) -> PublicKey:
        """Read PEM text. Raises ValueError for what is no public RSA key."""

    def load_private(self, pem: str) -> PrivateKey:
        """Read PEM text. Raises ValueError for what is no private RSA key."""

    def encrypt(self, key: bytes, nonce: bytes, plaintext: bytes) -> tuple[bytes, bytes]:
        """AES-GCM: the ciphertext, and its tag."""

    def decrypt(self, key: bytes, nonce: bytes, ciphertext: bytes, tag: bytes) -> bytes:
        """AES-GCM: the plaintext. Raises ValueError when the tag does not fit."""


@lru_cache(maxsize=1)
def library() -> Library:
    """OpenSSL where `cryptography` can be imported, else pycryptodome, which every installation has.

    With OpenSSL a public operation takes 35 microseconds, and a private one 0.4 ms. With pycryptodome they take 1 ms
    and 1.5 ms.
    """
    first, last = (f"{__package__}.{name}" for name in _LIBRARIES)
    try:
        return cast(Library, import_module(first))
    except ImportError:
        return cast(Library, import_module(last))


@lru_cache(maxsize=64)
def public_key(pem: str) -> PublicKey:
    """The public key in a PEM text. The 64 keys that were used last stay loaded. Raises UnusableKey."""
    try:
        return _bounded(library().load_public(public_pem(pem) or pem))
    except ValueError as error:
        raise UnusableKey(str(error)) from error


@lru_cache(maxsize=2)
def private_key(pem: str) -> PrivateKey:
    """The private key in a PEM text. The last two stay loaded, as loading one takes 40 ms. Raises UnusableKey."""
    try:
        key = library().load_private(pem)
        _bounded(key.public)
    except ValueError as error:
        raise UnusableKey(str(error)) from error
    return key


def fingerprint(key: PublicKey) -> str:
    """`sha256:` and 64 hex digits, as `hivemind-client show-identity` prints them."""
    return fingerprint_of(key.pem())


def _bounded(key: PublicKey) -> PublicKey:
    if not MIN_BITS <= key.bits <= MAX_BITS:
        raise UnusableKey(f"an RSA key of {key.bits} bits, where {MIN_BITS} to {MAX_BITS} are wanted")
    return key
