"""One program at work: files and credentials of its own, and its processes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Optional

from tests.interop.hubs import Json, RealHub, xdg_environment
from tests.interop.processes import HarnessError, Process, run, wait_until
from tests.interop.specs import Environment

_FOLDER = Path(__file__).parent
#: How long a program may take to start, to connect and to print its answer.
SECONDS = 60.0
_ARRIVES_SECONDS = 10.0
_COMMAND_SECONDS = 60.0

UTTERANCE = "recognizer_loop:utterance"


class Run:
    """A program that the hub knows.

    `key` and `password` are what the hub was told, `host` and `port` where it listens. `venv` is the environment with
    the program and the client of `side`. `home` holds all files of the program: its XDG folders are there.
    """

    def __init__(self, hub: RealHub, home: Path, venv: Environment, side: str, name: str) -> None:
        self.hub = hub
        self.home = home
        self.venv = venv
        self.side = side
        self.name = name
        self.host = f"ws://{hub.host}"
        self.port = hub.port
        self.key = f"key-of-{name}"
        self.password = f"Correct-Horse-{name}-Battery-Staple"
        self.env = xdg_environment(home)
        self.node_id = hub.add_client(name, self.key, self.password)
        self._running: list[Process] = []

    def set_identity(self, site_id: str = "", app: str = "") -> None:
        """Store the credentials as users do: with the `hivemind-client` of the program's environment."""
        options = [
            "--key",
            self.key,
            "--password",
            self.password,
            "--host",
            self.host,
            "--port",
            str(self.port),
        ]
        options += ["--siteid", site_id] if site_id else []
        command = [
            self.venv.command("hivemind-client"),
            *(["--app", app] if app else []),
            "set-identity",
            *options,
        ]
        run(command, _COMMAND_SECONDS, self.env)

    def start(
        self, *command: str, fed: bool = False, variables: Optional[Mapping[str, str]] = None
    ) -> Process:
        """Start a command of the program's environment; what is `fed` has an input. It is ended with this run."""
        process = Process(
            f"{self.name}: {command[0]}",
            [self.venv.command(command[0]), *command[1:]],
            {**self.env, **(variables or {})},
            self.home / f"process{len(self._running)}.log",
            fed,
        )
        self._running.append(process)
        process.start()
        return process

    def script(
        self, name: str, *arguments: str, fed: bool = False, variables: Optional[Mapping[str, str]] = None
    ) -> Process:
        """Start a script of the folder programs/ with the environment's Python."""
        path = _FOLDER / "programs" / f"{name}.py"
        return self.start("python", str(path), *arguments, fed=fed, variables=variables)

    def client_script(self, name: str, *arguments: str, fed: bool = False) -> Process:
        """As `script`, with key, password, host and port before the other arguments."""
        return self.script(name, self.key, self.password, self.host, str(self.port), *arguments, fed=fed)

    def arrived(self, text: str, msg_type: str = UTTERANCE) -> Json:
        """The message that reached the hub's OVOS bus with `text` as its utterance. Raises HarnessError if none did."""
        found: list[Json] = []

        def has_come() -> bool:
            found.extend(one for one in self.hub.seen(msg_type) if text in one["data"].get("utterances", ()))
            return bool(found)

        if not wait_until(has_come, _ARRIVES_SECONDS):
            logs = "\n".join(process.log() for process in self._running)
            raise HarnessError(f"{text!r} did not reach the hub\n{logs}")
        return found[0]

    def log(self) -> str:
        """What all of its processes wrote."""
        return "\n".join(process.log() for process in self._running)

    def stop(self) -> None:
        """End its processes."""
        for process in self._running:
            process.stop()


def is_of_session(message: Json, session_id: str) -> bool:
    """Whether a message on the hub's OVOS bus belongs to a session: hubs put the client before the name of some."""
    found = str(message["context"]["session"]["session_id"])
    return found == session_id or found.endswith(f":{session_id}")


def wait_for_text(process: Process, text: str, seconds: float = SECONDS) -> None:
    """Wait until a process has written `text`. Raises HarnessError, with its log, if it does not."""
    process.wait_for(lambda: text in process.log(), seconds, f"text {text!r}")
