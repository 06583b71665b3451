"""The names that `--help` keeps: true again after every change, harmless when broken, and never run."""

from __future__ import annotations

import json
import os
import shutil
import site
import stat
import subprocess
from pathlib import Path
from typing import Any, Callable

import pytest

from hivemind_client_cli import command_cache
from hivemind_client_cli.command_cache import CommandCache
from hivemind_client_cli.command_summary import CommandSummary

from .tools import BROKEN, command, completed, environment, install, spawn

SOURCE = """
import click
from hivemind_core_client.plugins.hookspecs import hookimpl

with open({marker!r}, "a") as marker:
    marker.write("x")

@hookimpl
def hivemind_cli_commands(cli):
    @cli.command()
    def {name}():
        \"\"\"Greet from {name}. Kindly.\"\"\"
        click.echo("hello from {name}")

    @cli.command(hidden=True)
    def secretly():
        pass
"""


class Installed:
    """A folder of packages with a plugin that counts how often it is imported."""

    def __init__(self, home: Path) -> None:
        self.folder = home / "packages"
        self.folder.mkdir()
        self.marker = home / "marker"
        self.cache_home = home / "cache"
        self.write("hello")

    def write(self, command: str) -> None:
        """Install the plugin with this command, in the place of what was there."""
        shutil.rmtree(self.folder / "hivemind_hello-1.2.dist-info", ignore_errors=True)
        install(self.folder, "hello", SOURCE.format(marker=str(self.marker), name=command))

    def help(self, **variables: str) -> str:
        return spawn("--help", folders=(self.folder,), **variables).expect(0).out

    def remove(self) -> None:
        shutil.rmtree(self.folder / "hivemind_hello-1.2.dist-info")

    def loaded(self) -> int:
        """How often the plugin was imported since this was asked last."""
        count = len(self.marker.read_text()) if self.marker.exists() else 0
        self.marker.unlink(missing_ok=True)
        return count

    @property
    def file(self) -> Path:
        (file,) = (self.cache_home / "hivemind").glob("commands-*.json")
        return file


@pytest.fixture
def installed(home: Path) -> Installed:
    return Installed(home)


def test_the_second_help_loads_nothing(installed: Installed) -> None:
    first = installed.help()
    assert installed.loaded() == 1
    assert "hello          Greet from hello." in first
    assert "secretly" not in first
    assert installed.help() == first
    assert installed.loaded() == 0
    assert stat.S_IMODE(installed.file.stat().st_mode) == 0o600
    assert stat.S_IMODE(installed.file.parent.stat().st_mode) == 0o700


def test_completing_a_name_asks_the_cache(installed: Installed) -> None:
    path = environment(installed.folder)["PYTHONPATH"]
    assert completed("hivemind-client hel", PYTHONPATH=path) == ["hello"]
    assert installed.loaded() == 1
    assert completed("hivemind-client hel", PYTHONPATH=path) == ["hello"]
    assert completed("hivemind-client secr", PYTHONPATH=path) == []
    assert installed.loaded() == 0


def test_where_no_plugin_brings_subcommands_nothing_is_kept(home: Path) -> None:
    packages = home / "packages"
    packages.mkdir()
    for folder in site.getsitepackages():
        for entry in Path(folder).iterdir():
            if "journal" not in entry.name and not (packages / entry.name).exists():
                (packages / entry.name).symlink_to(entry)
    python, *call = command("--help")
    done = subprocess.run(
        [python, "-S", *call],
        env=environment(packages),
        capture_output=True,
        text=True,
        timeout=50,
        check=True,
    )
    assert "  ping  " in done.stdout and "  journal  " not in done.stdout
    assert not (home / "cache").exists()


def test_help_is_true_after_a_change(installed: Installed) -> None:
    assert "  hello  " in installed.help()
    installed.write("longer")
    assert "  longer  " in installed.help()
    assert "  hello  " not in installed.help(HIVEMIND_CLIENT_PLUGINS_BLOCK="hello")
    installed.remove()
    assert "  longer  " not in installed.help()


def test_a_plugin_in_a_package_of_its_own_is_looked_at_whole(installed: Installed) -> None:
    package = installed.folder / "plugin_hello"
    (installed.folder / "plugin_hello.py").unlink()
    package.mkdir()
    (package / "__init__.py").write_text("from plugin_hello.commands import hivemind_cli_commands")
    inner = package / "commands.py"
    inner.write_text(SOURCE.format(marker=str(installed.marker), name="hello"))
    assert "  hello  " in installed.help()
    inner.write_text(SOURCE.format(marker=str(installed.marker), name="longer"))
    assert "  longer  " in installed.help()


def test_a_replaced_command_is_described_by_who_replaces_it(installed: Installed) -> None:
    installed.write("ping")
    for _ in range(2):
        shown = installed.help()
        assert "Greet from ping." in shown
        assert "Measure round trips" not in shown


@pytest.mark.parametrize("source", [BROKEN, SOURCE.replace("@cli.command()", "raise ValueError")])
def test_what_is_wrong_is_told_every_time(installed: Installed, source: str) -> None:
    install(installed.folder, "broken", source.format(marker=os.devnull, name="x"))
    for _ in range(2):
        done = spawn("--help", folders=(installed.folder,)).expect(0)
        assert "broken" in done.err
        assert "  hello  " in done.out
    assert not installed.cache_home.exists()


def test_a_selection_of_what_is_not_there_is_told_every_time(installed: Installed) -> None:
    for _ in range(2):
        done = spawn("--help", folders=(installed.folder,), HIVEMIND_CLIENT_PLUGINS="nonsense").expect(0)
        assert "nonsense" in done.err


