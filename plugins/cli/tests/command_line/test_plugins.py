"""Subcommands from plugins, and the command that lists them."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import click
import pytest

import hivemind_client_cli
from hivemind_client_cli import Connection, Output, connecting, plugin
from hivemind_client_cli.main import build_cli
from hivemind_core_client.errors import KeyRefused
from hivemind_core_client.message import HiveMessageType, HiveMindBinaryPayloadType
from hivemind_core_client.plugins.contract import BinaryHandler, MessageHandler, MessageType
from hivemind_core_client.plugins.hookspecs import hookimpl

from .fakes import FakeClient, spoken
from .tools import BROKEN, Done, completed, install, plugins_of, spawn

HELLO = """
import click
from hivemind_core_client.plugins.hookspecs import hookimpl

@hookimpl
def hivemind_cli_commands(cli):
    @cli.command()
    def {name}():
        click.echo("hello from {name}")
"""
FAILING = """
from hivemind_core_client.plugins.hookspecs import hookimpl

@hookimpl
def hivemind_cli_commands(cli):
    raise ValueError("will not")
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "packages"
    folder.mkdir()
    return folder


def module(**members: Any) -> ModuleType:
    made = ModuleType("made")
    for name, member in members.items():
        setattr(made, name, member)
    return made


def bringing(*names: str, error: Exception | None = None) -> ModuleType:
    """A plugin whose hook brings these commands, and then raises."""

    @hookimpl
    def hook(cli: click.Group) -> None:
        for name in names:
            cli.add_command(click.Command(name, callback=lambda name=name: click.echo(f"third-party {name}")))
        if error is not None:
            raise error

    return module(hivemind_cli_commands=hook)


def test_a_subcommand_of_an_installed_plugin(folder: Path) -> None:
    install(folder, "hello", HELLO.format(name="hello"))
    assert spawn("hello", folders=(folder,)).expect(0) == Done(0, "hello from hello\n", "")
    assert "hello" in spawn("--help", folders=(folder,)).expect(0).out


def test_a_plugin_that_prints_does_not_mix_with_results(folder: Path) -> None:
    install(folder, "hello", f"print('hello from the module')\n{HELLO.format(name='hello')}")
    done = spawn("plugins", "--json", folders=(folder,)).expect(0)
    assert {row["name"]: row for row in done.json["plugins"]}["hello"]["state"] == "loaded"
    assert "hello from the module" in done.err


def test_broken_plugins_harm_nobody(folder: Path) -> None:
    install(folder, "hello", HELLO.format(name="hello"))
    install(folder, "broken", BROKEN)
    install(folder, "failing", FAILING)
    done = spawn("hello", folders=(folder,)).expect(0)
    assert done.out == "hello from hello\n"
    assert "failing" in done.err
    assert "will not" in done.err
    data = spawn("plugins", "--json", folders=(folder,)).expect(0).json
    found = {row["name"]: row for row in data["plugins"]}
    assert found["hello"]["provides"] == ["command hello"]
    assert found["hello"]["version"] == "1.2"
    assert found["broken"]["state"] == found["failing"]["state"] == "failed"
    assert "broken on purpose" in found["broken"]["error"]
    assert "will not" in found["failing"]["error"]
    table = spawn("plugins", folders=(folder,)).expect(0).out
    assert "broken on purpose" in table
    assert "provides command hello" in table


SELECTIONS = [
    ({"HIVEMIND_CLIENT_PLUGINS": ""}, "not selected"),
    ({"HIVEMIND_CLIENT_PLUGINS": "other"}, "not selected"),
    ({"HIVEMIND_CLIENT_PLUGINS_BLOCK": "hello,cli"}, "blocked"),
]


@pytest.mark.parametrize(("variables", "state"), SELECTIONS)
def test_builtin_commands_survive_any_selection(folder: Path, variables: dict[str, str], state: str) -> None:
    install(folder, "hello", HELLO.format(name="hello"))
    spawn("hello", folders=(folder,), **variables).expect(2)
    data = spawn("plugins", "--json", folders=(folder,), **variables).expect(0).json
    states = {row["name"]: row["state"] for row in data["plugins"]}
    assert states["hello"] == state
    if "cli" in states:  # where this plugin is installed, and not only found on the path
        assert states["cli"] == f"{state}, in use"


def test_a_third_party_command_replaces_a_builtin_one(run: Any) -> None:
    for order in ({"cli": plugin, "x": bringing("ping")}, {"x": bringing("ping"), "cli": plugin}):
        done = run("ping", "--verbose", plugins=plugins_of(**order))
        assert done.code == 2, "the replacement has no such option"
        assert "command 'ping' of plugin 'x' replaces that of 'cli'" in done.err
        assert run("ping", plugins=plugins_of(**order)).expect(0).out == "third-party ping\n"
        data = run("plugins", "--json", plugins=plugins_of(**order)).expect(0).json
        assert data["conflicts"][-1] == {"kind": "command", "name": "ping", "winner": "x", "losers": ["cli"]}


def test_a_plugin_that_fails_midway_leaves_nothing(run: Any) -> None:
    plugins = plugins_of(x=bringing("ping", "extra", error=ValueError("no")))
    assert (
        "plugin 'x' could not add its commands: ValueError: no" in run("show-identity", plugins=plugins).err
    )
    run("extra", plugins=plugins).expect(2)
    assert "--count" in run("ping", "--help", plugins=plugins).expect(0).out


