"""Each program of examples/, started as its reader starts it, with real input and output."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any
from urllib.error import HTTPError

import pytest

from hivemind_core_client.testing import EmbeddedHub
from tests import programs

from .documents import KEY, PASSWORD, ROOT, page

EXAMPLES = ROOT / "examples"
SATELLITE, BOT, SERVICE = EXAMPLES / "minimal_satellite.py", EXAMPLES / "chat_bot.py", "fastapi_app"
#: The longest that anything here may take, in seconds.
PATIENCE = 40


def agent(utterance: str) -> list[str] | None:
    """Answers all but `hum`, to `count` with two sentences."""
    if utterance == "hum":
        return None
    return ["one", "two"] if utterance == "count" else [f"you said: {utterance}"]


def health(url: str) -> str:
    with urllib.request.urlopen(f"{url}/health", timeout=PATIENCE) as response:
        return str(json.load(response)["hub"])


@pytest.fixture
def hub() -> Iterator[EmbeddedHub]:
    with EmbeddedHub(clients={KEY: PASSWORD}, agent=agent) as running:
        yield running


def environment(hub: EmbeddedHub, key: str = KEY) -> dict[str, str]:
    variables = {"KEY": key, "PASSWORD": PASSWORD, "HOST": hub.host, "PORT": str(hub.port)}
    return {**os.environ, **{f"HIVEMIND_{name}": value for name, value in variables.items()}}


@contextmanager
def started(*command: str, hub: EmbeddedHub, **pipes: Any) -> Iterator[subprocess.Popen[str]]:
    """A program of examples/, paired with the hub by its environment."""
    line = [sys.executable, *command]
    with programs.started(
        line, seconds=PATIENCE, env=environment(hub), stdin=subprocess.PIPE, **pipes
    ) as process:
        yield process


def the(stream: IO[str] | None) -> IO[str]:
    assert stream is not None
    return stream


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.name)
def test_an_example_is_started_here_and_listed(path: Path) -> None:
    assert path.name in {SATELLITE.name, BOT.name, f"{SERVICE}.py"}
    assert f"(../examples/{path.name})" in page("docs/examples.md")


# the minimal satellite


def test_the_minimal_satellite_says_its_input_and_prints_what_is_spoken(hub: EmbeddedHub) -> None:
    done = subprocess.run(
        [sys.executable, str(SATELLITE)],
        input="hello\ncount\n",
        env=environment(hub),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.stdout.splitlines() == ["you said: hello", "one", "two"]
    assert (done.stderr, done.returncode) == ("", 0)


def test_the_minimal_satellite_tells_why_it_cannot(hub: EmbeddedHub) -> None:
    done = subprocess.run(
        [sys.executable, str(SATELLITE)],
        input="hello\n",
        env=environment(hub, key="nobodys-key"),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert (done.stdout, done.returncode) == ("", 1)
    assert "refused the access key" in done.stderr
    assert "Traceback" not in done.stderr


# the chat bot


class Chat:
    """An IRC server with one channel, and the bot as its only real member."""

    def __init__(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._listening.settimeout(PATIENCE)
        self.port = self._listening.getsockname()[1]
        self._bot: socket.socket
        self._lines: IO[str]

    def welcome(self) -> list[str]:
        """Let the bot in; returns what it said to be let in."""
        self._bot, _ = self._listening.accept()
        self._bot.settimeout(PATIENCE)
        self._lines = self._bot.makefile(encoding="utf-8", newline="\r\n")
        said = [self.line(), self.line()]
        self.send(":chat 001 bot :Welcome")
        return [*said, self.line()]

    def say(self, nick: str, text: str, target: str = "#home") -> None:
        self.send(f":{nick}!{nick}@example.org PRIVMSG {target} :{text}")

    def send(self, command: str) -> None:
        self._bot.sendall(f"{command}\r\n".encode())

    def line(self) -> str:
        return self._lines.readline().rstrip("\r\n")

    def close(self) -> None:
        self._listening.close()
        if hasattr(self, "_bot"):
            self._lines.close()
            self._bot.close()


@pytest.fixture
def chat() -> Iterator[Chat]:
    room = Chat()
    yield room
    room.close()


@pytest.fixture
def bot(hub: EmbeddedHub, chat: Chat) -> Iterator[subprocess.Popen[str]]:
    options = ("--server", "127.0.0.1", "--port", str(chat.port), "--channel", "#home", "--nick", "bot")
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with started(str(BOT), *options, hub=hub, **pipes) as process:
        assert chat.welcome() == ["NICK bot", "USER bot 0 * :HiveMind", "JOIN #home"]
        yield process


def test_the_chat_bot_answers_each_user_in_a_session_of_their_own(
    hub: EmbeddedHub, chat: Chat, bot: subprocess.Popen[str]
) -> None:
    chat.say("ana", "hello")
    assert chat.line() == "PRIVMSG #home :ana: you said: hello"
    chat.say("rui", "bom dia")
    assert chat.line() == "PRIVMSG #home :rui: you said: bom dia"
    chat.say("rui", "not for the channel", target="bot")
    chat.send("PING :are you there")
    assert chat.line() == "PONG :are you there"
    said = hub.wait_for("recognizer_loop:utterance", count=2)
    assert [one["context"]["session"]["session_id"] for one in said] == ["irc-ana", "irc-rui"]
    assert len(said) == 2


def test_what_the_hub_speaks_gives_no_commands_to_the_server(
    hub: EmbeddedHub, chat: Chat, bot: subprocess.Popen[str]
) -> None:
    from ovos_bus_client.message import Message

    hub.broadcast(Message("speak", {"utterance": "good\r\nQUIT :morning"}))
    assert chat.line() == "PRIVMSG #home :good QUIT :morning"
    hub.broadcast(Message("speak", {"utterance": "ü" * 1000}))
    assert chat.line() == f"PRIVMSG #home :{'ü' * 200}"


def test_the_chat_bot_says_so_when_the_hub_is_away_and_ends_with_the_chat(
    hub: EmbeddedHub, chat: Chat, bot: subprocess.Popen[str]
) -> None:
    hub.stop()
    chat.say("ana", "hello")
    assert chat.line() == "PRIVMSG #home :ana: I cannot ask just now"
    chat.close()
    assert bot.wait(PATIENCE) == 0
    assert "Traceback" not in the(bot.stderr).read()


def test_the_chat_bot_says_that_it_is_the_irc_server_that_is_not_there(hub: EmbeddedHub, chat: Chat) -> None:
    chat.close()
    options = ("--server", "127.0.0.1", "--port", str(chat.port), "--channel", "#home")
    with started(str(BOT), *options, hub=hub, stderr=subprocess.PIPE) as process:
        told = the(process.stderr).read()
        assert process.wait(PATIENCE) == 1
    assert told.startswith(f"the IRC server 127.0.0.1:{chat.port} is away: ")
    assert "Traceback" not in told


# the web service


@pytest.fixture
def service(hub: EmbeddedHub) -> Iterator[str]:
    """The address of the running service, which must end in good order."""
    with serving(hub) as (url, process):
        yield url
        ended(process)


@contextmanager
def serving(hub: EmbeddedHub) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """The service, with its address."""
    command = ("-m", "uvicorn", "--app-dir", str(EXAMPLES), f"{SERVICE}:app", "--port", "0")
    with started(*command, hub=hub, stderr=subprocess.PIPE) as process:
        log = []
        for line in the(process.stderr):
            log.append(line)
            running = re.search(r"running on (http://\S+)", line)
            if running is not None:
                break
        else:
            pytest.fail("".join(log))
        yield running[1], process


def ended(process: subprocess.Popen[str]) -> str:
    """End the service, which must go in good order; returns what it logged."""
    process.send_signal(signal.SIGINT)
    rest = the(process.stderr).read()
    assert "Application shutdown complete" in rest
    assert "Traceback" not in rest
    return rest


def post(url: str, utterance: str) -> tuple[int, dict[str, Any]]:
    request = urllib.request.Request(
        f"{url}/say", json.dumps({"utterance": utterance}).encode(), {"Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE) as response:
            return response.status, json.load(response)
    except HTTPError as error:
        with error:
            return error.code, json.load(error)


def test_the_web_service_answers_with_what_is_spoken(hub: EmbeddedHub, service: str) -> None:
    assert post(service, "hello") == (200, {"speech": ["you said: hello"]})
    assert post(service, "count") == (200, {"speech": ["one", "two"]})
    assert post(service, "")[0] == 422
    status, told = post(service, "hum")
    assert (status, "answer" in told["detail"]) == (504, True)


def test_the_web_service_keeps_many_requests_apart(hub: EmbeddedHub, service: str) -> None:
    asked = [f"question {number}" for number in range(20)]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda text: post(service, text), asked))
    assert answers == [(200, {"speech": [f"you said: {text}"]}) for text in asked]
    assert hub.sessions == 1


def test_the_web_service_says_so_when_the_hub_is_away_and_goes_on_when_it_is_back(
    hub: EmbeddedHub, service: str
) -> None:
    hub.stop()
    assert post(service, "hello")[0] == 503
    hub.start()
    hub.wait_for_sessions(1, timeout=20)
    assert post(service, "hello") == (200, {"speech": ["you said: hello"]})


def test_the_web_service_logs_that_the_hub_refuses_by_now_what_it_took_before(hub: EmbeddedHub) -> None:
    with serving(hub) as (url, process):
        hub.stop()
        with EmbeddedHub(clients={"another-key": PASSWORD}, port=hub.port):
            end = time.monotonic() + PATIENCE
            while "refused the access key" not in (answer := post(url, "hello"))[1].get("detail", ""):
                assert time.monotonic() < end, answer
            assert answer[0] == 503
            assert health(url) == "reconnecting"
        log = ended(process)
    assert "no session with the hub: " in log
    assert "refused the access key" in log
