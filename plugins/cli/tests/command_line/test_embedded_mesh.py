"""The commands of the mesh against a hub that speaks the real protocol on a real socket."""

from __future__ import annotations

import json
import queue
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable

import pytest

from hivemind_core_client import HiveMessage, HiveMessageBusClient, HiveMessageType, NodeIdentity
from hivemind_core_client.testing import Account, EmbeddedHub

from .tools import command, environment, spawn

KEYS = {"kitchen": "Correct-Horse-9", "attic": "Battery-Staple-7", "cellar": "Rusty-Nail-Paper-5"}
ALARM = ("--msg", "my.alarm", "--payload", '{"door": "open"}')


def agent(utterance: str) -> list[str] | None:
    """What the hub knows."""
    return None if "nobody" in utterance else [f"you said: {utterance}", "and I heard it"]


@pytest.fixture
def hub() -> Iterator[EmbeddedHub]:
    accounts = [
        Account(f"key-of-{name}", password, name=name, admin=name == "kitchen")
        for name, password in KEYS.items()
    ]
    with EmbeddedHub(clients=accounts, agent=agent) as hub:
        yield hub


@pytest.fixture
def options(hub: EmbeddedHub, home: Path) -> Callable[[str], tuple[str, ...]]:
    """The options with which a command runs as the satellite of a name, in a site of that name."""

    def pair(name: str) -> tuple[str, ...]:
        identity = identity_of(home, name)
        identity.access_key, identity.password, identity.site_id = f"key-of-{name}", KEYS[name], name
        identity.default_master, identity.default_port = "ws://127.0.0.1", hub.port
        identity.create_keys()
        identity.save()
        return ("--identity-file", str(home / f"{name}.json"))

    return pair


@pytest.fixture
def kitchen(options: Any) -> Any:
    return options("kitchen")


@pytest.fixture
def attic(options: Any) -> Any:
    return options("attic")


@pytest.fixture
def someone(attic: Any, home: Path) -> Iterator[HiveMessageBusClient]:
    """A client in the attic."""
    with HiveMessageBusClient(identity=identity_of(home, "attic")) as client:
        yield client


def identity_of(home: Path, name: str) -> NodeIdentity:
    return NodeIdentity(str(home / f"{name}.json"))


def trusting(home: Path, name: str, other: str) -> None:
    identity, key = identity_of(home, name), identity_of(home, other).public_key
    assert key is not None
    identity.add_trusted_key(other, key)
    identity.save()


def test_a_broadcast_reaches_the_site(someone: HiveMessageBusClient, kitchen: Any, run: Any) -> None:
    came: queue.Queue[Any] = queue.Queue()
    someone.on_mycroft("my.alarm", came.put)
    run("broadcast", *ALARM, "--site", "cellar", *kitchen).expect(0)
    run("broadcast", "--msg", "my.alarm", "--site", "attic", *kitchen).expect(0)
    assert came.get(timeout=5).data == {}, "the first one was for another site"


def test_a_propagate_reaches_who_trusts_the_sender(
    someone: HiveMessageBusClient, kitchen: Any, run: Any, home: Path
) -> None:
    key = identity_of(home, "kitchen").public_key
    assert key is not None
    someone.identity.add_trusted_key("kitchen", key)
    came: queue.Queue[Any] = queue.Queue()
    someone.on_mycroft("my.alarm", came.put)

    def alarm(number: int, *more: str) -> None:
        data = json.dumps({"number": number})
        run("propagate", "--msg", "my.alarm", "--payload", data, *kitchen, *more).expect(0)

    alarm(1, "--site", "attic")
    alarm(2, "--introduce")
    alarm(3, "--introduce", "--site", "cellar")
    for number in (4, 5):  # each of them in a session of its own
        alarm(number, "--introduce", "--site", "attic")
        assert came.get(timeout=5).data == {"number": number}
    alarm(6, "--site", "attic")
    someone.round_trip()
    assert came.empty()


