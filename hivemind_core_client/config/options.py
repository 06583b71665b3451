"""Checks of what is passed to the constructor of a client."""

from __future__ import annotations

from typing import Any, Optional

from hivemind_core_client.config.given_texts import variable
from hivemind_core_client.wire.errors import InvalidOption, Mend, Setting

#: The environment variables of an option, the strongest first, and what it is without them.
PING_VARIABLES: dict[str, tuple[tuple[str, str], float]] = {
    "websocket_ping_interval": (
        ("HIVEMIND_WEBSOCKET_CLIENT_PING_INTERVAL", "HIVEMIND_WEBSOCKET_PING_INTERVAL"),
        30.0,
    ),
    "websocket_ping_timeout": (
        ("HIVEMIND_WEBSOCKET_CLIENT_PING_TIMEOUT", "HIVEMIND_WEBSOCKET_PING_TIMEOUT"),
        20.0,
    ),
}


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


def ping_seconds(name: str, given: Optional[float]) -> float:
    """What was given for an option of `PING_VARIABLES`, else what the environment has for it, else its default.

    Raises InvalidOption for a variable that holds no number of seconds.
    """
    if given is not None:
        return given
    variables, default = PING_VARIABLES[name]
    for source in variables:
        text = variable(source)
        if text is not None:
            return _seconds_in(text, name, source)
    return default


def _seconds_in(text: str, name: str, source: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < 2**31:
        mend = Mend("(from the environment variable ", Setting(source), ")", joint=" ")
        raise InvalidOption(f"{name} is {text!r}; it must be seconds, 0 or more", mend)
    return seconds


def opening_seconds(given: Any) -> Optional[float]:
    """`websocket_connect_timeout` in seconds, or None. Raises InvalidOption for anything else."""
    if given is None:
        return None
    if isinstance(given, bool) or not isinstance(given, (int, float)) or not 0 < given < 2**31:
        raise InvalidOption(
            f"websocket_connect_timeout is {given!r}; it must be seconds, more than 0, or None"
        )
    return float(given)
