"""Colours, at a terminal that shows them and for nobody else."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, NamedTuple

import click

#: What each part of a line looks like.
_LOOKS: dict[str, dict[str, Any]] = {
    "time": {"dim": True},
    "sender": {"fg": "cyan"},
    "type": {"fg": "green"},
    "speech": {"bold": True},
    "data": {},
    "dropped": {"fg": "yellow"},
    "remark": {"dim": True},
    "error": {"fg": "red"},
}


class Part(NamedTuple):
    """A piece of a line. `role` says what it is, such as `time` or `sender`."""

    role: str
    text: str


def is_dumb() -> bool:
    """Whether the terminal can do nothing but print, such as a shell within Emacs."""
    return os.environ.get("TERM", "").lower() in ("dumb", "unknown")


def shows_colours(stream: Any) -> bool:
    """Whether a stream is a terminal with colours. `NO_COLOR`, whatever it holds, and `TERM=dumb` say no."""
    if os.environ.get("NO_COLOR") or is_dumb():
        return False
    isatty = getattr(stream, "isatty", None)
    return bool(isatty is not None and isatty())


def coloured(role: str, text: str) -> str:
    """`text` with the codes of its role around it. Make it safe for a terminal before: the codes are not."""
    look = _LOOKS[role]
    return click.style(text, **look) if look and text else text


def fitted(text: str, cells: int) -> str:
    """`text` cut, with `…` at its end, to what `cells` columns of a terminal show: wide letters take two."""
    from wcwidth import wcwidth

    used = 0
    for place, letter in enumerate(text):
        width = max(0, wcwidth(letter))
        if used + width > cells:
            return _cut(text[:place], cells)
        used += width
    return text


def _cut(text: str, cells: int) -> str:
    """As much of a text that just fits as leaves a column for `…`."""
    from wcwidth import wcswidth

    while text and wcswidth(text) >= cells:
        text = text[:-1]
    return text + "…"


def within(parts: Sequence[Part], cells: int) -> list[Part]:
    """As many of the parts as `cells` columns show, the last of them cut."""
    from wcwidth import wcswidth

    found: list[Part] = []
    for role, text in parts:
        fits = fitted(text, cells)
        found.append(Part(role, fits))
        if fits != text:
            break
        cells -= max(0, wcswidth(text))
    return found


def columns_of(stream: Any) -> int | None:
    """How many columns the terminal behind a stream has; None where it is no terminal."""
    try:
        return os.get_terminal_size(stream.fileno()).columns if stream.isatty() else None
    except (OSError, ValueError, AttributeError):
        return None
