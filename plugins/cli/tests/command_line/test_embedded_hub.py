"""The command against a hub that speaks the real protocol on a real socket."""

from __future__ import annotations

import json
import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from hivemind_client_cli.connection import Connection
from hivemind_core_client import HiveMessage, HiveMessageBusClient
from hivemind_core_client.errors import Install
from hivemind_core_client.testing import EmbeddedHub

from .tools import KEY, PASSWORD, command, environment, spawn

SAY = ("send-mycroft", "--msg", "recognizer_loop:utterance", "--payload", '{"utterances": ["hi"]}')


@pytest.fixture
def hub() -> Iterator[EmbeddedHub]:
    with EmbeddedHub(clients={KEY: PASSWORD}) as hub:
        yield hub


@pytest.fixture
def paired(hub: EmbeddedHub, run: Any) -> EmbeddedHub:
    address = ("--host", "ws://127.0.0.1", "--port", str(hub.port))
    run("set-identity", "--key", KEY, "--password", PASSWORD, *address, "--siteid", "kitchen").expect(0)
    return hub


def test_test_identity(paired: EmbeddedHub, run: Any) -> None:
    out = run("test-identity").expect(0).out
    assert out.startswith("ok: hub ")
    assert "handshake password" in out
    data = run("test-identity", "--json").expect(0).json
    assert data["hub"]["node_id"]
    assert data["negotiated"]["cipher"] in ("AES-GCM", "CHACHA20-POLY1305")


def test_ciphers_are_listed_the_best_first(paired: EmbeddedHub, run: Any) -> None:
    for names in (("AES-GCM",), ("CHACHA20-POLY1305", "AES-GCM"), ("AES-GCM", "CHACHA20-POLY1305")):
        options = [part for name in names for part in ("--cipher", name)]
        data = run("test-identity", "--json", *options).expect(0).json
        assert data["negotiated"]["cipher"] == names[0]
    assert "no plugin offers the cipher ROT13" in run("test-identity", "--cipher", "ROT13").expect(2).err
    assert "this is empty" in run("test-identity", "--cipher", "").expect(2).err


def test_send_and_wait(paired: EmbeddedHub, run: Any) -> None:
    assert run(*SAY, "--wait", "speak").expect(0).out == "you said: hi\n"


def test_our_own_message_is_no_answer(paired: EmbeddedHub, run: Any) -> None:
    run("send-mycroft", "--msg", "x", "--wait", "x", "--timeout", "0.3").expect(4)


def test_a_message_without_wait_arrives(paired: EmbeddedHub, run: Any) -> None:
    assert run("send-mycroft", "--msg", "my.alarm", "--json").expect(0).json["answer"] is None
    (found,) = [each for each in paired.received if each.msg_type == "bus"]
    assert found.raw_payload["type"] == "my.alarm"


@pytest.mark.parametrize("wrapper", ["escalate", "propagate"])
def test_wrappers(paired: EmbeddedHub, run: Any, wrapper: str) -> None:
    run(wrapper, "--msg", "my.alarm", "--site", "attic").expect(0)
    (found,) = [each for each in paired.received if each.msg_type == wrapper]
    assert found.payload.raw_payload["type"] == "my.alarm"


def test_ping(paired: EmbeddedHub, run: Any) -> None:
    data = run("ping", "--count", "2", "--no-map", "--json").expect(0).json
    assert data["received"] == 2
    assert 0 < data["seconds"]["min"] <= data["seconds"]["avg"] <= data["seconds"]["max"]


def test_piped_terminal(paired: EmbeddedHub) -> None:
    assert spawn("terminal", stdin="one\ntwo\n").expect(0).out == "you said: one\nyou said: two\n"


@pytest.mark.parametrize(
    "args",
    [
        ("ping", "--count", "1", "--no-map"),
        ("test-identity",),
        ("show-identity",),
        ("plugins",),
        (*SAY, "--wait", "speak"),
    ],
    ids=lambda args: args[0],
)
def test_json_of_a_process_is_json_and_nothing_else(paired: EmbeddedHub, args: tuple[str, ...]) -> None:
    json.loads(spawn(*args, "--json", "--verbose").expect(0).out)


@pytest.mark.parametrize(
    "args", [("test-identity",), ("ping",), SAY, ("terminal",)], ids=lambda args: args[0]
)
def test_refusals(paired: EmbeddedHub, run: Any, args: tuple[str, ...]) -> None:
    done = run(*args, "--key", "nobodys-key", "--verbose").expect(3)
    assert "nobodys-key" not in done.err
    done = run(*args, "--password", "not-the-password", "--verbose").expect(3)
    assert "not-the-password" not in done.err


def test_nobody_listens(run: Any) -> None:
    with EmbeddedHub(clients={}) as hub:
        port = hub.port
    options = ("--key", KEY, "--password", PASSWORD, "--host", "127.0.0.1", "--port", str(port))
    assert str(port) in run("ping", *options).expect(4).err


