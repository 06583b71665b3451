"""Rows about `hivemind-client`, run as its users run it: a process, its output and its exit code."""

from __future__ import annotations

import json

from .hubs import RealHub
from .processes import free_port
from .satellite import Satellite
from .silent import silent_port
from .table import COMMAND_LINE, behaviour

REFUSED = 3
UNREACHABLE = 4

_SAY = ("send-mycroft", "--msg", "recognizer_loop:utterance", "--payload")


@behaviour("`set-identity` stores it, `test-identity` exits 0", COMMAND_LINE)
def identity(hub: RealHub, satellite: Satellite) -> None:
    satellite.set_identity()
    satellite.command("test-identity").expect(0)


@behaviour("`send-mycroft --wait speak` prints the answer", COMMAND_LINE)
def send_and_wait(hub: RealHub, satellite: Satellite) -> None:
    satellite.set_identity()
    payload = json.dumps({"utterances": ["from the command line"]})
    done = satellite.command(*_SAY, payload, "--wait", "speak").expect(0)
    assert "you said: from the command line" in done.stdout, str(done)


@behaviour("`send-mycroft --json --wait speak` prints JSON and nothing else", COMMAND_LINE)
def send_and_wait_json(hub: RealHub, satellite: Satellite) -> None:
    satellite.set_identity()
    payload = json.dumps({"utterances": ["as JSON"]})
    done = satellite.command(*_SAY, payload, "--wait", "speak", "--json").expect(0)
    assert "you said: as JSON" in json.dumps(json.loads(done.stdout)), str(done)


@behaviour("`terminal` fed by a pipe prints the answers", COMMAND_LINE)
def terminal(hub: RealHub, satellite: Satellite) -> None:
    satellite.set_identity()
    done = satellite.command("terminal", stdin="first line\nsecond line\n").expect(0)
    for text in ("you said: first line", "you said: second line"):
        assert text in done.stdout, str(done)


@behaviour("`ping` shows the round trip", COMMAND_LINE)
def ping(hub: RealHub, satellite: Satellite) -> None:
    satellite.set_identity()
    done = satellite.command("ping").expect(0)
    assert " ms" in done.stdout, str(done)


@behaviour("`escalate` exits 0, or 1 and says so if the hub drops the connection", COMMAND_LINE)
def escalate(hub: RealHub, satellite: Satellite) -> None:
    satellite.set_identity()
    done = satellite.command("escalate", "--msg", "my.alarm")
    if done.exit_code:
        assert "dropped the connection on 'my.alarm'" in done.expect(1).stderr, str(done)


@behaviour("wrong key: exit code 3", COMMAND_LINE)
def wrong_key(hub: RealHub, satellite: Satellite) -> None:
    satellite.set_identity(key="key-of-nobody")
    _expect_everywhere(satellite, REFUSED)


@behaviour("wrong password: exit code 3", COMMAND_LINE)
def wrong_password(hub: RealHub, satellite: Satellite) -> None:
    satellite.set_identity(password="Another-Horse-Another-Staple")
    _expect_everywhere(satellite, REFUSED)


@behaviour("nobody listens: exit code 4", COMMAND_LINE)
def wrong_port(hub: RealHub, satellite: Satellite) -> None:
    satellite.set_identity(port=str(free_port()))
    _expect_everywhere(satellite, UNREACHABLE)


@behaviour("a port that accepts and stays silent: exit code 4", COMMAND_LINE)
def silent(hub: RealHub, satellite: Satellite) -> None:
    with silent_port() as port:
        satellite.set_identity(port=str(port))
        satellite.command("test-identity").expect(UNREACHABLE)


def _expect_everywhere(satellite: Satellite, exit_code: int) -> None:
    satellite.command("test-identity").expect(exit_code)
    satellite.command("ping").expect(exit_code)
    satellite.command(*_SAY, '{"utterances": ["hello"]}').expect(exit_code)