def test_a_broadcast_of_somebody_else(attic: Any, run: Any) -> None:
    assert "hivemind-core make-admin NODE_ID" in run("broadcast", *ALARM, *attic).expect(3).err


def test_a_query_is_answered_as_a_stream(kitchen: Any, run: Any) -> None:
    assert run("query", "--utterance", "hi", *kitchen).expect(0).out == "you said: hi\nand I heard it\n"
    data = run("query", "--utterance", "hi", "--json", *kitchen).expect(0).json
    assert data["complete"] is True
    assert [each["message"]["data"]["utterance"] for each in data["answers"]] == [
        "you said: hi",
        "and I heard it",
    ]
    assert "BEGIN PUBLIC KEY" in data["answers"][0]["responder"]


def test_a_query_that_nobody_answers_ends_early(kitchen: Any, run: Any) -> None:
    began = time.monotonic()
    done = run("query", "--utterance", "nobody knows", "--timeout", "30", *kitchen).expect(4)
    assert time.monotonic() - began < 10
    assert "4.0.0" not in done.err
    run("query", "--msg", "my.ask", *kitchen).expect(4)


def test_a_cascade_is_answered_by_hub_and_satellite(
    someone: HiveMessageBusClient, kitchen: Any, run: Any
) -> None:
    def answer(request: HiveMessage) -> None:
        if not request.metadata.get("is_response"):
            someone.answer(request, {"type": "speak", "data": {"utterance": "here"}, "context": {}})

    someone.on(HiveMessageType.CASCADE, answer)
    out = run("cascade", "--utterance", "hi", "--timeout", "1", *kitchen).expect(0).out
    assert f"{someone.peer}: here\n" in out
    assert ": you said: hi\n" in out
    assert out.count("key:") == 2
    data = run("cascade", "--msg", "my.roll.call", "--timeout", "1", "--json", *kitchen).expect(0).json
    assert [each["responder"] for each in data["answers"]] == [someone.peer]


def test_the_map_shows_hub_and_satellite(
    someone: HiveMessageBusClient, hub: EmbeddedHub, kitchen: Any, run: Any
) -> None:
    tree = run("ping", "--count", "1", *kitchen).expect(0).out.split("\n\n")[1].splitlines()
    assert tree[0].endswith("(this node)")
    assert tree[1].startswith("└── key:")
    assert tree[2].startswith(f"    └── {someone.peer}  site attic")
    data = run("ping", "--count", "1", "--json", *kitchen).expect(0).json["map"]
    assert {hub.public_key, someone.peer} < {each["peer"] for each in data["nodes"]}
    assert {"source": hub.public_key, "target": someone.peer} in data["edges"]
    assert run("ping", "--dot", *kitchen).expect(0).out.startswith("graph hive {\n")


def test_intercom_from_one_process_to_another(
    hub: EmbeddedHub, kitchen: Any, attic: Any, options: Any, home: Path
) -> None:
    cellar = options("cellar")
    for sender in ("kitchen", "cellar"):
        trusting(home, sender, "attic")
    trusting(home, "attic", "kitchen")
    with Listener(*attic, "--json", "--count", "1") as listener:
        hub.wait_for_sessions(1)
        spawn("intercom", "send", "--to", "attic", "--msg", "from.a.stranger", *cellar).expect(0)
        spawn("intercom", "send", "--to", "attic", *ALARM, *kitchen).expect(0)
        listener.wait()
    (line,) = listener.lines
    assert json.loads(line)["from"] == "kitchen"
    assert json.loads(line)["message"]["type"] == "my.alarm"
    assert json.loads(line)["message"]["data"] == {"door": "open"}
    assert listener.said.count("dropped an INTERCOM message") == 1
    for sealed in hub.wait_for("propagate"):
        assert "my.alarm" not in sealed.as_json


def test_ctrl_c_ends_a_listener(hub: EmbeddedHub, attic: Any) -> None:
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
