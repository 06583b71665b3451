"""Help shows commands by what they are for, options by what they are about, and each summary whole."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import click
import pytest

from hivemind_client_cli import connecting
from hivemind_client_cli.builtin_commands import BUILTIN_COMMANDS
from hivemind_client_cli.command_cache import CommandCache
from hivemind_core_client.plugins.hookspecs import hookimpl

from .tools import install, plugins_of, spawn

GROUPS = ["Talk", "Look", "Set up"]


def sections(text: str) -> dict[str, str]:
    """The sections of a help text by their titles, each as one line."""
    found = re.split(r"^(\S[^\n]*):$", text, flags=re.MULTILINE)[1:]
    return {title: " ".join(body.split()) for title, body in zip(found[::2], found[1::2])}


def names(section: str, text: str) -> list[str]:
    """The commands that a section of the help of the root lists."""
    body = re.split(rf"^{section}:$", text, flags=re.MULTILINE)[1]
    return re.findall(r"^  (\S+)", re.split(r"^(?:\S|  Example:)", body, flags=re.MULTILINE)[0], re.MULTILINE)


class Plugin:
    """Brings a command for each section, and some without one."""

    @hookimpl
    def hivemind_cli_commands(self, cli: Any) -> None:
        @cli.command("chat", section="talk")
        def chat() -> None:
            """Chat about this."""

        @cli.group("door", section="doors")
        def door() -> None:
            """Open a door."""

        @cli.command
        def plain() -> None:
            """Do it without a section."""

        @cli.command("ping")
        def ping() -> None:
            """Ping in another way."""

        cli.add_command(click.Command("peek", help="Peek at it."), section="look")
        cli.add_command(click.Command("old", help="Do what an old plugin does."))


def test_the_groups_of_the_commands(run: Any) -> None:
    shown = run("--help").expect(0).out
    assert [title for title in sections(shown) if title != "Options"] == GROUPS
    listed = [name for section in GROUPS for name in names(section, shown)]
    assert sorted(listed) == sorted(BUILTIN_COMMANDS)
    assert {"terminal", "listen"} <= {*names("Talk", shown)}
    assert {"doctor", "ping"} <= {*names("Look", shown)}
    assert names("Set up", shown)[0] == "identity"


def test_commands_of_plugins_stand_where_they_belong(run: Any) -> None:
    shown = run("--help", plugins=plugins_of(mine=Plugin())).expect(0).out
    assert list(sections(shown)) == ["Options", *GROUPS, "Doors", "From plugins"]
    assert "chat" in names("Talk", shown)
    assert "peek" in names("Look", shown)
    assert names("Doors", shown) == ["door"]
    assert names("From plugins", shown) == ["plain", "old"]
    assert "ping Ping in another way." in sections(shown)["Look"], "where the one stood that it replaces"


@pytest.mark.parametrize("section", ["", " ", 3, "\x1b[2J", ["talk"]], ids=repr)
def test_what_is_no_section_costs_the_plugin_alone(run: Any, section: Any) -> None:
    class Broken:
        @hookimpl
        def hivemind_cli_commands(self, cli: Any) -> None:
            cli.add_command(click.Command("broken", help="Break it."), section=section)

    done = run("--help", plugins=plugins_of(mine=Plugin(), broken=Broken())).expect(0)
    assert "chat" in names("Talk", done.out)
    assert "  broken " not in done.out
    assert "plugin 'broken' could not add its commands" in done.err and "section is" in done.err


def test_the_case_of_a_section_does_not_matter(run: Any) -> None:
    class Loud:
        @hookimpl
        def hivemind_cli_commands(self, cli: Any) -> None:
            cli.add_command(click.Command("shout", help="Shout it."), section="Set Up")

    assert "shout" in names("Set up", run("--help", plugins=plugins_of(mine=Loud())).expect(0).out)


def test_a_kept_command_stays_in_its_section(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = """
from hivemind_core_client.plugins.hookspecs import hookimpl

@hookimpl
def hivemind_cli_commands(cli):
    @cli.command("chat", section="talk")
    def chat():
        "Chat about this."
"""
    folder = tmp_path / "packages"
    folder.mkdir()
    install(folder, "chat", source)
    for _ in range(2):
        assert "chat" in names("Talk", spawn("--help", folders=(folder,)).expect(0).out)
    assert Path(CommandCache().path).parent.is_dir(), "the second time it was kept"


@pytest.mark.parametrize("path", [(), ("trust",), ("plugins",), ("intercom",), ("identity",)], ids="-".join)
def test_no_summary_is_cut(run: Any, path: tuple[str, ...]) -> None:
    shown = run(*path, "--help").expect(0).out
    assert "..." not in shown.partition("\n")[2]


def test_options_of_a_connection_stand_apart(run: Any) -> None:
    shown = sections(run("ping", "--help").expect(0).out)
    assert list(shown) == ["Options", "Connection options", "General options"]
    assert "--count" in shown["Options"] and "--host" not in shown["Options"]
    for option in ("--host", "--password-file", "--identity-file", "--ca-file"):
        assert option in shown["Connection options"]
    for option in ("--json", "--quiet", "--verbose", "--help"):
        assert option in shown["General options"]
    own = sections(run("identity", "set", "--help").expect(0).out)
    assert "--host" in own["Options"] and "Connection options" not in own


def test_so_do_those_of_a_plugin(run: Any) -> None:
    class Ring:
        @hookimpl
        def hivemind_cli_commands(self, cli: Any) -> None:
            @cli.command("ring")
            @click.option("--times", help="How often.")
            @connecting
            def ring(output: Any, client: Any, times: str) -> None:
                """Ring the bell."""

    shown = sections(run("ring", "--help", plugins=plugins_of(mine=Ring())).expect(0).out)
    assert "--times" in shown["Options"] and "--host" in shown["Connection options"]
