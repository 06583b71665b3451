"""All clients: what a satellite says of itself is what somebody said of it."""

from __future__ import annotations

from typing import Any

import pytest
from ovos_bus_client.message import Message
from ovos_config.config import Configuration
from ovos_config.models import LocalConf

from hivemind_core_client import HiveMessage
from hivemind_core_client.testing import EmbeddedHub
from tests.unit.client_support import Make


def said(hub: EmbeddedHub, make: Make) -> list[Any]:
    """Our session in HELLO and in a message, and what our PING says."""
    with make(hub) as client:
        client.emit(Message("something", {}))
        client.emit(HiveMessage("propagate", HiveMessage("ping", {})))
        own = {"session_id": client.session_id, "site_id": "kitchen"}
        (hello,) = hub.wait_for("hello")
        (message,) = hub.wait_for("something")
        (flood,) = hub.wait_for("propagate")
    return [own, hello["session"], message.payload.context["session"], flood.payload.payload]


def test_without_an_ovos_configuration_nothing_is_made_up(
    hub: EmbeddedHub, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Configuration, "xdg_configs", [])
    own, in_hello, in_message, ping = said(hub, make)
    assert in_hello == in_message == own
    assert sorted(ping) == ["flood_id", "peer", "public_key", "site_id", "timestamp"]


def test_what_is_configured_is_said(hub: EmbeddedHub, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    layer = LocalConf(None)
    layer["system_unit"] = "imperial"
    layer["lang"] = "pt-PT"
    monkeypatch.setattr(Configuration, "xdg_configs", [layer])
    own, in_hello, in_message, ping = said(hub, make)
    assert in_hello == in_message == {**own, "system_unit": "imperial", "lang": "pt-PT"}
    assert ping["lang"] == "pt-PT"
