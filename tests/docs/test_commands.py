"""Every command line in the documentation is one that can be typed."""

from __future__ import annotations

import copy
import re
import shlex
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import click
import pytest

from hivemind_client_cli.main import build_cli
from hivemind_core_client.plugins.manager import load_plugins

from .documents import ROOT, all_blocks, inline_code, pages, prose

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

#: Commands of hivemind-core 4.0.0 that the pages use, with their options.
HUB_COMMANDS = {
    "add-client": {"--name", "--access-key", "--password", "--crypto-key", "--admin"},
    "allow-broadcast": set(),
    "allow-escalate": set(),
    "allow-msg": set(),
    "allow-propagate": set(),
    "list-clients": set(),
    "listen": set(),
    "make-admin": set(),
    "reset-noise-pin": set(),
}
#: Commands that belong to the system.
SYSTEM = {
    ".",
    "cd",
    "cp",
    "echo",
    "export",
    "git",
    "hivemind-presence",
    "grep",
    "install",
    "journalctl",
    "mkdir",
    "nc",
    "pytest",
    "systemctl",
    "uvicorn",
}


def _lines() -> list[tuple[str, str]]:
    found = []
    for block in all_blocks("console"):
        text = block.text.replace("\\\n", " ")
        found += [(block.name, line[2:]) for line in text.splitlines() if line.startswith("$ ")]
    return found


def _words(line: str) -> list[list[str]]:
    """The commands of a line, each as its words, without the variables set before it."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars="|;&<>")
    lexer.whitespace_split = True
    commands: list[list[str]] = [[]]
    for word in lexer:
        if set(word) <= set("<>"):
            next(lexer)  # the file that is read or written
        elif set(word) <= set("|;&"):
            commands.append([])
        elif commands[-1] or not re.match(r"^[A-Z_]+=", word):
            commands[-1].append(word)
    return [words for words in commands if words]


def _check_option(command: click.Command, words: list[str]) -> None:
    """Raises click.UsageError for an option that the command does not have, or a value it does not take."""
    command = copy.copy(command)
    command.params = [copy.copy(parameter) for parameter in command.params]
    for parameter in command.params:
        parameter.callback = None  # callbacks act: they print, ask, or read files
        parameter.type = click.STRING if isinstance(parameter.type, click.Path) else parameter.type
    command.parse_args(click.Context(command, info_name=command.name), list(words))


@cache
def _cli() -> click.Group:
    """The command, with what the distributions beside the root bring."""
    return build_cli(load_plugins(["discovery", "journal"]))


def _check_client(words: list[str]) -> None:
    cli = _cli()
    if words[:1] == ["--app"]:
        words = words[2:]
    if not words or words[0].startswith("-"):
        assert set(words) <= {"--help", "-h", "--version"}
        return
    command = cli.commands.get(words[0])
    assert command is not None, f"hivemind-client has no command {words[0]!r}"
    arguments = [word for word in words[1:] if word not in ("--help", "-h")]
    if len(arguments) == len(words) - 1:
        _check_option(command, arguments)


def _check_hub(words: list[str]) -> None:
    assert words[0] in HUB_COMMANDS, words
    options = {word for word in words[1:] if word.startswith("-")}
    assert options <= HUB_COMMANDS[words[0]], words


def _check_make(words: list[str]) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert {word for word in words if "=" not in word} <= targets, words


def _check_pip(words: list[str]) -> None:
    assert words[0] in ("install", "list", "uninstall", "wheel"), words
    if words[0] == "uninstall":
        assert {word for word in words[1:] if not word.startswith("-")} <= _distributions(), words
    with (ROOT / "pyproject.toml").open("rb") as file:
        extras = set(tomllib.load(file)["project"]["optional-dependencies"])
    for word in words[1:]:
        named = re.search(r"hivemind-core-client\[([^]]+)\]|^\.\[([^]]+)\]", word)
        if named is not None:
            assert set((named[1] or named[2]).split(",")) <= extras, word
        if word.startswith("./"):
            assert words[words.index(word) - 1] == "-e" or "-e" not in words, word
            assert (ROOT / word / "pyproject.toml").is_file(), word


def _distributions() -> set[str]:
    """The names of all distributions of the repository."""
    found = set()
    for path in (
        ROOT / "pyproject.toml",
        *ROOT.glob("plugins/*/pyproject.toml"),
        ROOT / "compat/pyproject.toml",
    ):
        with path.open("rb") as file:
            found.add(tomllib.load(file)["project"]["name"])
    return found


def _check_python(words: list[str]) -> None:
    written = re.findall(
        r"^(?:.* w|W)rite this into `([^`]+)`:$", "\n".join(map(prose, pages())), re.MULTILINE
    )
    assert words[0] in ("-m", "-c", *written) or (ROOT / words[0]).is_file(), words


def _check_docker(words: list[str]) -> None:
    """What follows the name of the image is for the command that it starts."""
    assert words[0] in ("build", "exec", "logs", "run"), words
    if words[0] == "run":
        _check_client(words[words.index("hivemind-client") + 1 :])
    elif words[0] == "exec":
        assert words[2] == "hivemind-client", words
        _check_client(words[3:])
    elif words[0] == "build":
        assert (ROOT / words[-1] / "Dockerfile").is_file(), words


def _check_sudo(words: list[str]) -> None:
    """The command behind the options and variables of sudo, wherever it lies."""
    while words[0].startswith("-") or "=" in words[0]:
        words = words[2 if words[0] == "-u" else 1 :]
    name = Path(words[0]).name
    if name == "install":
        assert all((ROOT / word).is_file() for word in words if word.startswith("deploy/")), words
    elif name not in SYSTEM:
        CHECKS[name](words[1:])


CHECKS: dict[str, Callable[[list[str]], object]] = {
    "docker": _check_docker,
    "sudo": _check_sudo,
    "systemd-sysusers": lambda words: None,
    "hivemind-client": _check_client,
    "hivemind-core": _check_hub,
    "make": _check_make,
    "pip": _check_pip,
    "python": _check_python,
    "python3": _check_python,
    "pytest": lambda words: None,
}


@pytest.mark.parametrize(("where", "line"), _lines())
def test_a_command_line_can_be_typed(where: str, line: str) -> None:
    for name, *words in _words(line):
        if name not in SYSTEM:
            CHECKS[name](words)


@pytest.mark.parametrize("path", pages(), ids=lambda path: str(path.relative_to(ROOT)))
def test_commands_in_the_prose_exist(path: Path) -> None:
    commands = set(_cli().commands)
    for code in inline_code(path):
        for name in re.findall(r"hivemind-client ([a-z][a-z-]*)", code):
            assert name in commands, code
        for name in re.findall(r"hivemind-core ([a-z][a-z-]*)", code):
            assert name in HUB_COMMANDS, code
        for target in re.findall(r"^make ([a-z-]+)$", code):
            _check_make([target])


def _anchors(path: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", prose(path), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", pages(), ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(path)):
        if re.match(r"^[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        found = (path.parent / name) if name else path
        # Written by `make interop`, and there once it has run.
        assert found.exists() or found.name == "interop.md", target
        if anchor and found.suffix == ".md":
            assert anchor in _anchors(found), target
