"""Binary frames written and read by hand, bit by bit as the protocol draws them."""

from __future__ import annotations

from typing import Optional


def bits_of(value: int, width: int) -> str:
    return format(value, f"0{width}b")


def by_hand(
    code: int,
    metadata: bytes,
    payload: bytes,
    bin_type: Optional[int] = None,
    compressed: bool = False,
    version: Optional[int] = None,
) -> bytes:
    """A frame as the protocol draws it: padding | 1 | versioned | [version] | code | compressed | length | …"""
    bits = "1"
    bits += "0" if version is None else "1" + bits_of(version, 8)
    bits += bits_of(code, 5) + str(int(compressed)) + bits_of(len(metadata), 8)
    bits += "".join(bits_of(byte, 8) for byte in metadata)
    if bin_type is not None:
        bits += bits_of(bin_type, 4)
    bits += "".join(bits_of(byte, 8) for byte in payload)
    bits = "0" * (-len(bits) % 8) + bits
    return bytes(int(bits[index : index + 8], 2) for index in range(0, len(bits), 8))


def read_by_hand(frame: bytes) -> tuple[Optional[int], int, bool, bytes, str]:
    """(version, code, compressed, metadata, the bits that are left)."""
    bits = "".join(bits_of(byte, 8) for byte in frame).lstrip("0")[1:]
    version, at = None, 1
    if bits[0] == "1":
        version, at = int(bits[1:9], 2), 9
    code, compressed, length = int(bits[at : at + 5], 2), bits[at + 5] == "1", int(bits[at + 6 : at + 14], 2)
    at += 14
    metadata = bytes(int(bits[at + 8 * i : at + 8 * i + 8], 2) for i in range(length))
    return version, code, compressed, metadata, bits[at + 8 * length :]


def bytes_of(bits: str) -> bytes:
    assert len(bits) % 8 == 0
    return bytes(int(bits[index : index + 8], 2) for index in range(0, len(bits), 8))
