"""`plugins check`: the conformance kit for an installed plugin, a file or a module; `plugins hooks`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click
import pytest

from hivemind_client_cli import DoctorCheck, Finding, connecting, plugin
from hivemind_client_cli.plugin_checks import TRIALS
from hivemind_core_client.errors import NotConnected
from hivemind_core_client.plugins import hookspecs
from hivemind_core_client.plugins.hookspecs import hookimpl, hookspec
from hivemind_core_client.testing.plugin_checks import checks_of

from .tools import BROKEN, install, plugins_of, spawn

BELL = """
from hivemind_core_client import HiveMessageType
from hivemind_core_client.plugins.contract import MessageHandler
from hivemind_core_client.plugins.hookspecs import hookimpl

@hookimpl
def hivemind_message_handlers():
    return [MessageHandler(HiveMessageType.THIRDPRTY, "bell", receive)]

def receive(context, message):
    {body}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "packages"
    folder.mkdir()
    return folder


def test_an_installed_plugin(folder: Path) -> None:
    install(folder, "door_bell", BELL.format(body="return []"))
    done = spawn("plugins", "check", "Door.Bell", folders=(folder,)).expect(0)
    assert done.out.splitlines() == [
        "ok         loads",
        "ok         hook hivemind_message_handlers",
        "ok         handler bell of 3rdparty",
        "3 checks, none failed",
    ]


def test_what_is_wrong_is_told_with_exit_code_1(folder: Path) -> None:
    install(folder, "bell", BELL.format(body="return message.payload['rings']"))
    done = spawn("plugins", "check", "bell", "--json", folders=(folder,)).expect(1)
    assert done.json["failed"] == 1
    assert done.json["checks"][-1] == {
        "check": "handler bell of 3rdparty",
        "state": "failed",
        "fault": done.json["checks"][-1]["fault"],
    }
    assert done.json["checks"][-1]["fault"].startswith("bell: receive returns a int: return a list")
    assert "1 of 3 checks failed" in spawn("plugins", "check", "bell", folders=(folder,)).expect(1).out


def test_one_that_cannot_be_imported(folder: Path) -> None:
    install(folder, "broken", BROKEN)
    done = spawn("plugins", "check", "broken", folders=(folder,)).expect(1)
    assert "failed     loads: raises RuntimeError: broken on purpose" in done.out


def test_a_file_and_a_module(folder: Path, run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "bell_in_a_file.py").write_text(BELL.format(body="return []"))
    assert run("plugins", "check", str(folder / "bell_in_a_file.py"), "--json").expect(0).json["failed"] == 0
    monkeypatch.syspath_prepend(folder)
    assert run("plugins", "check", "bell_in_a_file", "--json").expect(0).json["failed"] == 0
    (folder / "leaves.py").write_text("import sys\nsys.exit(3)")
    assert "loads: raises SystemExit: 3" in run("plugins", "check", "leaves").expect(1).out


def test_a_package_that_is_not_installed(folder: Path, run: Any) -> None:
    package = folder / "bell_in_a_package"
    package.mkdir()
    (package / "__init__.py").write_text("from .hooks import hivemind_message_handlers")
    (package / "hooks.py").write_text(BELL.format(body="return []"))
    for name in (package, package / "__init__.py"):
        assert run("plugins", "check", str(name), "--json").expect(0).json["failed"] == 0
    assert str(folder) not in sys.path


