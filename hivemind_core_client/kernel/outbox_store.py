"""Where the messages of an outbox are: what a store does, and the store in memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from itertools import islice
from typing import Protocol

from attrs import frozen


@frozen
class StoredMessage:
    """One message in a store: its number, when it was kept, and its text.

    `since` is in seconds, on the clock of the outbox. `data` is the JSON text of the HiveMessage, in UTF-8.
    """

    number: int
    since: float
    data: bytes


class OutboxStore(Protocol):
    """Holds messages in the order in which they came, and gives them up from the oldest on.

    One client uses a store, one call at a time, from any thread. A method that cannot do its work raises
    OutboxFileError, and has changed nothing then.
    """

    @property
    def count(self) -> int:
        """How many messages are in it. Is read often: it reads no file."""

    @property
    def size(self) -> int:
        """How many bytes of `data` are in it. Is read often: it reads no file."""

    def open(self) -> None:
        """Make it ready for the other methods. Has no effect on a store that is open.

        Called before the client connects, also after `close`. Raises OutboxFileError where the file is not ours.
        """

    def close(self) -> None:
        """Free what is open. The messages stay. Has no effect on a store that is closed."""

    def append(self, data: bytes, since: float) -> int:
        """Keep a message as the newest. Returns its number: 1 or more, and higher than all numbers before.

        When this returns, the message is as safe as this store makes it.
        """

    def after(self, number: int, most: int) -> Sequence[StoredMessage]:
        """The oldest messages with a higher number than this one, in order: `most` of them at most. 0 is before all."""

    def remove_up_to(self, number: int) -> None:
        """Remove the messages up to this number, and this one too. When this returns, they do not come back."""


class MemoryStore:
    """The store of an outbox without a file. It ends with the process."""

    def __init__(self) -> None:
        self._messages: deque[StoredMessage] = deque()
        self._number = 0
        self.size = 0

    @property
    def count(self) -> int:
        """How many messages are in it."""
        return len(self._messages)

    def open(self) -> None:
        """Nothing has to be opened."""

    def close(self) -> None:
        """The messages stay."""

    def append(self, data: bytes, since: float) -> int:
        """Keep a message as the newest; returns its number."""
        self._number += 1
        self._messages.append(StoredMessage(self._number, since, data))
        self.size += len(data)
        return self._number

    def after(self, number: int, most: int) -> Sequence[StoredMessage]:
        """The oldest messages with a higher number, in order."""
        if not self._messages:
            return ()
        first = max(0, number + 1 - self._messages[0].number)  # the numbers have no gaps
        return tuple(islice(self._messages, first, first + most))

    def remove_up_to(self, number: int) -> None:
        """Remove the messages up to this number."""
        while self._messages and self._messages[0].number <= number:
            self.size -= len(self._messages.popleft().data)
