"""The functions that handlers have."""

from __future__ import annotations

from typing import Any

#: All that a handler may bring, `receive` first.
FUNCTIONS = ("receive", "prepare", "on_send", "on_timer", "on_end")


def functions(handler: Any) -> tuple[str, ...]:
    """The names of the functions that a handler brings, `receive` first."""
    return tuple(name for name in FUNCTIONS if getattr(handler, name, None) is not None)
