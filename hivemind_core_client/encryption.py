"""Sealing by the function names of the reference client; the code is kernel/crypto.py and the cipher plugins."""

from __future__ import annotations

from enum import Enum
from typing import Union

from hivemind_core_client.kernel.crypto import CipherChannel
from hivemind_core_client.plugins.manager import load_plugins
from hivemind_core_client.wire.errors import UnknownCipher, UnknownEncoding
from hivemind_core_client.wire.json_text import Json, json_text

__all__ = [
    "SupportedCiphers",
    "SupportedEncodings",
    "decrypt_bin",
    "decrypt_from_json",
    "encrypt_as_json",
    "encrypt_bin",
    "optimal_ciphers",
]


class SupportedEncodings(str, Enum):
    """The wire names of the protocol's encodings."""

    JSON_B91 = "JSON-B91"
    JSON_Z85B = "JSON-Z85B"
    JSON_Z85P = "JSON-Z85P"
    JSON_B64 = "JSON-B64"
    JSON_URLSAFE_B64 = "JSON-URLSAFE-B64"
    JSON_B32 = "JSON-B32"
    JSON_HEX = "JSON-HEX"


class SupportedCiphers(str, Enum):
    """The wire names of the protocol's ciphers."""

    AES_GCM = "AES-GCM"
    CHACHA20_POLY1305 = "CHACHA20-POLY1305"


def optimal_ciphers() -> list[SupportedCiphers]:
    """The protocol's ciphers, the fastest on this machine first."""
    names = {cipher.value for cipher in SupportedCiphers}
    return [SupportedCiphers(name) for name in load_plugins().require().ciphers if name in names]


def encrypt_as_json(
    key: Union[str, bytes],
    plaintext: Union[str, Json],
    cipher: str = SupportedCiphers.AES_GCM,
    encoding: str = SupportedEncodings.JSON_B64,
) -> str:
    """The sealed text frame of a text. Raises UnknownCipher, UnknownEncoding or InvalidKeySize."""
    text = plaintext if isinstance(plaintext, str) else json_text(plaintext)
    return str(_channel(key, cipher, encoding).seal(text)[0])


def decrypt_from_json(
    key: Union[str, bytes],
    ciphertext_json: Union[str, bytes],
    cipher: str = SupportedCiphers.AES_GCM,
    encoding: str = SupportedEncodings.JSON_B64,
) -> str:
    """The text in a sealed text frame. Raises FrameError or DecryptionFailed."""
    frame = ciphertext_json if isinstance(ciphertext_json, str) else ciphertext_json.decode()
    return str(_channel(key, cipher, encoding).open(frame))


def encrypt_bin(
    key: Union[str, bytes], plaintext: Union[str, bytes], cipher: str = SupportedCiphers.AES_GCM
) -> bytes:
    """The sealed binary frame, nonce ‖ ciphertext ‖ tag. Raises UnknownCipher or InvalidKeySize."""
    data = plaintext.encode() if isinstance(plaintext, str) else plaintext
    frame = _channel(key, cipher, SupportedEncodings.JSON_HEX).seal(data)[0]
    return frame.encode() if isinstance(frame, str) else bytes(frame)


def decrypt_bin(key: Union[str, bytes], ciphertext: bytes, cipher: str = SupportedCiphers.AES_GCM) -> bytes:
    """What a sealed binary frame carries. Raises FrameError or DecryptionFailed."""
    plain = _channel(key, cipher, SupportedEncodings.JSON_HEX).open(bytes(ciphertext))
    return plain.encode() if isinstance(plain, str) else bytes(plain)


def _channel(key: Union[str, bytes], cipher: str, encoding: str) -> CipherChannel:
    registry = load_plugins().require()
    cipher_name, encoding_name = _wire_name(cipher), _wire_name(encoding)
    if cipher_name not in registry.ciphers:
        raise UnknownCipher(f"no plugin offers the cipher {cipher_name!r}")
    if encoding_name not in registry.encodings:
        raise UnknownEncoding(f"no plugin offers the encoding {encoding_name!r}")
    key_bytes = key.encode() if isinstance(key, str) else key
    return CipherChannel(registry.ciphers[cipher_name], registry.encodings[encoding_name], key_bytes)


def _wire_name(name: str) -> str:
    return str(name.value) if isinstance(name, Enum) else name
