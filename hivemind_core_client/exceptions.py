"""The errors of `errors.py` under the names that the reference client gave them."""

from __future__ import annotations

from hivemind_core_client.wire.errors import (
    DecodingError,
    DecryptionFailed,
    EncryptionFailed,
    HiveMindError,
    HubConnectionError,
    HubUnreachable,
    InvalidKeySize,
    KeyRefused,
    SecureConnectionFailed,
    UnknownCipher,
    UnknownEncoding,
    UnsupportedProtocolVersion,
)

HiveMindException = HiveMindError
HiveMindConnectionError = HubConnectionError
HiveMindEntryPointNotFound = HubUnreachable
UnauthorizedKeyError = KeyRefused
InvalidCipher = UnknownCipher
InvalidEncoding = UnknownEncoding
WrongEncryptionKey = DecryptionFailed
DecryptionKeyError = DecryptionFailed
EncryptionKeyError = EncryptionFailed
Z85DecodeError = DecodingError

__all__ = [
    "DecodingError",
    "DecryptionKeyError",
    "EncryptionKeyError",
    "HiveMindConnectionError",
    "HiveMindEntryPointNotFound",
    "HiveMindException",
    "InvalidCipher",
    "InvalidEncoding",
    "InvalidKeySize",
    "SecureConnectionFailed",
    "UnauthorizedKeyError",
    "UnsupportedProtocolVersion",
    "WrongEncryptionKey",
    "Z85DecodeError",
]
