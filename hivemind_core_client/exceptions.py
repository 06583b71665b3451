"""The errors of `errors.py` under the names that the reference client gave them.

`except` of one of them catches what the reference client raises there: each is of the classes that it has there.
"""

from __future__ import annotations

from hivemind_core_client.wire.errors import (
    DecodingError,
    DecryptionFailed,
    EncryptionFailed,
    FrameError,
    HiveMindError,
    HubConnectionError,
    HubUnreachable,
    IdentityFileError,
    InvalidKeySize,
    KeyRefused,
    SealingError,
    SecureConnectionFailed,
    UnknownCipher,
    UnknownEncoding,
)
from hivemind_core_client.wire.frame_errors import (
    MalformedBinaryFrame,
    MetadataTooLarge,
    UnsupportedProtocolVersion,
)

HiveMindException = HiveMindError
HiveMindConnectionError = HubConnectionError
HiveMindEntryPointNotFound = HubUnreachable
UnauthorizedKeyError = KeyRefused
InvalidCipher = UnknownCipher
InvalidEncoding = UnknownEncoding
WrongEncryptionKey = SealingError
DecryptionKeyError = DecryptionFailed
EncryptionKeyError = EncryptionFailed
Z85DecodeError = DecodingError
MalformedWirePayload = FrameError
IdentityFileCorrupted = IdentityFileError

__all__ = [
    "DecodingError",
    "DecryptionKeyError",
    "EncryptionKeyError",
    "HiveMindConnectionError",
    "HiveMindEntryPointNotFound",
    "HiveMindException",
    "IdentityFileCorrupted",
    "InvalidCipher",
    "InvalidEncoding",
    "InvalidKeySize",
    "MalformedBinaryFrame",
    "MalformedWirePayload",
    "MetadataTooLarge",
    "SecureConnectionFailed",
    "UnauthorizedKeyError",
    "UnsupportedProtocolVersion",
    "WrongEncryptionKey",
    "Z85DecodeError",
]
