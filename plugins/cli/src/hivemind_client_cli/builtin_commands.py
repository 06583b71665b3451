"""The built-in subcommands: where each is found, and how help describes it before it is imported."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping, MutableMapping
from typing import NamedTuple

import click

from hivemind_client_cli.help_sections import LOOK, SET_UP, TALK

_COMMANDS = "hivemind_client_cli.commands"


class BuiltinCommand(NamedTuple):
    """A subcommand that is imported when it is used. A tuple, since importing attrs takes too long for `--help`."""

    section: str
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


def _of(section: str, **commands: tuple[str, str, str]) -> dict[str, BuiltinCommand]:
    return {name.replace("_", "-"): BuiltinCommand(section, *each) for name, each in commands.items()}


#: In the order in which help shows them.
BUILTIN_COMMANDS: Mapping[str, BuiltinCommand] = {
    **_of(
        TALK,
        ask=("talk", "ask", "Ask the assistant TEXT, and print the answer."),
        say=("talk", "say", "Say TEXT to the assistant, and wait for no answer."),
        terminal=("terminal", "terminal", "Talk to the hub line by line."),
        listen=(
            "listen",
            "listen",
            "Print each message that arrives, one on a line.",
        ),
        send_mycroft=("messages", "send_mycroft", "Send a message to the OVOS bus of the hub."),
        send_file=("send_file", "send_file", "Send the file at PATH to the hub."),
        query=(
            "mesh",
            "query",
            "Ask your hub, then the hubs above it.",
        ),
        cascade=(
            "mesh",
            "cascade",
            "Ask the whole hive, and print every answer and who gave it.",
        ),
        broadcast=("mesh", "broadcast", "Send a message to all satellites of the hub."),
        escalate=(
            "messages",
            "escalate",
            "Send a message up the hive: to the hub, its own hub, and on to the top.",
        ),
        propagate=("messages", "propagate", "Send a message through the whole hive, up and down."),
        intercom=(
            "intercom",
            "intercom",
            "Send messages to one satellite, which no hub on the way can read.",
        ),
    ),
    **_of(
        LOOK,
        demo=("demo", "demo", "Start a hub in this process, pair with it, and ask it UTTERANCE."),
        doctor=(
            "doctor",
            "doctor",
            "Check the connection to the hub step by step, and say how to mend the first step that fails.",
        ),
        ping=("ping", "ping", "Measure round trips to the hub, and draw the map of the hive."),
        outbox=(
            "outbox",
            "outbox",
            "Show, send or remove the messages that wait for the hub in the file of an outbox.",
        ),
        plugins=(
            "plugins",
            "plugins",
            "List the plugins, print the hooks for authors, check a plugin, or write a new one.",
        ),
    ),
    **_of(
        SET_UP,
        identity=("identity_group", "identity", "Set, show and test the credentials of this satellite."),
        profile=(
            "profile",
            "profile",
            "Save all settings of a connection under a name.",
        ),
        trust=(
            "trust",
            "trust",
            "Choose whose signatures this satellite trusts.",
        ),
        forget_server=(
            "forget_server",
            "forget_server",
            "Forget the pinned static key and TLS certificate of the hub at HOST.",
        ),
        completion=(
            "completion",
            "completion",
            "Print the script for your shell that completes hivemind-client with the Tab key.",
        ),
        set_identity=("identity", "set_identity", "The same as 'identity set'."),
        show_identity=("identity", "show_identity", "The same as 'identity show'."),
        test_identity=("check_identity", "test_identity", "The same as 'identity test'."),
        reset_pgp=("identity", "reset_pgp", "The same as 'identity reset-keys'."),
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