def test_arguments_are_not_written_back(paired: EmbeddedHub, run: Any, home: Path) -> None:
    file = home / "config" / "hivemind" / "_identity.json"
    before = file.read_text()
    run("test-identity", "--siteid", "attic", "--host", "127.0.0.1").expect(0)
    assert file.read_text() == before


def test_the_environment_is_read(hub: EmbeddedHub) -> None:
    variables: dict[str, Any] = {
        "HIVEMIND_KEY": KEY,
        "HIVEMIND_PASSWORD": PASSWORD,
        "HIVEMIND_PORT": str(hub.port),
    }
    spawn("test-identity", HIVEMIND_HOST="127.0.0.1", **variables).expect(0)


def test_demo(run: Any, home: Path) -> None:
    out = run("demo").expect(0).out
    for label in ("handshake", "cipher", "encoding", "round trip"):
        assert label in out
    assert "what time is it" in out
    assert "It is " in out
    assert not (home / "config" / "hivemind").exists()


def test_demo_touches_no_file_of_the_user(home: Path) -> None:
    own = home / "own"
    own.mkdir()
    kept = {name: text for name, text in environment(HOME=str(own)).items() if not name.startswith("XDG_")}
    subprocess.run(command("demo"), env=kept, capture_output=True, timeout=50, check=True)
    assert list(own.iterdir()) == []


def test_demo_leaves_the_environment_as_it_was(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_STATE_HOME")
    before = dict(os.environ)
    run("demo").expect(0)
    assert {**os.environ, "PYTEST_CURRENT_TEST": ""} == {**before, "PYTEST_CURRENT_TEST": ""}


def test_a_hub_that_drops_the_connection_on_a_message(
    paired: EmbeddedHub, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def drop(client: HiveMessageBusClient, message: HiveMessage) -> None:
        emit(client, message)
        paired.drop()

    emit = HiveMessageBusClient.emit
    monkeypatch.setattr(HiveMessageBusClient, "emit", drop)
    assert "dropped the connection on 'my.alarm'" in run("escalate", "--msg", "my.alarm").expect(1).err


def test_demo_json_in_a_process_with_credentials_around() -> None:
    variables: dict[str, Any] = {
        "HIVEMIND_KEY": "a:b",
        "HIVEMIND_PASSWORD": "other",
        "HIVEMIND_HOST": "hub.invalid",
        "HIVEMIND_PROFILE": "mine",
    }
    data = spawn("demo", "hello there", "--json", **variables).expect(0).json
    assert data["answer"] == "You said: hello there"
    assert data["handshake"] == ("noise" if sys.version_info >= (3, 10) else "password")
    assert data["round_trip_seconds"] > 0


def test_demo_without_the_network_is_an_error(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        Connection, "client", lambda connection: (_ for _ in ()).throw(OSError("no loopback"))
    )
    assert "no loopback" in run("demo").expect(1).err


def test_terminal_at_a_terminal_survives_a_drop(paired: EmbeddedHub) -> None:
    keyboard, screen = pty.openpty()
    with subprocess.Popen(
        command("terminal"), env=environment(TERM="dumb"), stdin=screen, stdout=screen, stderr=screen
    ) as process:
        os.close(screen)
        shown = Screen(keyboard)
        shown.until("Ctrl-D leaves")
        os.write(keyboard, b"first\r")
        shown.until("you said: first")
        paired.drop()
        shown.until("connected again", "connection lost")
        os.write(keyboard, b"second\r")
        shown.until("you said: second")
        assert shown.leave(process) == 0
    os.close(keyboard)


class Screen:
    """What a process shows on its terminal."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._text = ""

    def until(self, *texts: str, seconds: float = 20) -> None:
        end = time.monotonic() + seconds
        while not all(text in self._text for text in texts):
            assert time.monotonic() < end, self._text
            if select.select([self._descriptor], [], [], 0.1)[0]:
                self._text += os.read(self._descriptor, 65536).decode(errors="replace")

    def leave(self, process: subprocess.Popen[bytes], seconds: float = 20) -> int:
        """Type Ctrl-D until the process has ended; between two prompts it is lost."""
        end = time.monotonic() + seconds
        while process.poll() is None and time.monotonic() < end:
            os.write(self._descriptor, b"\x04")
            with suppress(subprocess.TimeoutExpired):
                process.wait(0.5)
        return process.wait(0)


@pytest.mark.parametrize("flags", [(), ("--json",)], ids=len)
def test_a_demo_without_websockets_says_what_to_install(tmp_path: Path, flags: tuple[str, ...]) -> None:
    (tmp_path / "websockets.py").write_text("raise ImportError('no such package')\n")
    done = spawn("demo", *flags, folders=(tmp_path,)).expect(1)
    assert done.err == (f"error: the embedded hub needs the websockets package: {Install('testing')}\n")
