"""Messages put together from the frames of a WebSocket, sans IO: bounded in size and in number of frames."""

from __future__ import annotations

from typing import TYPE_CHECKING, Optional, Union

from hivemind_core_client.kernel.bounds import trusted
from hivemind_core_client.wire.errors import FrameTooLarge

if TYPE_CHECKING:
    from hivemind_core_client.plugins.contract import Frame

#: The data of frames as libraries hand it out.
Data = Union[bytes, bytearray, memoryview]

#: Opcodes of RFC 6455, 5.2; those from CLOSE on are of control frames, which are no part of a message.
TEXT, CLOSE, PING, PONG = 1, 8, 9, 10
#: How many fragments a message may have: 96 MiB in pieces of 6 KiB.
MOST_FRAGMENTS = 2**14


class Assembly:
    """The message that has begun on one connection. All fragments together cost one copy, however small they are.

    That fragments come in an order that RFC 6455 allows is checked by whoever reads the frames.
    """

    def __init__(self, limit: int, limit_name: str = "frame") -> None:
        #: How many bytes a message may have, and how many may yet be added to the one that has begun.
        self.room = limit
        self.limit = limit
        #: Its name among the fields of Limits.
        self.limit_name = limit_name
        self._data = bytearray()
        self._count = 0
        self._is_text = False

    def lift(self, limit: int) -> None:
        """From now on a message may be so long."""
        self.room += limit - self.limit
        self.limit, self.limit_name = limit, "frame"

    def add(self, opcode: int, data: Data, is_last: bool) -> Optional[Frame]:
        """The whole message once its last frame is there, before that None.

        Raises FrameTooLarge, and UnicodeDecodeError for text that is no UTF-8.
        """
        size = len(self._data) + len(data)
        if size > self.limit:
            raise self.too_large(size)
        if is_last and not self._count:
            return str(data, "utf-8") if opcode == TEXT else bytes(data)
        if not self._count:
            self._is_text = opcode == TEXT
        self._count += 1
        if self._count > MOST_FRAGMENTS:
            raise FrameTooLarge(f"a message in more than {MOST_FRAGMENTS} fragments")
        self._data += data
        self.room = self.limit - size
        return self._whole() if is_last else None

    def too_large(self, size: int) -> FrameTooLarge:
        """The error for a message of which `size` bytes have come, or are announced."""
        text = f"a message of {size} bytes or more; the limit is {self.limit}"
        return FrameTooLarge(text, trusted(self.limit_name))

    def _whole(self) -> Frame:
        whole, self._data, self._count, self.room = self._data, bytearray(), 0, self.limit
        return whole.decode() if self._is_text else bytes(whole)
