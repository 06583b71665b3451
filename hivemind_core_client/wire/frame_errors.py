"""The errors of binary frames; the others are in wire/errors.py."""

from __future__ import annotations

from hivemind_core_client.wire.errors import DecodingError, FrameError, InvalidMessage


class UnsupportedProtocolVersion(FrameError):
    """A binary frame of a version above 1."""


class MalformedBinaryFrame(DecodingError):
    """Bytes that are no binary frame, given to `decode_bitstring`. Its cause says what is wrong with them."""


class MetadataTooLarge(InvalidMessage):
    """Metadata that does not fit into a binary frame, which has room for 255 bytes of it."""
