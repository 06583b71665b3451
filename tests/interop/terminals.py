"""A command in a pseudo-terminal, as its user sees and types it."""

from __future__ import annotations

import fcntl
import os
import re
import select
import struct
import subprocess
import termios
import threading
from collections.abc import Mapping, Sequence
from typing import Any

from .processes import HarnessError, wait_until

ENTER = "\r"
ARROW_UP = "\x1b[A"
CTRL_C = "\x03"
CTRL_D = "\x04"

_SECONDS = 15.0
_ESCAPES = re.compile(r"\x1b(?:\[[0-9;?]*[ -/]*[@-~]|[()][A-Z0-9]|[=>78])")
_SIZE = struct.pack("HHHH", 40, 120, 0, 0)


class PtyCommand:
    """One running command. `shown()` is all that it has written, without the codes that steer the terminal."""

    def __init__(self, command: Sequence[str], env: Mapping[str, str]) -> None:
        self._screen, terminal = os.openpty()
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, _SIZE)
        self._settings = termios.tcgetattr(terminal)
        self._child = subprocess.Popen(
            list(command),
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
            # This side draws nothing, so it cannot tell where the cursor is.
            env={**env, "TERM": "xterm", "PROMPT_TOOLKIT_NO_CPR": "1"},
            preexec_fn=_take_terminal,
        )
        self._terminal = terminal
        self._written = b""
        self._stop_reader, self._stopped = os.pipe()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def type(self, keys: str) -> None:
        """Press keys."""
        os.write(self._screen, keys.encode())

    def shown(self) -> str:
        """What was written so far."""
        return _ESCAPES.sub("", self._written.decode("utf-8", "replace"))

    def wait_for(self, text: str, after: str = "") -> str:
        """Wait until `text` is shown after the last `after`; returns what follows `text`."""
        if not wait_until(
            lambda: text in self.shown().rpartition(after)[2] if after else text in self.shown(), _SECONDS
        ):
            raise HarnessError(f"{text!r} is not shown\n{self.shown()}")
        return self.shown().rpartition(text)[2]

    def wait_for_end(self) -> int:
        """Wait until the command ends. Returns its exit code."""
        try:
            return self._child.wait(timeout=_SECONDS)
        except subprocess.TimeoutExpired:
            raise HarnessError(f"it does not end\n{self.shown()}") from None

    def leaves_terminal_as_it_was(self) -> bool:
        """Whether the terminal's settings are those that it had before."""
        settings: list[Any] = termios.tcgetattr(self._terminal)
        return settings == self._settings

    def close(self) -> None:
        """End the command if it still runs, and give the terminal back."""
        if self._child.poll() is None:
            self._child.kill()
            self._child.wait(timeout=10)
        os.write(self._stopped, b"\0")
        self._reader.join(timeout=5)
        for handle in (self._screen, self._terminal, self._stop_reader, self._stopped):
            os.close(handle)

    def _read(self) -> None:
        while True:
            ready, _, _ = select.select([self._screen, self._stop_reader], [], [])
            if self._stop_reader in ready:
                return
            self._written += os.read(self._screen, 65536)


def _take_terminal() -> None:
    os.setsid()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
