"""The harness itself, without any client of ours: bare WebSockets against every hub of the table."""

from __future__ import annotations

import base64
import json
import socket
import sys
from pathlib import Path
from typing import Any

import pytest
from websocket import (
    ABNF,
    WebSocket,
    WebSocketTimeoutException,
    create_connection,
)

from . import hubs as hubs_module
from .answerer import SILENT, TWICE, answers, only_known_to
from .hubs import HubOptions, HubPool, RealHub, xdg_environment
from .processes import HarnessError, Process, free_port, is_listening, wait_until
from .silent import silent_port
from .specs import HUBS, HubSpec

OPTIONS = HubOptions(binarize=True, allowed_ciphers=("AES-GCM",), allowed_encodings=("JSON-HEX", "JSON-B64"))


@pytest.fixture(params=HUBS, ids=lambda spec: spec.version)
def bare_hub(request: pytest.FixtureRequest, hubs: HubPool) -> RealHub:
    """Each hub, with options that differ from its defaults."""
    spec: HubSpec = request.param
    return hubs.get(spec, OPTIONS)


def test_offer_tells_the_options_the_hub_was_started_with(bare_hub: RealHub) -> None:
    """The settings file reaches the hub."""
    bare_hub.add_client("offered", "key-offered", "Correct-Horse-Battery-Staple", "0123456789abcdef")
    hello, offer = _first_frames(bare_hub, "key-offered")
    assert hello["msg_type"] == "hello"
    assert hello["payload"]["node_id"]
    assert offer["payload"]["max_protocol_version"] == max(bare_hub.spec.versions)
    assert offer["payload"]["binarize"] is True
    assert offer["payload"]["ciphers"] == ["AES-GCM"]
    assert offer["payload"]["encodings"] == ["JSON-HEX", "JSON-B64"]


def test_connections_are_recorded(bare_hub: RealHub) -> None:
    """What passes on the hub's OVOS bus can be looked up."""
    bare_hub.add_client("recorded", "key-recorded", "Correct-Horse-Battery-Staple")
    _first_frames(bare_hub, "key-recorded")

    def count() -> int:
        return [message["data"]["key"] for message in bare_hub.seen("hive.client.connect")].count(
            "key-recorded"
        )

    # The record is written by a process of its own.
    assert wait_until(lambda: count() > 0, 5.0)
    assert count() == 1


def test_unknown_key_is_hung_up_on(bare_hub: RealHub) -> None:
    """The hub knows the clients it was told of, and no others."""
    connection = _connect(bare_hub, "key-of-nobody")
    opcode, _ = connection.recv_data()
    assert opcode == ABNF.OPCODE_CLOSE


def test_killed_hub_comes_back_on_its_port_with_its_clients(bare_hub: RealHub) -> None:
    """A restart changes neither port nor clients."""
    bare_hub.add_client("kept", "key-kept", "Correct-Horse-Battery-Staple")
    port = bare_hub.port
    bare_hub.kill()
    assert not bare_hub.alive
    assert not is_listening(port)
    bare_hub.start_again()
    assert bare_hub.alive
    assert bare_hub.port == port
    hello, _ = _first_frames(bare_hub, "key-kept")
    assert hello["msg_type"] == "hello"


def test_administrator_is_told_by_node_id(bare_hub: RealHub) -> None:
    """Node ids are read from the hub's own output: the hub takes them back."""
    node_id = bare_hub.add_client("chief", "key-chief", "Correct-Horse-Battery-Staple")
    bare_hub.make_admin(node_id)
    bare_hub.allow_msg("some.type", node_id)
    assert "chief" in bare_hub.command("list-clients")


def test_command_that_fails_shows_what_the_hub_said(bare_hub: RealHub) -> None:
    """A wrong command is an error of the harness, and the next one works."""
    with pytest.raises(HarnessError, match="no-such-command"):
        bare_hub.command("no-such-command")
    assert "Credentials" in bare_hub.command("list-clients")


def test_hub_below_another_connects_with_it(hubs: HubPool) -> None:
    """The hub above knows the lower one as a client, and both have a name of their own."""
    options = HubOptions(name="lower", upper=HubOptions(name="upper"))
    spec = next(spec for spec in HUBS if "upper" in spec.settings)
    lower = hubs.get(spec, options)
    assert lower.upper is not None and lower.upper is hubs.get(spec, HubOptions(name="upper"))
    assert f"hub{lower.port}" in lower.upper.command("list-clients")


