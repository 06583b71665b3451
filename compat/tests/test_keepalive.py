"""How often a WebSocket is pinged, by the reference client's names."""

from __future__ import annotations

from typing import Any

import pytest
from hivemind_bus_client import keepalive
from hivemind_bus_client.keepalive import websocket_keepalive_options


@pytest.mark.parametrize(
    ("given", "options"),
    [
        ((), {"ping_interval": 25.0, "ping_timeout": 10.0}),
        ((40, 20), {"ping_interval": 40.0, "ping_timeout": 20.0}),
        ((40, 0), {"ping_interval": 40.0, "ping_timeout": None}),
        (("0", 5), {"ping_interval": 0}),
        ((4, 4), {"ping_interval": 4.0, "ping_timeout": 2.0}),
        ((0.1, 4), {"ping_interval": 0.1, "ping_timeout": 0.1}),
        (("soon", -1), {"ping_interval": 25.0, "ping_timeout": 10.0}),
        ((float("inf"), float("nan")), {"ping_interval": 25.0, "ping_timeout": 10.0}),
    ],
)
def test_what_is_given(given: tuple[Any, ...], options: dict[str, Any]) -> None:
    assert websocket_keepalive_options(*given) == options


def test_the_environment_counts_where_nothing_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    more_special, common = keepalive.CLIENT_PING_INTERVAL_ENVS
    monkeypatch.setenv(common, "50")
    monkeypatch.setenv(keepalive.CLIENT_PING_TIMEOUT_ENVS[1], "5")
    assert websocket_keepalive_options() == {"ping_interval": 50.0, "ping_timeout": 5.0}
    monkeypatch.setenv(more_special, "60")
    assert websocket_keepalive_options()["ping_interval"] == 60.0
    assert websocket_keepalive_options(70)["ping_interval"] == 70.0
    monkeypatch.setenv("OTHER", "7")
    assert websocket_keepalive_options(interval_envs=["OTHER"], timeout_envs=[])["ping_interval"] == 7.0


def test_what_is_no_number_of_seconds_is_warned_of(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    name = keepalive.CLIENT_PING_INTERVAL_ENVS[0]
    monkeypatch.setenv(name, "often")
    assert websocket_keepalive_options(disabled_interval_value=None)["ping_interval"] == 25.0
    assert f"{name} is ignored: 'often' is no number of seconds" in caplog.text
    assert websocket_keepalive_options(0, disabled_interval_value=None) == {"ping_interval": None}