def test_verbose_help_tells_what_is_replaced(installed: Installed) -> None:
    installed.write("ping")
    installed.help()
    done = spawn("--verbose", "--help", folders=(installed.folder,)).expect(0)
    assert "command 'ping' of plugin 'hello' replaces that of" in done.err


def forge(file: Path, commands: list[Any]) -> None:
    kept = json.loads(file.read_text())
    kept["commands"] = commands
    file.write_text(json.dumps(kept))


def test_what_is_kept_is_never_run(installed: Installed) -> None:
    installed.help()
    forge(installed.file, [["ghost", "Boo.", None, False, False, None]])
    assert "  ghost  " in installed.help()
    done = spawn("ghost", folders=(installed.folder,)).expect(2)
    assert "ghost" in done.err
    assert spawn("hello", folders=(installed.folder,)).expect(0).out == "hello from hello\n"


def test_nowhere_to_keep_it(installed: Installed) -> None:
    installed.cache_home.write_text("a file where a folder should be")
    for _ in range(2):
        done = spawn("--help", folders=(installed.folder,)).expect(0)
        assert "  hello  " in done.out
        assert done.err == ""


KEPT = [
    CommandSummary("hello", "Greet.", None, False, False, "talk"),
    CommandSummary("x", None, "X", True, True),
]


def kept() -> Path:
    """Keep something, as `--help` does; returns the file."""
    cache = CommandCache()
    cache.write(KEPT, [__file__])
    assert CommandCache().read() == KEPT
    return Path(cache.path)


@pytest.fixture
def on_path(installed: Installed, monkeypatch: pytest.MonkeyPatch) -> Installed:
    """The same, seen from this process."""
    monkeypatch.syspath_prepend(str(installed.folder))
    return installed


def add(on_path: Installed, monkeypatch: pytest.MonkeyPatch) -> None:
    install(on_path.folder, "other", "")


def edit_metadata(on_path: Installed, monkeypatch: pytest.MonkeyPatch) -> None:
    file = on_path.folder / "hivemind_hello-1.2.dist-info" / "entry_points.txt"
    file.write_text("[console_scripts]\nx = y\n")


CHANGES: dict[str, Callable[[Installed, pytest.MonkeyPatch], object]] = {
    "added": add,
    "edited": edit_metadata,
    "installed anew": lambda on_path, monkeypatch: on_path.write("hello"),
    "removed": lambda on_path, monkeypatch: on_path.remove(),
    "selected": lambda on_path, monkeypatch: monkeypatch.setenv("HIVEMIND_CLIENT_PLUGINS", "hello"),
    "blocked": lambda on_path, monkeypatch: monkeypatch.setenv("HIVEMIND_CLIENT_PLUGINS_BLOCK", "hello"),
    "another folder": lambda on_path, monkeypatch: monkeypatch.syspath_prepend("/nonexistent"),
    "an archive": lambda on_path, monkeypatch: monkeypatch.syspath_prepend(__file__),
    "another version": lambda on_path, monkeypatch: monkeypatch.setattr(command_cache, "__version__", "9"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_what_has_changed_is_found_out_anew(
    on_path: Installed,
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[Installed, pytest.MonkeyPatch], object],
) -> None:
    kept()
    change(on_path, monkeypatch)
    assert CommandCache().read() is None


def test_a_module_that_has_changed(on_path: Installed) -> None:
    module = on_path.folder / "plugin_hello.py"
    CommandCache().write(KEPT, [str(module)])
    assert CommandCache().read() == KEPT
    module.write_text("changed = True")
    assert CommandCache().read() is None


def into_a_folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


def into_a_pipe(file: Path) -> None:
    file.unlink()
    os.mkfifo(file, 0o600)


def into_a_loop(file: Path) -> None:
    file.unlink()
    file.symlink_to(file)


HARM: list[Callable[[Path], object]] = [
    lambda file: file.write_bytes(b""),
    lambda file: file.write_bytes(b"\xff\xfe"),
    lambda file: file.write_text("[" * 100000),
    lambda file: file.write_text("[]"),
    lambda file: file.write_text("null"),
    lambda file: file.write_text(json.dumps({**json.loads(file.read_text()), "modules": []})),
    lambda file: file.write_text(json.dumps({**json.loads(file.read_text()), "modules": {"\0": "x"}})),
    lambda file: file.write_text(json.dumps({**json.loads(file.read_text()), "commands": {"a": 1}})),
    lambda file: file.write_text(file.read_text() + " " * 2**21),
    lambda file: forge(file, [1]),
    lambda file: forge(file, [[]]),
    lambda file: forge(file, [[None, "x", None, False, False, None]]),
    lambda file: forge(file, [["\x1b[2J", "x", None, False, False, None]]),
    lambda file: forge(file, [["x", 1, None, False, False, None]]),
    lambda file: forge(file, [["x", None, None, [], False, None]]),
    lambda file: forge(file, [["x", None, None, False, 0, None]]),
    lambda file: forge(file, [["x", None, None, False, False, 0]]),
    lambda file: forge(file, [["x", None, None, False, False, "\x1b[2J"]]),
    lambda file: file.chmod(0o644),
    lambda file: file.chmod(0o620),
    into_a_folder,
    into_a_pipe,
    into_a_loop,
]


@pytest.mark.parametrize("harm", HARM, ids=range(len(HARM)))
def test_a_broken_cache_is_not_believed(on_path: Installed, harm: Callable[[Path], object]) -> None:
    harm(kept())
    assert CommandCache().read() is None


def test_a_broken_cache_does_no_harm(installed: Installed) -> None:
    shown = installed.help()
    forge(installed.file, [1])
    done = spawn("--help", folders=(installed.folder,)).expect(0)
    assert (done.out, done.err) == (shown, "")
    assert installed.loaded() == 2
    assert installed.help() == shown
    assert installed.loaded() == 0, "it has been mended"
