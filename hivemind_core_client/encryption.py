"""Sealing by the function names of the reference client; the code is kernel/crypto.py and the cipher plugins."""

from __future__ import annotations

import os
import re
from enum import Enum
from pathlib import Path
from typing import Any, Callable, Final, Optional, Union

from hivemind_core_client.kernel.crypto import CipherChannel
from hivemind_core_client.plugins.contract import Cipher, Encoding
from hivemind_core_client.plugins.manager import load_plugins
from hivemind_core_client.wire.errors import (
    DecodingError,
    DecryptionFailed,
    FrameError,
    InvalidKeySize,
    UnknownCipher,
    UnknownEncoding,
)
from hivemind_core_client.wire.json_text import Json, json_text

__all__ = [
    "AES_CIPHERS",
    "AES_KEY_SIZES",
    "AES_NONCE_SIZE",
    "AES_TAG_SIZE",
    "BLOCK_CIPHERS",
    "CHACHA20_KEY_SIZE",
    "CHACHA20_NONCE_SIZE",
    "CHACHA20_TAG_SIZE",
    "SupportedCiphers",
    "SupportedEncodings",
    "cpu_supports_AES",
    "decrypt_AES_128",
    "decrypt_ChaCha20_Poly1305",
    "decrypt_bin",
    "decrypt_from_json",
    "encrypt_AES",
    "encrypt_ChaCha20_Poly1305",
    "encrypt_as_json",
    "encrypt_bin",
    "get_decoder",
    "get_encoder",
    "optimal_ciphers",
    "read_cipher",
    "read_encoding",
]

#: Sizes in bytes. A nonce of AES-GCM may have another length, the protocol's has this one.
AES_KEY_SIZES: Final = [16, 24, 32]
AES_NONCE_SIZE: Final = 16
AES_TAG_SIZE: Final = 16
CHACHA20_KEY_SIZE: Final = 32
CHACHA20_NONCE_SIZE: Final = 12
CHACHA20_TAG_SIZE: Final = 16
#: The mode of AES that the protocol knows, GCM, by its number in pycryptodome.
_MODE_GCM = 11


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


#: The ciphers that use AES, which here are those that use a block cipher.
AES_CIPHERS: Final = {SupportedCiphers.AES_GCM}
BLOCK_CIPHERS: Final = {SupportedCiphers.AES_GCM}


def read_cipher(cipher: Any) -> SupportedCiphers:
    """The protocol's cipher of this wire name; a member is taken as it is. Raises UnknownCipher."""
    try:
        return SupportedCiphers(cipher)
    except ValueError:
        raise UnknownCipher(f"{str(cipher)[:40]!r} is no cipher of the protocol") from None


def read_encoding(encoding: Any) -> SupportedEncodings:
    """The protocol's encoding of this wire name; a member is taken as it is. Raises UnknownEncoding."""
    try:
        return SupportedEncodings(encoding)
    except ValueError:
        raise UnknownEncoding(f"{str(encoding)[:40]!r} is no encoding of the protocol") from None


def cpu_supports_AES() -> bool:
    """Whether the processor has instructions for AES; where it does not tell, whether AES is the faster cipher."""
    try:
        told = Path("/proc/cpuinfo").read_text(errors="replace")
    except OSError:
        return optimal_ciphers()[:1] == [SupportedCiphers.AES_GCM]
    return re.search(r"^(flags|Features)\s*:.*\baes\b", told, re.MULTILINE) is not None


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
    ciphertext_json: Union[str, bytes, Json],
    cipher: str = SupportedCiphers.AES_GCM,
    encoding: str = SupportedEncodings.JSON_B64,
) -> str:
    """The text in a sealed text frame, or in its dict. Raises CleartextRefused, FrameError or DecryptionFailed."""
    frame = json_text(ciphertext_json) if isinstance(ciphertext_json, dict) else ciphertext_json
    frame = frame if isinstance(frame, str) else frame.decode()
    return str(_channel(key, cipher, encoding).open(frame))


def encrypt_bin(
    key: Union[str, bytes], plaintext: Union[str, bytes], cipher: str = SupportedCiphers.AES_GCM
) -> bytes:
    """The sealed binary frame, nonce ‖ ciphertext ‖ tag. Raises UnknownCipher or InvalidKeySize."""
    data = plaintext.encode() if isinstance(plaintext, str) else plaintext
    frame = _channel(key, cipher, SupportedEncodings.JSON_HEX).seal(data)[0]
    return frame.encode() if isinstance(frame, str) else bytes(frame)


def decrypt_bin(key: Union[str, bytes], ciphertext: bytes, cipher: str = SupportedCiphers.AES_GCM) -> bytes:
    """What a sealed binary frame carries. Raises DecryptionFailed."""
    data = ciphertext.encode() if isinstance(ciphertext, str) else bytes(ciphertext)
    try:
        plain = _channel(key, cipher, SupportedEncodings.JSON_HEX).open(data)
    except FrameError as error:
        raise DecryptionFailed.because("a sealed frame cannot be opened", error) from error
    return plain.encode() if isinstance(plain, str) else bytes(plain)


def encrypt_AES(
    key: Union[str, bytes], text: Union[str, bytes], nonce: Optional[bytes] = None, mode: int = _MODE_GCM
) -> tuple[bytes, bytes, bytes]:
    """Ciphertext, tag of 16 bytes and nonce of AES-GCM; a nonce is made where you give none.

    The key has 16, 24 or 32 bytes. Never give a nonce twice with one key. Raises InvalidKeySize, and UnknownCipher for
    another mode than GCM (11).
    """
    return _sealed(SupportedCiphers.AES_GCM, key, text, nonce, mode)


