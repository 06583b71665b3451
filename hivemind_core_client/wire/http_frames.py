"""Frames as they travel over HTTP: in a form on the way up, in base64 where they are bytes."""

from __future__ import annotations

import binascii
from base64 import b64decode, b64encode
from typing import Any, Union

from hivemind_core_client.wire.errors import Mend

Frame = Union[str, bytes, bytearray]

#: What hivemind-http-protocol takes in one request, in bytes.
_COMMON_LIMIT_BYTES = 2**20
#: What a form adds to a message, in bytes.
_FORM_BYTES = 512


def bytes_of(text: Any) -> bytes:
    """The frame that a base64 text stands for; an empty one where it is none, which the Link rejects and counts."""
    try:
        return b64decode(text, validate=True)
    except (TypeError, ValueError, binascii.Error):
        return b""


def form_of(frame: Frame) -> dict[str, str]:
    """The form that carries a frame."""
    if isinstance(frame, str):
        return {"message": frame}
    return {"message": b64encode(frame).decode("ascii"), "binary": "1"}


def hint(frame: Frame) -> tuple[Mend, ...]:
    """What to say of a frame that may have been too large for the hub."""
    if len(frame) + _FORM_BYTES < _COMMON_LIMIT_BYTES:
        return ()
    return (Mend(f"it had {len(frame) / 2**20:.1f} MiB: as installed, a hub takes 1 MiB over HTTP"),)
