"""A pseudo-terminal to print to, and what is on it."""

from __future__ import annotations

import fcntl
import os
import struct
import termios
from collections.abc import Iterator
from contextlib import contextmanager

from hivemind_client_cli.output import Output

_MOST_BYTES = 2**16
#: Written last, to know when all before it has been read.
_MARK = "\x1e"


class Screen:
    """A terminal of so many columns. `output` prints to it."""

    def __init__(self, columns: int) -> None:
        self._reader, writer = os.openpty()
        fcntl.ioctl(writer, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        self.stream = open(writer, "w", encoding="utf-8")  # noqa: SIM115  `close` closes it
        self.output = Output(stdout=self.stream)

    def shown(self) -> str:
        """What was printed since the last look, with the codes for colours."""
        self.stream.write(_MARK)
        self.stream.flush()
        read = b""
        while not read.endswith(_MARK.encode()):
            read += os.read(self._reader, _MOST_BYTES)
        return read.decode().rstrip(_MARK).replace("\r\n", "\n")

    def close(self) -> None:
        """Give the terminal back."""
        self.stream.close()
        os.close(self._reader)


@contextmanager
def screen_of(columns: int) -> Iterator[Screen]:
    """A terminal that many columns wide."""
    screen = Screen(columns)
    try:
        yield screen
    finally:
        screen.close()
