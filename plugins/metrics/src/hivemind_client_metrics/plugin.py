"""The entry point `metrics`. It has hooks only where metrics are asked for: else a message costs not one call."""

from __future__ import annotations

import importlib.util
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hivemind_client_metrics.endpoint import Endpoint

#: What to do with the figures: `opentelemetry`, `prometheus`, or both with a comma. Unset: nothing is counted.
VARIABLE = "HIVEMIND_METRICS"
#: Where the endpoint for Prometheus listens.
ADDRESS_VARIABLE = "HIVEMIND_METRICS_ADDRESS"
DEFAULT_ADDRESS = "127.0.0.1:9464"

_HOOKS = (
    "hivemind_connected",
    "hivemind_disconnected",
    "hivemind_message_arrived",
    "hivemind_message_sent",
)
_KINDS = {"opentelemetry", "prometheus"}


def enable() -> None:
    """Count for clients that are made from now on, and tell OpenTelemetry. A second call changes nothing."""
    if _turn_on():
        _look_again()


def serve(host: str = "127.0.0.1", port: int = 9464) -> Endpoint:
    """Count, and serve the figures for Prometheus on a thread. With `port` 0 it takes a free port.

    Raises ImportError without the extra `prometheus`, and OSError if it cannot listen. There is no TLS and no password:
    use it on loopback, or in a network that you trust.
    """
    from hivemind_client_metrics import endpoint

    opened = endpoint.listen(host, port)
    enable()
    return opened


def disable() -> None:
    """Stop counting for clients that are made from now on. A second call changes nothing."""
    for name in _HOOKS:
        globals().pop(name, None)
    _look_again()


def _turn_on() -> bool:
    """Bring the hooks; False where they are there."""
    if _HOOKS[0] in globals():
        return False
    from hivemind_client_metrics import hooks

    globals().update({name: getattr(hooks, name) for name in _HOOKS})
    return True


def _look_again() -> None:
    from hivemind_core_client.plugins.manager import forget_plugins

    forget_plugins()


def _asked_for() -> set[str]:
    """What the environment asks for. Raises ValueError for what there is not."""
    names = {name.strip() for name in os.environ.get(VARIABLE, "").lower().split(",")} - {""}
    if names - _KINDS:
        raise ValueError(
            f"{VARIABLE} names {', '.join(sorted(names - _KINDS))}; there are: opentelemetry, prometheus"
        )
    return names


def _begin() -> None:
    """Do what the environment asks for."""
    asked = _asked_for()
    if asked:
        _turn_on()
    if "prometheus" in asked:
        if importlib.util.find_spec("prometheus_client") is None:
            raise ImportError(
                "prometheus-client is not installed: install hivemind-client-metrics[prometheus]"
            )
        from hivemind_client_metrics import endpoint, hooks

        where = endpoint.read_address(os.environ.get(ADDRESS_VARIABLE) or DEFAULT_ADDRESS)
        hooks.serve_later(lambda: endpoint.listen(*where))


_begin()
