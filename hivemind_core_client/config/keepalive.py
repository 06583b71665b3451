"""How often the hub is pinged, where the environment says so."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable
from typing import Any, Optional

from hivemind_core_client.config.given_texts import variable

log = logging.getLogger(__name__)

#: Variables of the environment, in seconds: the first that is set counts.
INTERVAL_VARIABLES = ("HIVEMIND_WEBSOCKET_CLIENT_PING_INTERVAL", "HIVEMIND_WEBSOCKET_PING_INTERVAL")
TIMEOUT_VARIABLES = ("HIVEMIND_WEBSOCKET_CLIENT_PING_TIMEOUT", "HIVEMIND_WEBSOCKET_PING_TIMEOUT")


def seconds_in(names: Iterable[str]) -> Optional[float]:
    """The seconds that the first of these variables holds; None where none is set, or it holds no seconds."""
    for name in names:
        text = variable(name)
        if text:
            return seconds_of(name, text)
    return None


def seconds_of(name: str, value: Any) -> Optional[float]:
    """A number of seconds, 0 or more; None for anything else, which is warned of."""
    try:
        seconds = float(value)
    except (TypeError, ValueError):
        seconds = math.nan
    if math.isfinite(seconds) and seconds >= 0:
        return seconds
    log.warning("%s is ignored: %r is no number of seconds", name, value)
    return None
