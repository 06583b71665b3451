"""How often a WebSocket is pinged, as options of the WebSocket libraries; a client of ours does that by itself."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from hivemind_core_client.config.keepalive import INTERVAL_VARIABLES as CLIENT_PING_INTERVAL_ENVS
from hivemind_core_client.config.keepalive import TIMEOUT_VARIABLES as CLIENT_PING_TIMEOUT_ENVS
from hivemind_core_client.config.keepalive import seconds_in, seconds_of

__all__ = [
    "CLIENT_PING_INTERVAL_ENVS",
    "CLIENT_PING_TIMEOUT_ENVS",
    "DEFAULT_WEBSOCKET_PING_INTERVAL",
    "DEFAULT_WEBSOCKET_PING_TIMEOUT",
    "websocket_keepalive_options",
]

log = logging.getLogger(__name__)

DEFAULT_WEBSOCKET_PING_INTERVAL, DEFAULT_WEBSOCKET_PING_TIMEOUT = 25.0, 10.0
_SHORTEST_TIMEOUT_S = 0.1


def websocket_keepalive_options(
    ping_interval: Any = None,
    ping_timeout: Any = None,
    interval_envs: Sequence[str] = CLIENT_PING_INTERVAL_ENVS,
    timeout_envs: Sequence[str] = CLIENT_PING_TIMEOUT_ENVS,
    disabled_interval_value: Any = 0,
) -> dict[str, Any]:
    """`ping_interval` and `ping_timeout`, in seconds: as given, else of the environment, else 25 and 10.

    An interval of 0 gives `{"ping_interval": disabled_interval_value}` alone, a timeout of 0 gives None. A timeout is
    shorter than the interval: one that is not becomes half of it. What is no number of seconds is ignored, with a
    warning.
    """
    interval = _seconds("ping_interval", ping_interval, interval_envs, DEFAULT_WEBSOCKET_PING_INTERVAL)
    timeout = _seconds("ping_timeout", ping_timeout, timeout_envs, DEFAULT_WEBSOCKET_PING_TIMEOUT)
    if not interval:
        return {"ping_interval": disabled_interval_value}
    if timeout >= interval:
        log.warning(
            "a ping timeout of %g s is no shorter than its interval, %g s: half is taken", timeout, interval
        )
        timeout = max(_SHORTEST_TIMEOUT_S, interval / 2)
    return {"ping_interval": interval, "ping_timeout": timeout or None}


def _seconds(name: str, given: Any, variables: Sequence[str], default: float) -> float:
    seconds = seconds_in(variables) if given in (None, "") else seconds_of(name, given)
    return default if seconds is None else seconds
