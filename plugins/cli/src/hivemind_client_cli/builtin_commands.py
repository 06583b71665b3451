"""The built-in subcommands: where each is found, and how help describes it before it is imported."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping, MutableMapping
from typing import NamedTuple

import click

_COMMANDS = "hivemind_client_cli.commands"


class BuiltinCommand(NamedTuple):
    """A subcommand that is imported when it is used. A tuple, since importing attrs takes too long for `--help`."""

    module: str
    attribute: str
    #: The first sentence of its help.
    summary: str

    def load(self) -> click.Command:
        """The subcommand itself."""
        command: click.Command = getattr(
            importlib.import_module(f"{_COMMANDS}.{self.module}"), self.attribute
        )
        return command


BUILTIN_COMMANDS: Mapping[str, BuiltinCommand] = {
    "demo": BuiltinCommand("demo", "demo", "Pair with a hub inside this process and ask it UTTERANCE."),
    "set-identity": BuiltinCommand(
        "identity",
        "set_identity",
        "Note the credentials of this satellite and the address of its hub.",
    ),
    "show-identity": BuiltinCommand(
        "identity", "show_identity", "Show what the identity file holds; secrets are masked."
    ),
    "reset-pgp": BuiltinCommand(
        "identity",
        "reset_pgp",
        "Replace the RSA key pair of this satellite; peers that trust the old key trust it no more.",
    ),
    "test-identity": BuiltinCommand(
        "check_identity", "test_identity", "Connect, say what was agreed on, and leave."
    ),
    "terminal": BuiltinCommand("terminal", "terminal", "Talk to the hub line by line."),
    "send-mycroft": BuiltinCommand("messages", "send_mycroft", "Send a message to the OVOS bus of the hub."),
    "escalate": BuiltinCommand(
        "messages",
        "escalate",
        "Send a message up the hive: to the hub, its own hub, and on to the top.",
    ),
    "propagate": BuiltinCommand(
        "messages", "propagate", "Send a message through the whole hive, up and down."
    ),
    "query": BuiltinCommand(
        "mesh",
        "query",
        "Ask up the hive: the first hub on the way to the top that knows an answer gives it.",
    ),
    "cascade": BuiltinCommand(
        "mesh",
        "cascade",
        "Ask the whole hive, and print every answer with the name of who gave it.",
    ),
    "broadcast": BuiltinCommand("mesh", "broadcast", "Send a message to all satellites of the hub."),
    "intercom": BuiltinCommand(
        "intercom",
        "intercom",
        "Messages from one satellite to another that no hub between them can read.",
    ),
    "ping": BuiltinCommand(
        "ping",
        "ping",
        "Measure round trips to the hub with WebSocket pings, and draw the map of the hive with a PING flood.",
    ),
    "plugins": BuiltinCommand(
        "plugins",
        "plugins",
        "List the plugins, print the hooks for authors, check a plugin, or write a new one.",
    ),
    "doctor": BuiltinCommand(
        "doctor",
        "doctor",
        "Check the way to the hub step by step, and say what mends the first that fails.",
    ),
    "trust": BuiltinCommand(
        "trust",
        "trust",
        "Say whose signatures count: of INTERCOM messages, and of what others pass on.",
    ),
    "forget-server": BuiltinCommand(
        "forget_server",
        "forget_server",
        "Forget the static key that is pinned for the hub at HOST, port 5678 unless given.",
    ),
    "listen": BuiltinCommand(
        "listen",
        "listen",
        "Print each message that arrives, a line each; with --json an object each.",
    ),
    "send-file": BuiltinCommand("send_file", "send_file", "Send the file at PATH to the hub."),
    "completion": BuiltinCommand(
        "completion",
        "completion",
        "Print the script that lets SHELL complete hivemind-client with the Tab key.",
    ),
}


class LazyCommands(MutableMapping[str, click.Command]):
    """Subcommands by name. The built-in ones are imported when they are asked for.

    What is set here goes before a built-in one of the same name, which is back when that is deleted.
    """

    def __init__(self) -> None:
        self.added: dict[str, click.Command] = {}

    def __getitem__(self, name: str) -> click.Command:
        command = self.added.get(name)
        return BUILTIN_COMMANDS[name].load() if command is None else command

    def __setitem__(self, name: str, command: click.Command) -> None:
        self.added[name] = command

    def __delitem__(self, name: str) -> None:
        del self.added[name]

    def __iter__(self) -> Iterator[str]:
        return iter({**BUILTIN_COMMANDS, **self.added})

    def __len__(self) -> int:
        return len({*BUILTIN_COMMANDS, *self.added})

    def __contains__(self, name: object) -> bool:
        return name in self.added or name in BUILTIN_COMMANDS
