"""Checks of what is passed to the constructor of a client."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Optional

from hivemind_core_client.config.keepalive import INTERVAL_VARIABLES, TIMEOUT_VARIABLES, seconds_in
from hivemind_core_client.wire.errors import InvalidOption

#: Seconds of silence after which the hub is pinged, and within which it must answer.
_PING_INTERVAL_S, _PING_TIMEOUT_S = 30.0, 20.0


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


def ping_seconds(
    interval: Optional[float], timeout: Optional[float], kept: Mapping[str, Any]
) -> tuple[float, float]:
    """Both as they were given, else as the environment has them, else as they are kept, else the defaults."""
    return (
        _first(interval, INTERVAL_VARIABLES, kept.get("websocket_ping_interval", _PING_INTERVAL_S)),
        _first(timeout, TIMEOUT_VARIABLES, kept.get("websocket_ping_timeout", _PING_TIMEOUT_S)),
    )


def _first(given: Optional[float], variables: Sequence[str], default: float) -> float:
    found = seconds_in(variables) if given is None else given
    return default if found is None else found


def opening_seconds(given: Any) -> Optional[float]:
    """`websocket_connect_timeout` in seconds, or None. Raises InvalidOption for anything else."""
    if given is None:
        return None
    if isinstance(given, bool) or not isinstance(given, (int, float)) or not 0 < given < 2**31:
        raise InvalidOption(
            f"websocket_connect_timeout is {given!r}; it must be seconds, more than 0, or None"
        )
    return float(given)
