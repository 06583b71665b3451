"""What a line of `listen` looks like: sender, short keys, colours, and how wide it gets."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from click import unstyle
from wcwidth import wcswidth

from hivemind_client_cli.commands.listen import show_all
from hivemind_client_cli.output import Output
from hivemind_client_cli.received import Arrival, sender_of
from hivemind_core_client import HiveMessageBusClient, NodeIdentity
from hivemind_core_client.message import HiveMessage
from hivemind_core_client.testing import EmbeddedHub
from hivemind_core_client.wire.hive_drawing import display_peer

from .fakes import message
from .screens import screen_of
from .tools import KEY, PASSWORD

PEM = "-----BEGIN PUBLIC KEY-----\n" + "QUJD" * 90 + "\n-----END PUBLIC KEY-----"
SESSION = "0b2c6f0e-5a43-4e64-9d0e-6a7b0c9d1e2f"
WIDE = "火事だ" * 60


def bus(msg_type: str, **data: Any) -> HiveMessage:
    return HiveMessage("bus", message(msg_type, **data))


def through(*sources: str) -> HiveMessage:
    """A PROPAGATE that went through these hands."""
    route: list[Any] = [{"source": source, "targets": []} for source in sources]
    return HiveMessage("propagate", bus("my.alarm"), route=route)


def shown(output: Output, *arrivals: Arrival, full: bool = False) -> None:
    assert show_all(output, iter(arrivals), None, full) == len(arrivals)


@pytest.fixture
def client() -> Any:
    with EmbeddedHub(clients={KEY: PASSWORD}) as hub:
        identity = NodeIdentity({"trusted_keys": {"attic": PEM}})
        with HiveMessageBusClient(KEY, PASSWORD, host=hub.url, identity=identity) as client:
            yield client


def test_the_sender_is_who_began_the_route(client: HiveMessageBusClient) -> None:
    assert client.hub is not None
    other = PEM.replace("QUJD", "REVG")
    assert sender_of(client, bus("speak")) == "hub"
    assert sender_of(client, through(client.hub.public_key)) == "hub"
    assert sender_of(client, through(f"kitchen::2::{SESSION}", client.hub.public_key)) == "kitchen::2"
    assert sender_of(client, through("kitchen::2")) == "kitchen::2"
    assert sender_of(client, through(PEM)) == "attic"
    assert sender_of(client, through(other)) == display_peer(other)
    assert sender_of(client, through("evil\x1b]0;title\x07")) == "evil?]0;title?"


def test_keys_are_short(capsys: pytest.CaptureFixture[str]) -> None:
    data = {"key": PEM, "hash": "ab12" * 16, "said": "not a key at all"}
    shown(Output(), Arrival(bus("x", **data)))
    out = capsys.readouterr().out
    assert json.loads(out.partition("x: ")[2]) == {
        "key": display_peer(PEM),
        "hash": "ab12ab12…",
        "said": "not a key at all",
    }


def test_full_shows_all_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    packet = bus("x", key=PEM, evil="\x1b[2J")
    shown(Output(), Arrival(packet), full=True)
    heading, _, text = capsys.readouterr().out.partition("\n")
    assert heading.endswith("  hub  x:")
    assert json.loads(text) == packet.as_dict
    assert "\x1b" not in text


def test_what_was_dropped_says_so() -> None:
    packet = through("evil")
    packet.dropped = "its route is not trusted"
    with screen_of(80) as screen:
        shown(screen.output, Arrival(packet, "evil"))
        assert "[dropped: its route is not trusted]" in unstyle(screen.shown())


@pytest.mark.parametrize("columns", [20, 40, 80])
def test_data_takes_one_row_of_the_terminal_and_speech_all_that_it_needs(columns: int) -> None:
    with screen_of(columns) as screen:
        shown(screen.output, Arrival(bus("my.alarm", where=WIDE)), Arrival(bus("speak", utterance=WIDE)))
        data, speech = unstyle(screen.shown()).splitlines()
    assert columns - 1 <= wcswidth(data) <= columns and data.endswith("…")
    assert speech.endswith(f"speak: {WIDE}")


def codes(text: str) -> list[str]:
    return re.findall(r"\x1b\[[0-9;]*m", text)


def test_colours_are_for_terminals(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TERM", "xterm")
    arrival = Arrival(bus("speak", utterance="\x1b[31mred\x1b[0m"))
    with screen_of(80) as screen:
        shown(screen.output, arrival)
        text = screen.shown()
        assert "\x1b[31m" not in codes(text) and "?[31mred" in text
        assert len(codes(text)) >= 6
        monkeypatch.setenv("NO_COLOR", "1")
        shown(screen.output, arrival)
        assert codes(screen.shown()) == []
        monkeypatch.delenv("NO_COLOR")
        monkeypatch.setenv("TERM", "dumb")
        shown(screen.output, arrival)
        assert codes(screen.shown()) == []
    monkeypatch.setenv("TERM", "xterm")
    with (tmp_path / "file").open("w+") as file:
        shown(Output(stdout=file), arrival)
        file.seek(0)
        assert codes(file.read()) == []
