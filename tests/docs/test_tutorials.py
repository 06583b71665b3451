"""Each tutorial is followed from an empty folder: its files are written, its commands typed, its output compared."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from hivemind_core_client.testing import EmbeddedHub
from tests.programs import started

from .documents import FOLLOWED, KEY, PASSWORD, ROOT, blocks

#: The longest that anything here may take, in seconds.
PATIENCE = 40
#: What a reader types before, and what is for another machine.
ELSEWHERE = ("python3 -m venv", ". .venv", "pip install", "hivemind-core ")
since_3_10 = pytest.mark.skipif(
    sys.version_info < (3, 10), reason="the asyncio client and Noise need Python 3.10"
)


def _agent(utterance: str) -> str:
    return f"you said: {utterance}"


@pytest.fixture
def hub() -> Iterator[EmbeddedHub]:
    with EmbeddedHub(clients={KEY: PASSWORD}, agent=_agent) as running:
        yield running


class Reader:
    """Follows a tutorial in a folder, with the programs of this environment."""

    def __init__(self, tutorial: str, folder: Path, **variables: str) -> None:
        self.page = ROOT / "docs" / tutorial
        self.folder = folder
        programs = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        self.environment = {**os.environ, "PATH": programs, **variables}
        self._write_files()

    def _write_files(self) -> None:
        lines = self.page.read_text(encoding="utf-8").splitlines()
        for block in blocks(self.page):
            # The fence and an empty line stand between.
            told = re.search(r"[Ww]rite this into `([^`]+)`:$", lines[block.line - 4])
            assert told or block.language != "python", f"{block.name} is in no file"
            if told:
                (self.folder / told[1]).write_text(block.text + "\n", encoding="utf-8")

    def commands(self) -> Iterator[tuple[str, list[str]]]:
        """What is typed here, each with what the tutorial shows of its output."""
        for block in blocks(self.page):
            if block.language == "console":
                for typed in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
                    command, *shown = typed.splitlines()
                    if not command.startswith(ELSEWHERE):
                        yield command, shown

    def types(self, command: str, given: str = "") -> list[str]:
        """Types a command, and returns what it prints."""
        done = subprocess.run(
            ["/bin/sh", "-c", command],
            cwd=self.folder,
            env=self.environment,
            input=given,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
        assert done.returncode == 0, (command, done.stdout, done.stderr)
        return done.stdout.splitlines()

    @contextmanager
    def starts(self, command: str, port: str) -> Iterator[subprocess.Popen[str]]:
        """Starts what stays, at any port in place of `port`. It is killed when it takes too long, or at the end."""
        assert command in dict(self.commands()), command
        with started(
            shlex.split(command.replace(port, "0")),
            seconds=PATIENCE,
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        ) as process:
            yield process


def as_paired(hub: EmbeddedHub) -> dict[str, str]:
    """What `hivemind-client set-identity` leaves behind, but in the environment."""
    values = {"KEY": KEY, "PASSWORD": PASSWORD, "HOST": hub.host, "PORT": str(hub.port)}
    return {f"HIVEMIND_{name}": value for name, value in values.items()}


@pytest.mark.parametrize("name", FOLLOWED)
def test_a_tutorial_is_followed_here(name: str) -> None:
    assert f'Reader("{name}"' in Path(__file__).read_text(encoding="utf-8")


@since_3_10
def test_the_first_satellite(tmp_path: Path) -> None:
    with EmbeddedHub(clients={KEY: PASSWORD}, agent=_agent, versions=(3, 3)) as hub:
        _follow_the_first(hub, tmp_path)


def _follow_the_first(hub: EmbeddedHub, tmp_path: Path) -> None:
    reader = Reader("tutorial-first-satellite.md", tmp_path)
    shown = {}
    for command, output in reader.commands():
        typed = command.replace("ACCESS_KEY", KEY).replace("hub.local", f"ws://{hub.host}:{hub.port}")
        typed = typed.replace("--ask-password", "--password-file -")
        shown[command] = (output, reader.types(typed, given=PASSWORD))
    told, printed = shown["hivemind-client test-identity"]
    assert [re.sub(r"hub [^,]+|AES-GCM|CHACHA20-POLY1305", "…", line) for line in told] == [
        re.sub(r"hub [^,]+|AES-GCM|CHACHA20-POLY1305", "…", line) for line in printed
    ]
    assert reader.types("python ask.py") == ["you said: what time is it"]


@since_3_10
def test_the_service(hub: EmbeddedHub, tmp_path: Path) -> None:
    reader = Reader("tutorial-service.md", tmp_path, **as_paired(hub))
    assert reader.types("python once.py") == dict(reader.commands())["python once.py"]
    with reader.starts("uvicorn service:app --port 8000", port="8000") as process:
        assert process.stdout is not None
        told = next(line for line in process.stdout if "running on" in line)
        url = re.findall(r"http://\S+", told)[0]
        assert _get(f"{url}/ask?text=hello") == (200, {"answer": "you said: hello"})
        hub.stop()
        assert _get(f"{url}/ask?text=hello")[0] == 503
        hub.start()
        hub.wait_for_sessions(1, timeout=20)
        assert _get(f"{url}/ask?text=hello") == (200, {"answer": "you said: hello"})
        process.send_signal(signal.SIGINT)
        assert "Traceback" not in process.communicate(timeout=PATIENCE)[0]


def _get(url: str) -> tuple[int, Any]:
    try:
        with urllib.request.urlopen(url, timeout=PATIENCE) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


@since_3_10
def test_the_bridge(hub: EmbeddedHub, tmp_path: Path) -> None:
    reader = Reader("tutorial-bridge.md", tmp_path, **as_paired(hub))
    reader.types("pytest -p no:cacheprovider test_users.py")
    with reader.starts("python bridge.py 7000", port="7000") as process:
        assert process.stdout is not None
        port = int(process.stdout.readline().split()[-1])
        with _user(port) as ana, _user(port) as rui:
            for who, text in ((ana, "hello"), (rui, "bom dia"), (ana, "good night")):
                who.write(f"{text}\n")
                who.flush()
                assert who.readline() == f"you said: {text}\n"
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=PATIENCE)[0] == "bye\n"


@contextmanager
def _user(port: int) -> Iterator[Any]:
    with closing(socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)) as connection:
        with connection.makefile("rw", encoding="utf-8") as stream:
            yield stream


def test_the_plugin(tmp_path: Path) -> None:
    reader = Reader("tutorial-plugin.md", tmp_path)
    for command, shown in reader.commands():
        printed = reader.types(command)
        assert shown in ([], printed), command
    listed = reader.types("HIVEMIND_CLIENT_PLUGINS_DIR=my-plugins hivemind-client plugins list --json")
    assert "doorbell" in "\n".join(listed)
