"""`trace`: what a connection does, told line by line, by every client, and never a secret or what a message says."""

from __future__ import annotations

import base64
import sys
from typing import Any

import pytest

from hivemind_core_client import FakeHiveMessageBus, HiveMessage, errors
from hivemind_core_client.plugins.hookspecs import hookimpl
from hivemind_core_client.testing import EmbeddedHub
from tests.unit.client_support import Make, until
from tests.unit.support import PASSWORD

SAID = "nobody else shall read this"


def about(lines: list[str], name: str) -> list[str]:
    """What the lines of a trace say about this, without their times."""
    parts = [line.partition(" s  ")[2].split(None, 1) for line in lines]
    return [" ".join(text.split()) for kind, text in parts if kind == name]


def talk(hub: EmbeddedHub, make: Make, **options: Any) -> None:
    """Connect, say something, hear the answer, leave."""
    heard: list[Any] = []
    with make(hub, **options) as client:
        client.on("3rdparty", heard.append)
        client.emit(HiveMessage("3rdparty", {"said": SAID}))
        hub.wait_for("3rdparty")
        hub.broadcast(HiveMessage("3rdparty", {"said": SAID}))
        assert until(lambda: heard)


def test_phases_frames_and_states_are_told_and_no_secret(hub: EmbeddedHub, make: Make) -> None:
    lines: list[str] = []
    talk(hub, make, trace=lines.append)
    phases = [text for text in about(lines, "phase") if "begins" in text]
    assert phases[0] == "tcp begins, 10 s at most"
    assert {"first frame begins, 10 s at most", "handshake begins, 20 s at most"} < {*phases}
    frames = about(lines, "frame")
    assert any(text.startswith("→ ") and text.endswith(" THIRDPRTY") for text in frames)
    assert any(text.startswith("← ") and text.endswith(" THIRDPRTY") for text in frames)
    assert any("connecting → connected" in text for text in about(lines, "client"))
    whole = "\n".join(lines)
    login = base64.b64encode(b"HiveMindSatellite:k").decode()
    assert not [secret for secret in (PASSWORD, login, SAID) if secret in whole]


def test_one_that_observes_too(hub: EmbeddedHub, make: Make) -> None:
    sizes: list[Any] = []

    class Tap:
        @hookimpl
        def hivemind_message_arrived(self, size: Any) -> None:
            sizes.append(size)

    lines: list[str] = []
    talk(hub, make, trace=lines.append, plugins=[Tap()])
    assert sizes and about(lines, "frame")


@pytest.mark.otherwise("http", why="its connection is HTTP")
def test_the_transport_of_a_plugin(make: Make) -> None:
    lines: list[str] = []
    with EmbeddedHub({"k": PASSWORD}, memory="traced") as hub:
        talk(hub, make, trace=lines.append)
    assert about(lines, "phase")[0].startswith("open begins, ")


@pytest.mark.otherwise("http", why="what stands in front of its hub answers")
def test_an_attempt_that_fails_and_the_next_one(make: Make) -> None:
    lines: list[str] = []
    hub = EmbeddedHub({"k": PASSWORD})
    with hub:
        client = make(hub, trace=lines.append)
    with pytest.raises(errors.HubConnectionError):
        client.connect(handshake_max_retries=1)
    assert any(" failed after " in text for text in about(lines, "phase"))
    assert any(text.startswith("the next attempt comes in ") for text in about(lines, "timer"))


@pytest.mark.parametrize(("value", "on"), [("1", True), ("yes", True), ("0", False), ("off", False)])
def test_the_environment_asks_for_it(
    hub: EmbeddedHub,
    make: Make,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    value: str,
    on: bool,
) -> None:
    monkeypatch.setenv("HIVEMIND_TRACE", value)
    with make(hub):
        pass
    assert ("handshake begins" in capsys.readouterr().err) is on
    with make(hub, trace=False):
        pass
    assert capsys.readouterr().err == ""


def test_without_stderr_nothing_is_told_and_nothing_fails(
    hub: EmbeddedHub, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    with make(hub, trace=True) as client:
        assert client.state == "connected"


def test_what_takes_no_line_is_refused(hub: EmbeddedHub, make: Make) -> None:
    with pytest.raises(errors.InvalidOption, match="trace is a str"):
        make(hub, trace="stderr")


def test_the_fake_tells_too_and_asks_no_environment(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HIVEMIND_TRACE", "1")
    FakeHiveMessageBus().connect()
    assert capsys.readouterr().err == ""
    lines: list[str] = []
    FakeHiveMessageBus(trace=lines.append).connect()
    assert any("connecting → connected" in text for text in about(lines, "client"))
