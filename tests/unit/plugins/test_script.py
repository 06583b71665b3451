"""The script `hivemind-client`: the root distribution has it, and the plugin for the command line has the commands."""

from __future__ import annotations

import importlib.metadata
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from hivemind_core_client.plugins import command_line
from hivemind_core_client.wire import errors

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[3]
SCRIPT = "hivemind-client"


def without(monkeypatch: pytest.MonkeyPatch, module: str) -> None:
    """Make this module, and what is imported of it, one that is not installed."""
    for name in [name for name in sys.modules if name.split(".")[0] == "hivemind_client_cli"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, module, None)  # type: ignore[arg-type]  # what Python reads as: there is none


def scripts_of(project: Path) -> dict[str, Any]:
    scripts: dict[str, Any] = tomllib.loads(project.read_text("utf-8"))["project"].get("scripts", {})
    return scripts


def test_the_root_distribution_alone_has_the_script() -> None:
    """Were there two owners, removing one would take the script of the other."""
    root = ROOT / "pyproject.toml"
    others = [*ROOT.glob("plugins/*/pyproject.toml"), ROOT / "compat" / "pyproject.toml"]
    assert [str(project) for project in others if SCRIPT in scripts_of(project)] == []
    entry = importlib.metadata.EntryPoint(SCRIPT, scripts_of(root)[SCRIPT], "console_scripts")
    assert entry.load() is command_line.main


def test_it_runs_the_command_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", [SCRIPT, "--version"])
    with pytest.raises(SystemExit) as left:
        command_line.main()
    assert left.value.code == 0
    assert re.fullmatch(r"hivemind-client-cli \S+\nhivemind-core-client \S+\n", capsys.readouterr().out)


@pytest.mark.parametrize("in_clone", [True, False])
def test_without_the_plugin_it_says_in_one_line_how_to_get_it(
    in_clone: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    without(monkeypatch, "hivemind_client_cli")
    clone = tmp_path / "clone"
    monkeypatch.setattr(errors, "__file__", str(clone / "hivemind_core_client/wire/errors.py"))
    if in_clone:
        (clone / "plugins/cli").mkdir(parents=True)
    with pytest.raises(SystemExit) as left:
        command_line.main()
    assert left.value.code == 2
    told = capsys.readouterr()
    mend = f"-e {clone / 'plugins/cli'}" if in_clone else "'hivemind-core-client[cli]'"
    assert told.err == f"error: the command line is not installed: pip install {mend}\n"
    assert told.out == ""


def test_a_plugin_that_lacks_something_itself_is_not_taken_for_a_missing_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    without(monkeypatch, "click")
    with pytest.raises(ModuleNotFoundError, match="click"):
        command_line.main()