def test_a_hook_with_wrong_arguments_fails_alone(run: Any) -> None:
    @hookimpl
    def hook(parser: Any) -> None:
        raise AssertionError("never called")

    wrong, right = module(hivemind_cli_commands=hook), bringing("extra")
    done = run("plugins", "--json", plugins=plugins_of(x=wrong, y=right, cli=plugin)).expect(0)
    rows = {row["name"]: row for row in done.json["plugins"]}
    assert rows["x"]["state"] == "failed" and "parser (it has: cli)" in rows["x"]["error"]
    assert rows["cli"]["state"] == rows["y"]["state"] == "loaded"
    assert "command extra" in rows["y"]["provides"]


def handling(kind: Any, served: Any, wraps: bool = False, **functions: Any) -> ModuleType:
    """A plugin with one handler."""
    hook = "hivemind_message_handlers" if kind is MessageHandler else "hivemind_binary_handlers"
    handler = kind(served, "made", print, wraps=wraps, **functions)
    return module(**{hook: hookimpl(lambda: [handler])})


def test_the_chain_of_a_type_is_shown(run: Any) -> None:
    bus = HiveMessageType.BUS
    plugins = plugins_of(
        zeta=handling(MessageHandler, bus, wraps=True, on_send=print),
        two=handling(MessageHandler, bus),
        alpha=handling(MessageHandler, bus, wraps=True),
        one=handling(MessageHandler, bus),
        keep=handling(BinaryHandler, HiveMindBinaryPayloadType.FILE),
    )
    assert run("plugins", "--chain", "bus", plugins=plugins).expect(0).out.splitlines() == [
        "bus: 1. alpha wraps (receive) as 'made'",
        "bus: 2. zeta wraps (receive, on_send) as 'made'",
        "bus: 3. one handles (receive) as 'made'",
        "bus: not used: the handler of two",
    ]
    data = run("plugins", "--chain", "BUS", "--json", plugins=plugins).expect(0).json
    assert (data["type"], data["unused"]) == ("bus", ["two"])
    assert [each["plugin"] for each in data["chain"]] == ["alpha", "zeta", "one"]
    assert data["chain"][1] == {
        "plugin": "zeta",
        "name": "made",
        "wraps": True,
        "functions": ["receive", "on_send"],
    }
    assert (
        run("plugins", "--chain", "file", plugins=plugins).out
        == "FILE: 1. keep handles (receive) as 'made'\n"
    )
    assert run("plugins", "--chain", "intercom", plugins=plugins).out == "intercom: no plugin handles it\n"
    for unknown in ("nonsense", "bin"):
        assert "there is no such type" in run("plugins", "--chain", unknown, plugins=plugins).expect(2).err


def test_the_chain_of_a_type_that_a_plugin_brings(run: Any) -> None:
    tide = MessageType("shore.tide")
    shore = module(
        hivemind_message_types=hookimpl(lambda: [tide]),
        hivemind_message_handlers=hookimpl(lambda: [MessageHandler("shore.tide", "made", print)]),
    )
    done = run("plugins", "--chain", "shore.tide", plugins=plugins_of(shore=shore))
    assert done.expect(0).out == "shore.tide: 1. shore handles (receive) as 'made'\n"


def test_types_of_a_chain_are_completed() -> None:
    assert completed("hivemind-client plugins --chain f") == ["FILE"]
    assert completed("hivemind-client plugins --chain bu") == ["bus"]


def test_what_is_missing_is_told(run: Any) -> None:
    done = run("plugins").expect(0)
    assert "no plugin provides" in done.err
    assert "no plugin provides" in run("plugins", "--json").expect(0).json["problem"]


def test_a_subcommand_with_a_connection(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    client = FakeClient(spoken)
    given: list[Connection] = []
    monkeypatch.setattr(Connection, "client", lambda connection: given.append(connection) or client)

    @click.command()
    @click.option("--rings", default=1, help="How often.")
    @connecting
    def ring(output: Output, client: Any, rings: int) -> None:
        """Ring."""
        assert client.connected_event.is_set()
        output.result({"rings": rings}, f"{rings} rings at {client.hub.node_id}")

    plugins = plugins_of(x=module(hivemind_cli_commands=hookimpl(lambda cli: cli.add_command(ring))))
    args = ("ring", "--rings", "2", "--host", "h", "--port", "99", "--key", "k")
    assert run(*args, plugins=plugins).expect(0).out == "2 rings at hub-1\n"
    assert (given[0].host, given[0].port, given[0].key) == ("h", 99, "k")
    assert client.closed
    assert run(*args, "--json", plugins=plugins).expect(0).json == {"rings": 2}
    client.refusal = KeyRefused("the key")
    assert run(*args, plugins=plugins).expect(3).err == "error: the key\n"


def test_the_package_has_no_other_names() -> None:
    assert not hasattr(hivemind_client_cli, "nonsense")


def test_the_hook_is_documented() -> None:
    cli = build_cli(plugins_of())
    assert cli.owners["plugins"] == "cli"
    from hivemind_client_cli import hookspecs

    assert hookspecs.hivemind_cli_commands.__doc__
