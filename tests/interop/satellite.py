"""The satellite side of a test: credentials of its own, files of its own, clients and commands."""

from __future__ import annotations

import importlib
import itertools
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

from .http_meddler import HttpMeddler
from .hubs import RealHub, xdg_environment
from .meddler import Meddler, Proxy
from .mqtt_meddler import MqttMeddler
from .on_loop import OnLoop
from .processes import Process

if TYPE_CHECKING:
    from hivemind_core_client import HiveMessageBusClient, NodeIdentity

_COMMAND_SECONDS = 60.0
_NUMBERS = itertools.count(1)


@dataclass(frozen=True)
class Outcome:
    """What a command left behind."""

    exit_code: int
    stdout: str
    stderr: str

    def expect(self, exit_code: int) -> Outcome:
        """This outcome. Raises AssertionError, with all output, if it ended with another exit code."""
        assert self.exit_code == exit_code, f"exit code {self.exit_code}, not {exit_code}\n{self}"
        return self

    def __str__(self) -> str:
        return f"--- stdout\n{self.stdout}\n--- stderr\n{self.stderr}"


#: What clients are imported from, where nothing else is said.
PACKAGE = "hivemind_core_client"
#: Kinds of client that poll.
_BY_HTTP = ("http", "async-http")


class Satellite:
    """One satellite that the hub knows.

    `client_kind` is the column of the table. `key`, `password` and `crypto_key` are what the hub was told.
    `home` holds all files of it and of its siblings. What a row puts into `figures` is shown at the end of the run.
    """

    def __init__(self, hub: RealHub, home: Path, client_kind: str, name: str) -> None:
        self.hub = hub
        self.client_kind = client_kind
        self.name = name
        self.key = f"key-of-{name}-alone"
        self.password = f"Correct-Horse-{name}-Battery-Staple"
        self.crypto_key = f"{name:x>16}"[-16:]
        self.env = xdg_environment(home)
        self.figures: list[str] = []
        self._home = home
        self._clients: list[HiveMessageBusClient] = []
        self._ends: list[str] = []
        self._siblings: list[Satellite] = []
        self._running: list[Process] = []
        self.node_id = hub.add_client(name, self.key, self.password, self.crypto_key)

    def sibling(self) -> Satellite:
        """Another satellite that the same hub knows; it ends with this one."""
        number = len(self._siblings) + 1
        sibling = Satellite(
            self.hub, self._home / f"sibling{number}", self.client_kind, f"{self.name}s{number}"
        )
        self._siblings.append(sibling)
        return sibling

    def folder(self, name: str) -> Path:
        """The path of a folder of this satellite's own; it is not made."""
        return self._home / name

    @property
    def identity(self) -> NodeIdentity:
        """This satellite's node identity, read from its file."""
        from hivemind_core_client import NodeIdentity

        return NodeIdentity(str(self._home / "identity.json"))

    @property
    def hub_port(self) -> int:
        """Where the hub, or its broker, listens for this kind of client."""
        return self.hub.http_port if self.client_kind in _BY_HTTP else int(self.hub.address["port"])

    @property
    def pin(self) -> str:
        """What the key of the hub is pinned for."""
        scheme = "mqtt://" if self.hub.broker is not None else ""
        return f"{scheme}{self.hub.host}:{self.hub_port}"

    def meddler(self) -> Proxy:
        """A proxy before the hub; it listens while in a `with`."""
        if self.client_kind in _BY_HTTP:
            return HttpMeddler(self.hub_port)
        return (Meddler if self.hub.broker is None else MqttMeddler)(self.hub_port)

    def client(self, package: str = PACKAGE, **options: Any) -> HiveMessageBusClient:
        """A client that is not connected yet; it is closed when the test ends.

        Options go to the constructor and replace the satellite's own credentials and address. The asyncio client
        comes on a loop of its own, with verbs that block (on_loop.py). `package` is what the class is imported from.
        """
        settings: dict[str, Any] = {
            "key": self.key,
            "password": self.password,
            "host": self.hub.address["host"],
            "port": self.hub_port,
            "identity": self.identity,
            **options,
        }
        if self.hub.broker is not None and "plugins" in options:
            settings["plugins"] = ["mqtt", *options["plugins"]]
        if self.client_kind == "async-http" and "://" not in settings["host"]:
            settings["host"] = f"http://{settings['host']}"
        if self.client_kind.startswith("async"):
            client = cast("HiveMessageBusClient", OnLoop(package, **settings))
        elif self.client_kind == "http":
            client = importlib.import_module(f"{package}.http_client").HiveMindHTTPClient(**settings)
        else:
            client = importlib.import_module(package).HiveMessageBusClient(**settings)
        self._clients.append(client)
        client.on("close", lambda *_: self._ends.append(str(client.last_error)))
        return client

    def met(self, text: str) -> bool:
        """Whether a connection of its clients, or of its siblings', ended with an error that says `text`."""
        return any(text in end for end in self._ends) or any(each.met(text) for each in self._siblings)

    def connected(self, **options: Any) -> HiveMessageBusClient:
        """A client whose session with the hub stands."""
        client = self.client(**options)
        client.connect()
        return client

    @property
    def script(self) -> str:
        """Path of `hivemind-client`."""
        return str(Path(sys.executable).with_name("hivemind-client"))

    def command(self, *arguments: str, stdin: str = "") -> Outcome:
        """Run `hivemind-client` with this satellite's files, its output to a pipe."""
        done = subprocess.run(
            [self.script, *arguments],
            input=stdin,
            env=self.env,
            capture_output=True,
            text=True,
            timeout=_COMMAND_SECONDS,
            check=False,
        )
        return Outcome(done.returncode, done.stdout, done.stderr)

    def start_command(self, *arguments: str) -> Process:
        """Start `hivemind-client` beside the test; its output is the log. It is ended with the satellite."""
        running = Process(
            f"hivemind-client {arguments[0]}",
            [self.script, *arguments],
            self.env,
            self._home / f"command{len(self._running)}.log",
        )
        self._running.append(running)
        running.start()
        return running

    def set_identity(self, **changes: str) -> Outcome:
        """Store the satellite's credentials with `hivemind-client set-identity`; `changes` replace some."""
        fields = {
            "key": self.key,
            "password": self.password,
            "host": self.hub.address["host"],
            "port": str(self.hub.address["port"]),
            **changes,
        }
        return self.command("set-identity", *_as_options(fields.items())).expect(0)

    def close(self) -> None:
        """Close every client and end every command, those of the siblings too."""
        for client in self._clients:
            client.close()
        for running in self._running:
            running.stop()
        for sibling in self._siblings:
            sibling.close()


@contextmanager
def known_satellite(
    hub: RealHub, home: Path, client_kind: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Satellite]:
    """A satellite that nobody else uses, known to the hub, in whose environment the test goes on."""
    for name in clear_environment():
        monkeypatch.delenv(name)
    hub.wait_until_ready()
    node = Satellite(hub, home, client_kind, f"satellite{next(_NUMBERS)}")
    for name, value in node.env.items():
        if name.startswith("XDG_"):
            monkeypatch.setenv(name, value)
    yield node
    node.close()


def clear_environment() -> dict[str, str]:
    """The names of this library's environment variables that are set now, with their values."""
    return {name: value for name, value in os.environ.items() if name.startswith("HIVEMIND_")}


def _as_options(fields: Iterable[tuple[str, str]]) -> list[str]:
    return [part for name, value in fields for part in (f"--{name}", value)]
