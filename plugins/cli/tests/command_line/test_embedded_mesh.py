"""The commands of the mesh against a hub that speaks the real protocol on a real socket."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hivemind_core_client.identity import NodeIdentity
from hivemind_core_client.message import HiveMessage
from hivemind_core_client.testing import EmbeddedHub

from .tools import command, environment, spawn

KEYS = {"key-of-the-kitchen": "Correct-Horse-9", "key-of-the-attic": "Battery-Staple-7"}
ALARM = ("--msg", "my.alarm", "--payload", '{"door": "open"}')


@pytest.fixture
def hub() -> Iterator[EmbeddedHub]:
    with EmbeddedHub(clients=KEYS) as hub:
        yield hub


@pytest.fixture
def kitchen(hub: EmbeddedHub, home: Path) -> tuple[str, ...]:
    return paired(hub, home, "kitchen")


@pytest.fixture
def attic(hub: EmbeddedHub, home: Path) -> tuple[str, ...]:
    return paired(hub, home, "attic")


def paired(hub: EmbeddedHub, home: Path, name: str) -> tuple[str, ...]:
    """The options with which a command runs as the satellite `name`, in a site of that name."""
    key = f"key-of-the-{name}"
    identity = NodeIdentity(str(home / f"{name}.json"))
    identity.access_key, identity.password, identity.site_id = key, KEYS[key], name
    identity.default_master, identity.default_port = "ws://127.0.0.1", hub.port
    identity.create_keys()
    identity.save()
    return ("--identity-file", str(home / f"{name}.json"))


def trusting(home: Path, name: str, other: str) -> None:
    identity = NodeIdentity(str(home / f"{name}.json"))
    key = NodeIdentity(str(home / f"{other}.json")).public_key
    assert key is not None
    identity.add_trusted_key(other, key)
    identity.save()


def test_a_broadcast_reaches_the_hub(hub: EmbeddedHub, kitchen: tuple[str, ...], run: Any) -> None:
    run("broadcast", *ALARM, "--site", "attic", *kitchen).expect(0)
    (sent,) = hub.wait_for("broadcast")
    assert sent.target_site_id == "attic"
    assert sent.payload.raw_payload["type"] == "my.alarm"


def sealed(hub: EmbeddedHub, sender: tuple[str, ...]) -> HiveMessage:
    """The last message that `intercom send` puts on the wire."""
    spawn("intercom", "send", "--to", "attic", *ALARM, *sender).expect(0)
    return hub.wait_for("propagate")[-1]


def test_intercom_from_one_process_to_another(
    hub: EmbeddedHub, kitchen: tuple[str, ...], attic: tuple[str, ...], home: Path
) -> None:
    trusting(home, "kitchen", "attic")
    trusted = sealed(hub, kitchen)
    assert "my.alarm" not in trusted.as_json
    trusting(home, "attic", "kitchen")
    # The same satellite with a key that nobody has been told of.
    identity = NodeIdentity(str(home / "kitchen.json"))
    identity.create_keys()
    identity.save()
    distrusted = sealed(hub, kitchen)
    with Listener(*attic, "--json", "--count", "1") as listener:
        hub.wait_for_sessions(1)
        hub.broadcast(distrusted)
        hub.broadcast(trusted)
        listener.wait()
    (line,) = listener.lines
    assert json.loads(line)["from"] == "kitchen"
    assert json.loads(line)["message"]["type"] == "my.alarm"
    assert json.loads(line)["message"]["data"] == {"door": "open"}
    assert listener.said.count("dropped an INTERCOM message") == 1


def test_ctrl_c_ends_a_listener(hub: EmbeddedHub, attic: tuple[str, ...]) -> None:
    with Listener(*attic) as listener:
        hub.wait_for_sessions(1)
    assert listener.lines == []
    assert "trusted here yet" in listener.said


class Listener:
    """A process of `intercom listen`, from its first remark until it is done, or Ctrl-C at the end of the block."""

    def __init__(self, *args: str) -> None:
        self._process = subprocess.Popen(
            command("intercom", "listen", *args),
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.lines: list[str] = []
        self.said = ""

    def __enter__(self) -> Listener:
        assert self._process.stderr is not None
        line = ""
        while not line.startswith("Listening. The key of this satellite is sha256:"):
            line = self._process.stderr.readline()
            assert line, self.said
            self.said += line
        return self

    def wait(self) -> None:
        self._process.wait(20)

    def __exit__(self, *error: object) -> None:
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
        out, err = self._process.communicate(timeout=20)
        self.lines, self.said = out.splitlines(), self.said + err
        assert "Traceback" not in err
        assert self._process.returncode == 0, err
