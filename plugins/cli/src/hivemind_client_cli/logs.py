"""What libraries log while a command runs: on stderr, at the level asked for, with secrets masked."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator

from hivemind_client_cli.output import Output, to_stderr


class _StderrHandler(logging.Handler):
    """Writes to whatever stderr is at the time: the terminal's line editor replaces it."""

    def __init__(self, output: Output) -> None:
        super().__init__()
        self._output = output
        self.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        """Print one record."""
        to_stderr(self._output.masked(self.format(record)))


@contextlib.contextmanager
def logging_to_stderr(output: Output) -> Iterator[None]:
    """Within the block, show warnings; with `quiet` only errors, with `verbose` all that our library logs."""
    level = logging.ERROR if output.quiet else logging.WARNING
    # OVOS has loggers of its own that ask the environment and nothing else.
    os.environ.setdefault("OVOS_DEFAULT_LOG_LEVEL", logging.getLevelName(level))
    root, ours = logging.getLogger(), logging.getLogger("hivemind_core_client")
    handler, before = _StderrHandler(output), ours.level
    handler.setLevel(logging.DEBUG if output.verbose else level)
    if output.verbose:
        # Not the root: other libraries' debug logs hold frames and headers.
        ours.setLevel(logging.DEBUG)
    root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)
        ours.setLevel(before)


class _Collector(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the text of one record."""
        self.messages.append(record.getMessage())


@contextlib.contextmanager
def collected_warnings() -> Iterator[list[str]]:
    """What our library warns of within the block. It is logged all the same."""
    collector, ours = _Collector(), logging.getLogger("hivemind_core_client")
    ours.addHandler(collector)
    try:
        yield collector.messages
    finally:
        ours.removeHandler(collector)
