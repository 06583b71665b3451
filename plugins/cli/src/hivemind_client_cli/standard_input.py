"""What is piped in, read as bytes: it need not be text, and this process may have been started without a stdin."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from typing import IO

#: What hubs take at most as they are installed: nobody says so much.
_MOST_BYTES = 10 * 2**20


def stdin_bytes() -> IO[bytes]:
    """Stdin for bytes; one that is closed, or was closed when this process began, is at its end."""
    stream = sys.stdin
    if stream is None or stream.closed:
        return io.BytesIO()
    buffer: IO[bytes] | None = getattr(stream, "buffer", None)
    return buffer if buffer is not None else io.BytesIO(stream.read().encode())


def stdin_is_terminal() -> bool:
    """Whether somebody types there."""
    return sys.stdin is not None and not sys.stdin.closed and sys.stdin.isatty()


def stdin_lines() -> Iterator[str | None]:
    """Each line that is not blank, without what surrounds it; None for one that is no text."""
    for data in stdin_bytes():
        line = _text(data)
        if line is None or line.strip():
            yield None if line is None else line.strip()


def stdin_text() -> str:
    """All of it, each run of white space as one blank. Raises InvalidMessage for what is no text, or without end."""
    from hivemind_core_client.errors import InvalidMessage, Mend

    data = stdin_bytes().read(_MOST_BYTES + 1)
    if len(data) > _MOST_BYTES:
        raise InvalidMessage(
            f"what is piped in is larger than {_MOST_BYTES // 2**20} MiB, which hubs do not take"
        )
    text = _text(data)
    if text is None:
        raise InvalidMessage("what is piped in is no UTF-8 text", Mend("send UTF-8", joint="; "))
    return " ".join(text.split())


def _text(data: bytes) -> str | None:
    """UTF-8 whatever the locale is, else what the locale says, but for one that takes any byte."""
    for encoding in ("utf-8-sig", getattr(sys.stdin, "encoding", None) or "utf-8"):
        try:
            return data.decode(encoding)
        except (UnicodeDecodeError, LookupError):
            continue
    return None