def test_a_project_as_plugins_new_writes_it(
    tmp_path: Path, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("plugins", "new", "in-a-project", "--kind", "observer", "--dir", str(tmp_path)).expect(0)
    project = tmp_path / "hivemind-client-in-a-project"
    assert run("plugins", "check", str(project), "--json").expect(0).json["failed"] == 0
    monkeypatch.chdir(project)
    assert "none failed" in run("plugins", "check", ".").expect(0).out
    (project / "src" / "another").mkdir()
    (project / "src" / "another" / "__init__.py").write_text("")
    refused = run("plugins", "check", ".").expect(2).err
    assert "has several packages: another, hivemind_client_in_a_project. Name one of them" in refused


def test_what_is_not_there(run: Any, tmp_path: Path) -> None:
    done = run("plugins", "check", "nonsense").expect(2)
    assert "there is neither an installed plugin nor a module 'nonsense'. Name " in done.err
    missing = run("plugins", "check", str(tmp_path / "bell.py")).expect(2)
    assert "is neither a file nor a package. Name a file that ends with .py, a folder" in missing.err
    assert "is neither" in run("plugins", "check", str(tmp_path)).expect(2).err


def test_built_in_plugins_and_our_own_pass(run: Any) -> None:
    for name in ("builtin_bus", "builtin-encodings"):
        assert run("plugins", "check", name, "--json").expect(0).json["failed"] == 0


class Hooks:
    """A plugin with every hook of the command line."""

    def __init__(self, help: str = "Ring.", check: Any = None) -> None:
        self.help, self.check = help, check

    @hookimpl
    def hivemind_cli_commands(self, cli: click.Group) -> None:
        cli.add_command(click.Command("ring", help=self.help))

    @hookimpl
    def hivemind_cli_ready(self, group: click.Group) -> None:
        group.commands["ping"].params.append(click.Option(["--loud"], is_flag=True))

    @hookimpl
    def hivemind_doctor_checks(self) -> list[Any]:
        return [DoctorCheck("bell", self.check)] if callable(self.check) else [self.check or 5]


def faults(hooks: Hooks) -> dict[str, str]:
    return {check.name: check.fault for check in checks_of(hooks, TRIALS)}


def test_the_hooks_of_the_command_line() -> None:
    assert faults(Hooks(check=lambda client: Finding("ok"))) == {
        "loads": "",
        "hook hivemind_cli_commands": "",
        "command ring": "",
        "hook hivemind_cli_ready": "",
        "hook hivemind_doctor_checks": "",
        "doctor check bell": "",
    }


@pytest.mark.parametrize("arguments", ["client, output", "client, times", "out, output"])
def test_arguments_the_wrong_way_round_are_told(arguments: str) -> None:
    made: dict[str, Any] = {}
    exec(f"def ring({arguments}): 'Ring.'", made)

    class Swapped:
        @hookimpl
        def hivemind_cli_commands(self, cli: click.Group) -> None:
            cli.command("ring")(connecting(made["ring"]))

    (fault,) = [check.fault for check in checks_of(Swapped(), TRIALS) if check.fault]
    assert fault.endswith("ring has its arguments the wrong way round: write ring(output, client, …)")


def asks_the_hub(client: Any) -> Finding:
    raise NotConnected("there is no hub")


@pytest.mark.parametrize(
    ("hooks", "name", "fault"),
    [
        (Hooks(help=""), "command ring", "has no help: give its function a docstring"),
        (Hooks(), "item of hivemind_doctor_checks", "a int is no DoctorCheck"),
        (Hooks(check=lambda client: "fine"), "doctor check bell", "returns a str: return a Finding"),
        (Hooks(check=lambda client: client.nonsense), "doctor check bell", "raises AttributeError"),
        (Hooks(check=asks_the_hub), "doctor check bell", ""),
    ],
)
def test_what_is_wrong_with_them(hooks: Hooks, name: str, fault: str) -> None:
    found = faults(hooks)[name]
    assert found.startswith(fault) and bool(found) is bool(fault)


def test_a_hook_that_raises_is_told() -> None:
    class Broken:
        @hookimpl
        def hivemind_cli_commands(self, cli: click.Group) -> None:
            sys.exit(3)

        @hookimpl
        def hivemind_cli_ready(self, group: click.Group) -> None:
            raise ValueError("not today")

    found = {check.name: check.fault for check in checks_of(Broken(), TRIALS)}
    assert "SystemExit" in found["hook hivemind_cli_commands"]
    assert found["hook hivemind_cli_ready"] == "raises ValueError: not today"


# --- the hooks


def test_every_hook_is_printed_with_its_contract(run: Any) -> None:
    data = run("plugins", "hooks", "--json", plugins=plugins_of(cli=plugin)).expect(0).json["hooks"]
    found = {each["name"]: each for each in data}
    assert {name for name in vars(hookspecs) if name.startswith("hivemind_")} <= set(found)
    for each in data:
        assert each["signature"].startswith("(") and each["purpose"] and each["called"] and each["example"]
    assert found["hivemind_cli_ready"]["signature"] == "(group: click.Group) -> None"
    ciphers = found["hivemind_ciphers"]
    assert (ciphers["signature"], ciphers["returns"]) == ("() -> list[Cipher]", "list[Cipher]")
    assert ciphers["called"].startswith("once for each selection") and "Cipher(" in ciphers["example"]
    assert found["hivemind_addhooks"]["plugins"] == ["cli"]


def test_the_hooks_of_another_plugin_are_among_them(run: Any) -> None:
    class Specs:
        @hookspec
        def my_greetings(self, language: str) -> list[str]:
            """Return greetings.

            Called: at dawn,
            every day.
            """

    class Greeter:
        @hookimpl
        def hivemind_addhooks(self, pluginmanager: Any) -> None:
            pluginmanager.add_hookspecs(Specs)

    done = run("plugins", "hooks", "my_greetings", plugins=plugins_of(greeter=Greeter()))
    assert done.expect(0).out == (
        "my_greetings(language: str) -> list[str]\n"
        "    Return greetings.\n"
        "    called:  at dawn, every day.\n"
        "    from:    Specs\n"
    )
    refused = run("plugins", "hooks", "nonsense").expect(2)
    assert "there is no hook 'nonsense' (there are: " in refused.err and "hivemind_ciphers" in refused.err


def test_the_list_is_a_subcommand_too(run: Any) -> None:
    plain, named = run("plugins", "--json").expect(0).json, run("plugins", "list", "--json").expect(0).json
    assert plain == named
    assert run("plugins", "--json", "list").expect(0).json == plain
    chain = ("--chain", "bus", "--json")
    assert run("plugins", *chain).expect(0).json == run("plugins", "list", *chain).expect(0).json
    assert "write it behind 'list'" in run("plugins", "--chain", "bus", "list").expect(2).err
