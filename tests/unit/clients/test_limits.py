"""What is beyond a limit is told by its name, logged and counted, on every client."""

from __future__ import annotations

import logging
import secrets
import sys

import pytest
from ovos_bus_client.message import Message

from hivemind_core_client import Limits
from hivemind_core_client.testing import EmbeddedHub
from tests.unit.client_support import Make, ask, until
from tests.unit.support import PASSWORD

#: The option, and the highest protocol version.
BEYOND = {
    "frame": (Limits(frame=100_000), 1),
    "inflated": (Limits(inflated=100_000), 1),
}
if sys.version_info >= (3, 10):  # Noise needs it
    BEYOND["assembled"] = (Limits(assembled=100_000), 3)


@pytest.mark.parametrize("name", BEYOND)
def test_what_is_beyond_a_limit_is_counted_and_the_log_names_the_limit(
    make: Make, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    limits, version = BEYOND[name]
    caplog.set_level(logging.WARNING)
    with EmbeddedHub({"k": PASSWORD}, versions=(1, version)) as hub, make(hub, limits=limits) as client:
        hub.broadcast(Message("large", {"text": secrets.token_hex(300_000)}))
        assert until(lambda: client.metrics.rejected == 1)
        assert until(lambda: client.state == "connected")
        assert ask(client)
    assert f"raise Limits.{name}" in caplog.text
    assert "dropped a frame from" in caplog.text


def test_the_figures_show_themselves(hub: EmbeddedHub, make: Make) -> None:
    with make(hub) as client:
        ask(client)
        shown = repr(client.metrics)
    assert shown.startswith("Metrics(sent=") and "in_doubt=0" in shown and "round_trip=" in shown