class Stand:
    """Stands in for a real hub: it runs until it is stopped."""

    def __init__(self, spec: HubSpec, options: HubOptions, upper: Stand | None) -> None:
        self.options, self.upper, self.alive = options, upper, False

    def start(self) -> Stand:
        self.alive = True
        return self

    def stop(self) -> None:
        self.alive = False


def test_hubs_that_were_not_asked_for_lately_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run has few hubs at a time; the hub above another stays."""
    monkeypatch.setattr(hubs_module, "RealHub", Stand)
    pool, spec = HubPool(most=3), HUBS[-1]
    lower = pool.get(spec, HubOptions(name="lower", upper=HubOptions(name="upper")))
    first = pool.get(spec, HubOptions(name="first"))
    assert pool.get(spec, lower.options) is lower
    second = pool.get(spec, HubOptions(name="second"))
    assert lower.upper is not None
    assert [hub.alive for hub in (lower.upper, lower, first, second)] == [True, True, False, True]
    assert pool.get(spec, HubOptions(name="first")) is not first
    pool.stop()
    assert not any(hub.alive for hub in (lower.upper, lower, second))


def test_a_free_port_is_none_that_a_connection_may_take() -> None:
    """A hub that was killed gets its port again, whatever connects meanwhile."""
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", free_port()))
        busy.listen()
        ports = {free_port() for _ in range(100)}
        assert busy.getsockname()[1] not in ports
    for _ in range(20):
        with silent_port() as port, socket.create_connection(("127.0.0.1", port)) as connection:
            assert connection.getsockname()[1] > max(ports)


def test_options_that_a_hub_does_not_know_do_not_start_another() -> None:
    """A release without the setting shares the hub that has the default."""
    old = next(spec for spec in HUBS if "min_protocol_version" not in spec.settings)
    asked = HubOptions(binarize=True, min_protocol_version=0, upper=HubOptions())
    assert asked.known_to(old) == HubOptions(binarize=True)


def test_answers_of_the_assistant() -> None:
    """One answer, two, none, and what only one hub knows."""
    assert answers("hello", "hub") == ["you said: hello"]
    assert len(answers(f"{TWICE} hello", "hub")) == 2
    assert answers(SILENT, "hub") == []
    assert answers(f"{only_known_to('upper')} it", "hub") == []
    assert answers(f"{only_known_to('upper')} it", "upper") == [f"you said: {only_known_to('upper')} it"]


def _connect(hub: RealHub, key: str) -> WebSocket:
    token = base64.b64encode(f"harness:{key}".encode()).decode()
    return create_connection(f"ws://{hub.host}:{hub.port}?authorization={token}", timeout=10)


def _first_frames(hub: RealHub, key: str) -> tuple[dict[str, Any], dict[str, Any]]:
    connection = _connect(hub, key)
    try:
        return json.loads(connection.recv()), json.loads(connection.recv())
    finally:
        connection.close()


def test_silent_ports_accept_and_say_nothing() -> None:
    """One stays silent at once, the other after the upgrade."""
    with silent_port() as port, pytest.raises(WebSocketTimeoutException):
        create_connection(f"ws://127.0.0.1:{port}", timeout=0.2)
    with silent_port(upgrades=True) as port:
        connection = create_connection(f"ws://127.0.0.1:{port}", timeout=0.2)
        with pytest.raises(WebSocketTimeoutException):
            connection.recv()
        connection.close()
    assert not is_listening(port)


def test_hub_that_does_not_start_shows_its_log(tmp_path: Path) -> None:
    """A process that ends too early is noticed at once, and what it wrote is in the error."""
    command = [sys.executable, "-c", "raise SystemExit('out of honey')"]
    process = Process("bees", command, xdg_environment(tmp_path), tmp_path / "bees.log")
    process.start()
    with pytest.raises(HarnessError, match=r"bees: it ended before a port\n(.*\n)*.*out of honey"):
        process.wait_for(lambda: False, 30.0, "a port")
