"""A binary frame, for programs that ask a string of bits for its bytes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Union


class Bitstring:
    """The bits of a binary frame, a whole number of bytes. `len()` of it, `len` and `length` count bits."""

    __slots__ = ("bytes",)

    def __init__(self, data: Union[bytes, bytearray, memoryview]) -> None:
        #: The frame as it is sent.
        self.bytes = bytes(data)

    def tobytes(self) -> bytes:
        """The frame as it is sent."""
        return self.bytes

    @property
    def bin(self) -> str:
        """The bits as text of zeros and ones."""
        return "".join(f"{byte:08b}" for byte in self.bytes)

    @property
    def hex(self) -> str:
        """The bytes as hex digits."""
        return self.bytes.hex()

    @property
    def length(self) -> int:
        """How many bits they are."""
        return 8 * len(self.bytes)

    len = length

    def __len__(self) -> int:
        return 8 * len(self.bytes)

    def __bytes__(self) -> bytes:
        return self.bytes

    def __iter__(self) -> Iterator[bool]:
        return (bit == "1" for bit in self.bin)

    def __eq__(self, other: object) -> bool:
        """Equal to the same bits, and to the same bytes."""
        if isinstance(other, (Bitstring, bytes, bytearray, memoryview)):
            return self.bytes == bytes(other)
        return NotImplemented

    def __hash__(self) -> int:
        return hash(self.bytes)

    def __repr__(self) -> str:
        """The size only: a frame holds what was said."""
        return f"<Bitstring of {self.length} bits>"
