"""`hivemind-client send-file`: a file to the hub, with a bar where somebody looks."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hivemind_client_cli.commands.send_file import amount, bar
from hivemind_client_cli.connection import Connection
from hivemind_core_client import HiveMessageBusClient
from hivemind_core_client.errors import ConnectionLost, HubTimeout, Install
from hivemind_core_client.message import HiveMessage
from hivemind_core_client.testing import Account, EmbeddedHub

from .fakes import FakeClient, message
from .tools import KEY, PASSWORD, command, environment


@pytest.fixture
def hub() -> Iterator[EmbeddedHub]:
    with EmbeddedHub(clients={KEY: PASSWORD}) as hub:
        yield hub


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "notes.txt"
    file.write_bytes(os.urandom(300_000))
    return file


class Taking(FakeClient):
    def emit(self, sent: HiveMessage, progress: Any = None) -> None:
        if progress is not None:
            progress(len(sent.raw_payload), len(sent.raw_payload))
        super().emit(sent)


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Taking:
    client = Taking()
    monkeypatch.setattr(Connection, "client", lambda connection: client)
    return client


def args(hub: EmbeddedHub, file: Path, *more: str) -> tuple[str, ...]:
    address = ("--host", "127.0.0.1", "--port", str(hub.port))
    return ("send-file", str(file), "--key", KEY, "--password", PASSWORD, *address, *more)


def test_the_hub_gets_the_bytes(run: Any, hub: EmbeddedHub, file: Path) -> None:
    done = run(*args(hub, file)).expect(0)
    assert done.out.startswith("sent notes.txt, 293.0 KiB in ")
    first, second = done.out.splitlines()
    assert first.endswith("/s") and second.startswith("not known: whether the hub keeps it")
    assert done.err == "", "no bar without a terminal"
    (found,) = hub.wait_for("bin")
    assert found.raw_payload == file.read_bytes()
    assert found.metadata == {"file_name": "notes.txt"}
    assert found.bin_type.name == "FILE"


def test_name_and_json(run: Any, hub: EmbeddedHub, file: Path) -> None:
    data = run(*args(hub, file, "--name", "shopping.txt", "--json")).expect(0).json
    assert (data["name"], data["bytes"], data["confirmed"]) == ("shopping.txt", 300_000, True)
    assert data["bytes_per_second"] > 0
    assert hub.wait_for("bin")[0].metadata == {"file_name": "shopping.txt"}
    assert run(*args(hub, file, "--quiet")).expect(0).out == ""


@pytest.mark.parametrize(
    ("asked", "sent"), [("../../etc/pass\x1bwd", "passwd"), ("..", "file"), ("a" * 400 + ".txt", None)]
)
def test_the_name_that_went_out_is_told(
    run: Any, fake: FakeClient, file: Path, asked: str, sent: str | None
) -> None:
    data = run("send-file", str(file), "--name", asked, "--json").expect(0).json
    assert fake.sent[0].metadata == {"file_name": data["name"]}
    assert data["name"] == sent or (sent is None and len(data["name"]) < 256)


def test_an_empty_file(run: Any, hub: EmbeddedHub, tmp_path: Path) -> None:
    (tmp_path / "empty").write_bytes(b"")
    assert run(*args(hub, tmp_path / "empty", "--json")).expect(0).json["bytes"] == 0


def test_a_bar_at_a_terminal(hub: EmbeddedHub, file: Path) -> None:
    keyboard, screen = pty.openpty()
    with subprocess.Popen(
        command(*args(hub, file)), env=environment(), stdout=subprocess.PIPE, stderr=screen, text=True
    ) as process:
        os.close(screen)
        out, _ = process.communicate(timeout=50)
        shown = os.read(keyboard, 65536).decode()
    os.close(keyboard)
    assert process.returncode == 0
    assert "100%" in shown
    assert shown.endswith("\r\x1b[K"), "the bar goes when it is done"
    assert out.startswith("sent notes.txt")
    assert "\r" not in out


def test_what_cannot_be_sent(run: Any, fake: FakeClient, tmp_path: Path) -> None:
    run("send-file", str(tmp_path / "nothing")).expect(2)
    run("send-file", str(tmp_path)).expect(2)
    assert fake.sent == []


@pytest.mark.parametrize("name", ["", "  "])
def test_a_name_that_is_empty(run: Any, fake: FakeClient, file: Path, name: str) -> None:
    assert "--name" in run("send-file", str(file), "--name", name).expect(2).err
    assert fake.sent == []


def test_what_the_hub_sends_meanwhile_is_dropped_without_a_word(
    run: Any, hub: EmbeddedHub, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    emit = HiveMessageBusClient.emit

    def while_speech_comes(client: HiveMessageBusClient, *args: Any, **more: Any) -> None:
        hub.send_tts(b"RIFF", utterance="hello", file_name="hello.wav")
        client.round_trip()
        emit(client, *args, **more)

    monkeypatch.setattr(HiveMessageBusClient, "emit", while_speech_comes)
    assert run(*args(hub, file)).expect(0).err == ""


def test_a_large_file_must_be_meant(run: Any, fake: FakeClient, tmp_path: Path) -> None:
    large = tmp_path / "large"
    with large.open("wb") as file:
        file.truncate(11 * 2**20)
    refusal = run("send-file", str(large)).expect(2).err
    assert "10 MiB" in refusal
    assert "Send less, or pass --large if your hub" in refusal
    assert "max_bytes" not in refusal
    assert not fake.connected_event.is_set()
    assert fake.sent == []
    run("send-file", str(large), "--large").expect(0)
    assert len(fake.sent[0].raw_payload) == 11 * 2**20


def test_a_hub_that_hangs_up_on_it(run: Any, fake: FakeClient, file: Path) -> None:
    def drop(sent: HiveMessage) -> list[Any]:
        fake.drop(ConnectionLost("gone"))
        return []

    fake.answer = drop
    fake.trips = [ConnectionLost("gone")]
    done = run("send-file", str(file)).expect(1)
    assert "the hub dropped the connection on 'notes.txt'" in done.err
    assert done.out == ""


def test_a_hub_that_does_not_answer_pings(run: Any, fake: FakeClient, file: Path) -> None:
    fake.trips = [HubTimeout("hub", "pong", 1)]
    done = run("send-file", str(file), "--timeout", "1", "--json").expect(0)
    assert done.json["confirmed"] is False
    assert "did not confirm within 1 s" in done.err


def test_a_hub_that_takes_no_binary_data(run: Any, fake: FakeClient, file: Path) -> None:
    fake.answer = lambda sent: [message("hive.policy.denied", denied_type="binary", reason="too large")]
    done = run("send-file", str(file)).expect(3)
    assert "does not take binary data from here (too large)" in done.err
    assert "allow-msg" not in done.err


def test_it_needs_a_plugin(run: Any, monkeypatch: pytest.MonkeyPatch, file: Path) -> None:
    monkeypatch.setitem(sys.modules, "hivemind_client_binary_tts", None)
    assert str(Install("tts")) in run("send-file", str(file)).expect(1).err


def test_looks_of_the_bar() -> None:
    assert bar("a", 0, 100) == f"a [{'.' * 30}]   0% 0 bytes of 100 bytes"
    assert bar("a", 50, 100) == f"a [{'#' * 15}{'.' * 15}]  50% 50 bytes of 100 bytes"
    assert bar("a", 0, 0).startswith(f"a [{'#' * 30}] 100%")
    assert "\n" not in bar("a\n\x1b[2J" + "x" * 500, 1, 2)
    assert [amount(size) for size in (0, 1023, 1024, 5 * 2**20, 3 * 2**30, 2**42)] == [
        "0 bytes",
        "1023 bytes",
        "1.0 KiB",
        "5.0 MiB",
        "3.0 GiB",
        "4096.0 GiB",
    ]


@pytest.mark.skipif(sys.version_info < (3, 10), reason="hubs 5.3 need Python 3.10")
def test_a_hub_that_takes_nothing_from_here(run: Any, file: Path) -> None:
    with EmbeddedHub([Account(KEY, PASSWORD)], like="5.3") as hub:
        done = run(*args(hub, file)).expect(3)
    assert "does not take binary data from here" in done.err and "allow-msg TYPE NODE_ID" in done.err
    assert "sent" not in done.out