def decrypt_AES_128(
    key: Union[str, bytes], ciphertext: bytes, tag: bytes, nonce: bytes, mode: int = _MODE_GCM
) -> bytes:
    """What `encrypt_AES` sealed, with a key of any of its lengths. Raises DecryptionFailed, InvalidKeySize."""
    return _opened(SupportedCiphers.AES_GCM, key, ciphertext, tag, nonce, mode)


def encrypt_ChaCha20_Poly1305(
    key: Union[str, bytes], text: Union[str, bytes], nonce: Optional[bytes] = None
) -> tuple[bytes, bytes, bytes]:
    """Ciphertext, tag of 16 bytes and nonce of 12; a nonce is made where you give none.

    Never give a nonce twice with one key. Raises InvalidKeySize for a key that has not 32 bytes, or a nonce not 12.
    """
    return _sealed(SupportedCiphers.CHACHA20_POLY1305, key, text, nonce)


def decrypt_ChaCha20_Poly1305(key: Union[str, bytes], ciphertext: bytes, tag: bytes, nonce: bytes) -> bytes:
    """What `encrypt_ChaCha20_Poly1305` sealed. Raises DecryptionFailed, InvalidKeySize."""
    return _opened(SupportedCiphers.CHACHA20_POLY1305, key, ciphertext, tag, nonce)


def get_encoder(encoding: str) -> Callable[[bytes], bytes]:
    """The function that makes ASCII of bytes. Raises UnknownEncoding."""
    encode = _encoding(read_encoding(encoding).value).encode

    def encoder(data: bytes) -> bytes:
        """The text, in bytes."""
        return encode(bytes(data)).encode("ascii")

    return encoder


def get_decoder(encoding: str) -> Callable[[Union[bytes, str]], bytes]:
    """The function that reads it again; that raises DecodingError. Raises UnknownEncoding."""
    name = read_encoding(encoding).value
    decode = _encoding(name).decode

    def decoder(text: Union[bytes, str]) -> bytes:
        """The bytes of a text, or of one in bytes."""
        try:
            return decode(text if isinstance(text, str) else bytes(text).decode("ascii"))
        except ValueError as error:
            raise DecodingError(f"a text is not in {name}") from error

    return decoder


def _sealed(
    name: SupportedCiphers,
    key: Union[str, bytes],
    text: Union[str, bytes],
    nonce: Optional[bytes],
    mode: int = _MODE_GCM,
) -> tuple[bytes, bytes, bytes]:
    cipher, secret = _ready(name, key, nonce, mode)
    number = os.urandom(cipher.nonce_size) if nonce is None else nonce
    sealed = cipher.seal(secret, number, text.encode() if isinstance(text, str) else text)
    cut = len(sealed) - cipher.tag_size
    return bytes(sealed[:cut]), bytes(sealed[cut:]), number


def _opened(
    name: SupportedCiphers,
    key: Union[str, bytes],
    ciphertext: bytes,
    tag: bytes,
    nonce: bytes,
    mode: int = _MODE_GCM,
) -> bytes:
    cipher, secret = _ready(name, key, nonce, mode)
    if (
        not isinstance(tag, bytes) or len(tag) != cipher.tag_size
    ):  # or a part of the ciphertext could be in it
        raise DecryptionFailed(f"a tag of {cipher.name} has {cipher.tag_size} bytes")
    try:
        return bytes(cipher.open(secret, nonce, ciphertext + tag))
    except ValueError as error:
        raise DecryptionFailed("it does not open with this key") from error


def _ready(
    name: SupportedCiphers, key: Union[str, bytes], nonce: Optional[bytes], mode: int
) -> tuple[Cipher, bytes]:
    """The cipher and the bytes of its key. Raises InvalidKeySize, UnknownCipher."""
    if mode != _MODE_GCM:
        raise UnknownCipher(f"mode {mode} of AES: the protocol knows GCM, {_MODE_GCM}")
    cipher, secret = _cipher(name.value), _bytes_of(key)
    if len(secret) not in cipher.key_sizes:
        sizes = ", ".join(map(str, cipher.key_sizes))
        raise InvalidKeySize(f"{cipher.name} takes a key of {sizes} bytes, not of {len(secret)}")
    if name is SupportedCiphers.CHACHA20_POLY1305 and nonce is not None and len(nonce) != cipher.nonce_size:
        raise InvalidKeySize(f"{cipher.name} takes a nonce of {cipher.nonce_size} bytes, not of {len(nonce)}")
    return cipher, secret


def _channel(key: Union[str, bytes], cipher: str, encoding: str) -> CipherChannel:
    return CipherChannel(_cipher(_wire_name(cipher)), _encoding(_wire_name(encoding)), _bytes_of(key))


def _cipher(name: str) -> Cipher:
    found: Optional[Cipher] = load_plugins().require().ciphers.get(name)
    if found is None:
        raise UnknownCipher(f"no plugin offers the cipher {name!r}")
    return found


def _encoding(name: str) -> Encoding:
    found: Optional[Encoding] = load_plugins().require().encodings.get(name)
    if found is None:
        raise UnknownEncoding(f"no plugin offers the encoding {name!r}")
    return found


def _bytes_of(key: Union[str, bytes]) -> bytes:
    return key.encode() if isinstance(key, str) else key


def _wire_name(name: str) -> str:
    return str(name.value) if isinstance(name, Enum) else name
