"""Programs that tests start."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any


@contextmanager
def started(command: Sequence[str], *, seconds: float, **options: Any) -> Iterator[subprocess.Popen[str]]:
    """Start a program of text. It is killed after so many seconds, or when it is still there at the end."""
    with subprocess.Popen(command, text=True, **options) as process:
        killer = threading.Timer(seconds, process.kill)
        killer.start()
        try:
            yield process
        finally:
            killer.cancel()
            process.kill()
