"""The command lines that users of the reference client know, as they stand."""

from __future__ import annotations

import shlex
import socket
from pathlib import Path
from typing import Any

import pytest

from hivemind_client_cli.main import build_cli
from hivemind_core_client import NodeIdentity
from hivemind_core_client.testing import EmbeddedHub

from .tools import KEY, LOGIN, PASSWORD, plugins_of

#: The options of each of its commands, with a value where one is taken.
CONNECTING = "--key K --password P --host ws://h --port 5678 --siteid home"
LINES = {
    "set-identity": [CONNECTING],
    "terminal": [CONNECTING],
    "ping": [f"{CONNECTING} --timeout 5.0 --json"],
    "send-mycroft": [f"{CONNECTING} --msg m --payload '{{}}'"],
    "escalate": [f"{CONNECTING} --msg m --payload '{{}}'"],
    "propagate": [f"{CONNECTING} --msg m --payload '{{}}'"],
    "test-identity": ["", "--timeout 10"],
    "reset-pgp": [""],
    "forget-server": ["", "--host ws://h --port 5678"],
}


@pytest.mark.parametrize(("name", "line"), [(name, line) for name in LINES for line in LINES[name]])
def test_every_option_is_taken(name: str, line: str) -> None:
    cli = build_cli(plugins_of())
    command = cli.get_command(cli.make_context("hivemind-client", [name]), name)
    assert command is not None
    command.make_context(name, shlex.split(line))


def test_a_day_of_a_satellite(run: Any) -> None:
    with EmbeddedHub(clients={KEY: PASSWORD}) as hub:
        address = f"--host ws://127.0.0.1 --port {hub.port}"
        hello = """--msg "recognizer_loop:utterance" --payload '{"utterances": ["hello"]}'"""
        lines = [
            f"set-identity --key {KEY} --password {PASSWORD} {address} --siteid home",
            f"ping {address}",
            f"send-mycroft {hello}",
            f"escalate {hello}",
            f"propagate {hello}",
            "test-identity",
            "test-identity --timeout 10",
            "reset-pgp",
        ]
        for line in lines:
            run(*shlex.split(line)).expect(0)
        assert "you said: hello" in run("terminal", stdin="hello\n").expect(0).out


def test_how_long_test_identity_tries(run: Any) -> None:
    """At what takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = str(silent.getsockname()[1])
        done = run("test-identity", *LOGIN, "--host", "127.0.0.1", "--port", port, "--timeout", "0.2").expect(
            4
        )
    assert f"127.0.0.1:{port} did not finish the phase 'connecting' within 0.2 s" in done.err


@pytest.mark.parametrize(
    ("line", "hub"),
    [
        ("", "hub.local:5678"),
        ("--host wss://hub.local --port 443", "hub.local:443"),
        ("--host other.local", "other.local:5678"),
        ("--port 9", "hub.local:9"),
    ],
)
def test_the_hub_of_the_identity_is_forgotten(run: Any, home: Path, line: str, hub: str) -> None:
    run("set-identity", "--host", "ws://hub.local", "--port", "5678").expect(0)
    for pinned in (hub, "another.local:1"):
        NodeIdentity().pin_noise_key(pinned, "00" * 32)
    assert run("forget-server", *line.split(), "--json").expect(0).json["hub"] == hub
    assert list(NodeIdentity().pinned_noise_keys) == ["another.local:1"]


def test_no_hub_to_forget(run: Any, home: Path) -> None:
    assert "no host of a hub" in run("forget-server").expect(2).err
    assert "give HOST[:PORT], or --host" in run("forget-server", "hub.local", "--port", "1").expect(2).err


def test_a_pin_by_the_key_of_a_hub_is_shown_on_one_line(run: Any) -> None:
    """So the reference client pins a hub that it polls over HTTP."""
    pem = "-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----"
    NodeIdentity().pin_noise_key(pem, "00" * 32)
    assert "  key:" in run("trust", "list").expect(0).out
    assert "there are pins for: key:" in run("forget-server", "hub.local").expect(2).err.lower()


@pytest.mark.parametrize(
    "line", ["test-identity --timeout nan", "ping --timeout nan", "test-identity --timeout inf"]
)
def test_a_time_that_is_none_is_refused(run: Any, line: str) -> None:
    assert "--timeout" in run(*shlex.split(line)).expect(2).err
