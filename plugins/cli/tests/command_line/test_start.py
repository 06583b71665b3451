"""`--help` and `--version` import next to nothing, and show what is true all the same."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import click
import pytest

import hivemind_client_cli
import hivemind_core_client
from hivemind_client_cli.builtin_commands import BUILTIN_COMMANDS
from hivemind_client_cli.command_cache import FOLDER_VARIABLE, SELECTION_PREFIX
from hivemind_client_cli.command_summary import CommandSummary
from hivemind_client_cli.entry_point_files import GROUP, KNOWN, names_other_plugins
from hivemind_client_cli.help_sections import summary_of
from hivemind_client_cli.main import build_cli
from hivemind_core_client.plugins import hookspecs, manager, single_files

from .tools import environment, spawn

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PLUGINS = Path(__file__).resolve().parents[3]
FORBIDDEN = ("attr", "email", "importlib.metadata", "msgspec", "pluggy")


def imported(*args: str) -> set[str]:
    """The modules that the command imports with these arguments."""
    program = f"""
import sys
from hivemind_client_cli.main import main
sys.argv = ["hivemind-client", *{args!r}]
try:
    main()
finally:
    print(*sys.modules, file=sys.stderr)
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=50,
        check=True,
    )
    return {*done.stderr.split()}


@pytest.mark.parametrize("args", ["--help", "-h", "--version"])
def test_little_is_imported(args: str) -> None:
    spawn(args).expect(0)  # keeps the names of what the journal brings, if that is installed
    modules = imported(args)
    assert not modules & {*FORBIDDEN}
    assert not [name for name in modules if name.startswith("hivemind_core_client.")]
    assert not [name for name in modules if name.startswith("hivemind_client_cli.commands")]


@pytest.mark.parametrize("name", BUILTIN_COMMANDS)
def test_the_table_says_what_the_command_says(name: str) -> None:
    listed = BUILTIN_COMMANDS[name]
    command = listed.load()
    assert isinstance(command, click.Command)
    assert command.name == name
    assert summary_of(CommandSummary(name, listed.summary).stand_in()) == summary_of(command)
    assert not command.hidden


def test_the_table_is_whole() -> None:
    folder = Path(hivemind_client_cli.__file__).parent / "commands"
    made, inner = set(), set()
    for path in folder.glob("[!_]*.py"):
        module = importlib.import_module(f"hivemind_client_cli.commands.{path.stem}")
        commands = {each for each in vars(module).values() if isinstance(each, click.Command)}
        made |= commands
        for group in commands:
            inner |= {*group.commands.values()} if isinstance(group, click.Group) else set()
    assert made - inner == {each.load() for each in BUILTIN_COMMANDS.values()}


def test_names_that_are_misspelt_are_compared_with_all() -> None:
    assert "ping" in build_cli().commands
    refusal = spawn("test-identiti").expect(2).err
    assert "No such command 'test-identiti'" in refusal
    if "Did you mean" in refusal:  # click says so from 8.5 on
        assert "'test-identity'" in refusal


@pytest.mark.parametrize("package", [hivemind_client_cli, hivemind_core_client])
def test_the_version_is_that_of_the_distribution(package: object) -> None:
    folder = PLUGINS / "cli" if package is hivemind_client_cli else PLUGINS.parent
    project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    version = getattr(package, "__version__", None)
    assert version == project["version"]
    assert f"{project['name']} {version}\n" in spawn("--version").expect(0).out


def test_words_that_are_written_twice_agree() -> None:
    assert hookspecs.PROJECT == GROUP
    assert manager.SELECT_VARIABLE.startswith(SELECTION_PREFIX)
    assert manager.BLOCK_VARIABLE.startswith(SELECTION_PREFIX)
    assert single_files.FOLDER_VARIABLE == FOLDER_VARIABLE
    assert FOLDER_VARIABLE.startswith(SELECTION_PREFIX)


OURS = sorted([PLUGINS.parent / "pyproject.toml", *PLUGINS.glob("*/pyproject.toml")])


@pytest.mark.parametrize("path", OURS, ids=lambda path: path.parent.name)
def test_our_own_plugins_are_known_where_they_bring_no_subcommands(path: Path, tmp_path: Path) -> None:
    project = tomllib.loads(path.read_text(encoding="utf-8"))["project"]
    entries = project["entry-points"].get(GROUP, {})
    bringing = {
        name: hasattr(importlib.import_module(module), "hivemind_cli_commands")
        for name, module in entries.items()
    }
    assert bringing == {name: not module.startswith(KNOWN) for name, module in entries.items()}
    file = tmp_path / "entry_points.txt"
    file.write_text("\n".join([f"[{GROUP}]", *(f"{name} = {module}" for name, module in entries.items())]))
    assert names_other_plugins(str(file)) is any(bringing.values())


@pytest.mark.parametrize(
    ("text", "other"),
    [
        ("[console_scripts]\nx = y\n", False),
        (f"[{GROUP}]\nx = y\n", True),
        (f"[ {GROUP} ]\n\nx=y:z\n", True),
        (f"[console_scripts]\nx = y\n[{GROUP}]\ncli = hivemind_client_cli.plugin\n", False),
        (f"[{GROUP}]\ncli = hivemind_client_cli.plugin\nx = y\n", True),
        (f"[{GROUP}.other]\nx = y\n", False),
        ("\udcff", True),
    ],
)
def test_entry_points_of_others_are_found(tmp_path: Path, text: str, other: bool) -> None:
    file = tmp_path / "entry_points.txt"
    file.write_text(text, encoding="utf-8", errors="surrogateescape")
    assert names_other_plugins(str(file)) is other
