"""Every command, in groups too, has help with an example that can be typed."""

from __future__ import annotations

import copy
import re
import shlex
from collections.abc import Iterator

import click
import pytest

from hivemind_client_cli.main import build_cli

from .tools import plugins_of

ROOT = "hivemind-client"


def tree(command: click.Command, path: tuple[str, ...] = (ROOT,)) -> Iterator[tuple[str, click.Command]]:
    """Every command with its path, groups included."""
    yield " ".join(path), command
    if isinstance(command, click.Group):
        for name, each in command.commands.items():
            yield from tree(each, (*path, name))


CLI = build_cli(plugins_of())
COMMANDS = dict(tree(CLI))


def found(words: list[str]) -> tuple[click.Command, list[str]]:
    """The command that `words` name, and what is left of them."""
    command: click.Command = CLI
    while isinstance(command, click.Group) and words and words[0] in command.commands:
        command, words = command.commands[words[0]], words[1:]
    return command, words


def test_the_tree_is_whole() -> None:
    assert {f"{ROOT} trust add", f"{ROOT} doctor", f"{ROOT} listen", ROOT} <= {*COMMANDS}


@pytest.mark.parametrize("path", COMMANDS)
def test_an_epilog_with_an_example_that_can_be_typed(path: str) -> None:
    command = COMMANDS[path]
    example = re.search(r"Example: (.+)", command.epilog or "")
    assert example is not None, path
    # Behind a pipe, or before a redirection.
    typed = re.search(rf"({ROOT} [^|>]*)", example[1])
    assert typed is not None, example[1]
    chosen, words = found(shlex.split(typed[1])[1:])
    assert chosen in (command, *getattr(command, "commands", {}).values()), "an example of this very command"
    checked = copy.copy(chosen)
    checked.params = [copy.copy(parameter) for parameter in chosen.params]
    for parameter in checked.params:
        parameter.callback = None
        parameter.type = click.STRING if isinstance(parameter.type, click.Path) else parameter.type
    checked.parse_args(click.Context(checked, info_name=path), words)


@pytest.mark.parametrize("path", COMMANDS)
def test_help_of_each(path: str) -> None:
    command = COMMANDS[path]
    text = command.get_help(click.Context(command, info_name=path))
    assert len((command.help or "").strip()) > 20
    for option in ("--json", "--quiet", "--verbose"):
        assert option in text
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, parameter.name


def test_exit_codes_are_told() -> None:
    text = " ".join(CLI.get_help(click.Context(CLI, info_name=ROOT)).split())
    for code in ("0 done", "1 failed", "2 wrong usage", "3 refused", "4 unreachable", "130 Ctrl-C"):
        assert code in text
    for name in ("listen", "doctor", "send-file", "terminal"):
        assert re.search(r"[Ee]xit\s+code", CLI.commands[name].help or ""), name
