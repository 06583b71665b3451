"""`hivemind_cli_ready`: the last word of a plugin when all commands stand."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click
import pytest

from hivemind_client_cli.main import build_cli
from hivemind_core_client.plugins.hookspecs import hookimpl

from .tools import install, plugins_of, spawn

ADDING = """
import click
from hivemind_core_client.plugins.hookspecs import hookimpl

@hookimpl
def hivemind_cli_ready(group):
    command = group.commands["completion"]
    command.params.append(click.Option(["--loud"], is_flag=True, expose_value=False, callback=shout))

def shout(ctx, param, value):
    if value:
        click.echo("LOUD", err=True)
"""


def bell() -> click.Command:
    return click.Command("bell", callback=lambda **given: click.echo(f"rings {given}"))


def adding(name: str) -> SimpleNamespace:
    """A plugin that adds an option to the command `bell` of another."""

    @hookimpl
    def ready(group: click.Group) -> None:
        group.commands["bell"].params.append(click.Option([f"--{name}"], default=1))

    return SimpleNamespace(hivemind_cli_ready=ready)


@pytest.mark.parametrize("name", ["aa", "zz"])
def test_an_option_on_the_command_of_another_plugin_whatever_the_names(run: Any, name: str) -> None:
    bringing = SimpleNamespace(hivemind_cli_commands=hookimpl(lambda cli: cli.add_command(bell())))
    plugins = plugins_of(**{"mm": bringing, name: adding(name)})
    assert run("bell", f"--{name}", "5", plugins=plugins).expect(0).out == f"rings {{'{name}': 5}}\n"


@pytest.mark.parametrize("name", ["alpha", "zulu"])
def test_an_option_on_a_built_in_command_by_an_installed_plugin(tmp_path: Path, name: str) -> None:
    install(tmp_path, name, ADDING)
    assert "LOUD" in spawn("completion", "bash", "--loud", folders=(tmp_path,)).expect(0).err
    assert "--loud" in spawn("completion", "--help", folders=(tmp_path,)).expect(0).out
    assert "completion" in spawn("--help", folders=(tmp_path,)).expect(0).out
    spawn("completion", "bash", "--loud").expect(2)


def test_a_command_may_be_added_and_the_group_be_left_out() -> None:
    called = []
    plugins = plugins_of(
        x=SimpleNamespace(hivemind_cli_ready=hookimpl(lambda group: group.add_command(bell()))),
        y=SimpleNamespace(hivemind_cli_ready=hookimpl(lambda: called.append(1))),
    )
    cli = build_cli(plugins)
    assert cli.owners["bell"] == "x" and called == [1]


def test_one_that_raises_leaves_the_commands_of_its_first_hook(run: Any) -> None:
    @hookimpl
    def ready(group: click.Group) -> None:
        group.add_command(click.Command("extra"))
        raise KeyError("no such command")

    plugins = plugins_of(
        x=SimpleNamespace(
            hivemind_cli_commands=hookimpl(lambda cli: cli.add_command(bell())), hivemind_cli_ready=ready
        )
    )
    done = run("bell", plugins=plugins).expect(0)
    assert done.out == "rings {}\n" and "plugin 'x'" in done.err and "no such command" in done.err
    run("extra", plugins=plugins).expect(2)


def test_one_with_wrong_arguments_fails_alone(run: Any) -> None:
    wrong = SimpleNamespace(hivemind_cli_ready=hookimpl(lambda cli: None))
    adds = SimpleNamespace(hivemind_cli_ready=hookimpl(lambda group: group.add_command(bell())))
    plugins = plugins_of(x=wrong, y=adds)
    assert run("bell", plugins=plugins).expect(0).out == "rings {}\n"
    (failed,) = [info for info in plugins.report if info.state == "failed"]
    assert failed.name == "x" and "hivemind_cli_ready has arguments that the hook lacks: cli" in failed.error
