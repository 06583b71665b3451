"""`--trace`, of every command that connects: what the connection does, on stderr, without secrets or contents."""

from __future__ import annotations

from typing import Any

import click
import pytest

from hivemind_client_cli.builtin_commands import BUILTIN_COMMANDS
from hivemind_core_client.testing import EmbeddedHub

from .tools import KEY, PASSWORD

SAID = "what nobody else shall read"


def test_phases_and_frames(run: Any) -> None:
    with EmbeddedHub(clients={KEY: PASSWORD}, agent=lambda text: f"you said: {text}") as hub:
        login = ("--host", hub.url, "--key", KEY, "--password", PASSWORD)
        payload = f'{{"utterances": ["{SAID}"]}}'
        asked = ("--msg", "recognizer_loop:utterance", "--payload", payload, "--wait", "speak")
        done = run("send-mycroft", *asked, *login, "--trace").expect(0)
        quiet = run("send-mycroft", *asked, *login, "--json").expect(0)
    lines = done.err.splitlines()
    assert [line for line in lines if "phase   handshake begins" in line]
    assert [line for line in lines if "frame   → " in line and "recognizer_loop:utterance" in line]
    assert SAID in done.out and SAID not in done.err
    assert KEY not in done.err and PASSWORD not in done.err
    assert "phase" not in quiet.err


def test_the_demo(run: Any) -> None:
    assert "handshake done" in run("demo", "--trace").expect(0).err


def leaves(name: str, command: click.Command) -> dict[str, click.Command]:
    """The command, or the commands in it, by their whole names."""
    if not isinstance(command, click.Group):
        return {name: command}
    found = {name: command}
    for inner, each in command.commands.items():
        found.update(leaves(f"{name} {inner}", each))
    return found


COMMANDS = {
    full: each
    for name, known in BUILTIN_COMMANDS.items()
    for full, each in leaves(name, known.load()).items()
}


@pytest.mark.parametrize("name", COMMANDS)
def test_who_connects_can_be_traced(name: str) -> None:
    options = {option for param in COMMANDS[name].params for option in param.opts}
    connects = "--cipher" in options or name == "demo"
    assert ("--trace" in options) is connects
