"""What it means that a hub sends more than it may."""

from __future__ import annotations

from typing import TYPE_CHECKING, Optional

from hivemind_core_client.wire.errors import FrameTooLarge, Mend

if TYPE_CHECKING:
    from hivemind_core_client.plugins.contract import Frame

#: What a frame costs beside its length of what a hub may send before there is a key: none is free.
FRAME_COST_BYTES = 256


def bound_before_key(most: int, early: Optional[int]) -> tuple[int, str]:
    """How many bytes may come at once before both sides own a key, and the field of Limits that says so.

    `most` is what may come later, `early` what may come before that, None for as much.
    """
    return (most, "frame") if early is None or early >= most else (early, "unauthenticated")


def trusted(limit: str) -> Mend:
    """What to do where a bound is too narrow: `limit` is the field of Limits."""
    return Mend(f"if you trust the hub with more, raise Limits.{limit}")


def too_large(frame: Frame, limit: int) -> FrameTooLarge:
    """One frame is longer than any may be."""
    return FrameTooLarge(f"a frame of {len(frame)} bytes; the limit is {limit}", trusted("frame"))


def too_much(where: str, limit: int) -> FrameTooLarge:
    """All frames before the key are longer together than a handshake is."""
    return FrameTooLarge(
        f"{where} sent more than {limit} bytes (Limits.unauthenticated) before both sides own a key: that is no "
        "handshake",
        Mend("is this the hub's port?"),
    )


def frame_size(frame: Frame) -> int:
    """Bytes of a frame on the wire, without what a transport adds: text travels as UTF-8."""
    if isinstance(frame, str) and not frame.isascii():
        return len(frame.encode("utf-8", "surrogatepass"))
    return len(frame)
