"""Checks of what is passed to the constructor of a client."""

from __future__ import annotations

from typing import Any, Optional

from hivemind_core_client.wire.errors import InvalidOption


def check_switches(**switches: Any) -> None:
    """Raises InvalidOption for what is neither on nor off: `self_signed="false"` would take any certificate."""
    for name, value in switches.items():
        if not isinstance(value, bool):
            raise InvalidOption(f"{name} is {value!r}; it must be True or False")


def compression(wanted: Any) -> Optional[bool]:
    """True, False or None, as `compress` may be. Raises InvalidOption for anything else."""
    if wanted is None or isinstance(wanted, bool):
        return wanted
    raise InvalidOption(f"compress is {wanted!r}; it must be True, False or None")
