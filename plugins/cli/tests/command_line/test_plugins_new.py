"""`plugins new`: packages of every kind, whose tests pass; and what it refuses."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hivemind_client_cli.commands import plugins_new
from hivemind_client_cli.plugin_package import KINDS, Written, write_package
from hivemind_core_client.errors import UsageError

from .tools import completed, environment

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Packages = dict[str, Written]


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Packages:
    """A package of each kind."""
    folder = tmp_path_factory.mktemp("packages")
    return {kind: write_package(f"my-{kind}", kind, str(folder)) for kind in KINDS}


def test_the_command_knows_every_kind() -> None:
    assert tuple(KINDS) == plugins_new.KINDS
    assert completed("hivemind-client plugins new bell --kind wr") == ["wrapper"]


@pytest.mark.timeout(180)  # a busy machine takes its time: alone it is a few seconds
def test_the_tests_of_every_package_pass(packages: Packages) -> None:
    sources = [Path(each.folder, "src") for each in packages.values()]
    tests = [str(Path(each.folder, "tests")) for each in packages.values()]
    options = ["-q", "-p", "no:cacheprovider", "--import-mode=importlib", "-c", os.devnull]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, *tests],
        env=environment(*sources),
        capture_output=True,
        text=True,
        timeout=150,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout and "skipped" not in done.stdout


@pytest.mark.parametrize("kind", KINDS)
def test_a_package_is_whole(packages: Packages, kind: str, run: Any) -> None:
    written = packages[kind]
    folder = Path(written.folder)
    assert folder.name == f"hivemind-client-my-{kind}"
    found = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    module = f"hivemind_client_my_{kind.replace('-', '_')}"
    assert {*written.files} == {name for name in found if "__pycache__" not in name}
    assert {
        "pyproject.toml",
        "README.md",
        f"src/{module}/py.typed",
        f"tests/test_{written.plugin}.py",
    } <= found
    project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["name"] == folder.name
    assert project["entry-points"] == {"hivemind_core_client": {written.plugin: module}}
    assert any(each.startswith("hivemind-core-client") for each in project["dependencies"])
    assert "ovos_bus_client.*" in (folder / "pyproject.toml").read_text(
        encoding="utf-8"
    )  # it brings no types
    texts = [path.read_text(encoding="utf-8") for path in folder.rglob("*") if path.suffix in (".md", ".py")]
    assert not [text for text in texts if "$" in text]
    checked = run("plugins", "check", str(folder / "src" / module / "__init__.py"), "--json").expect(0).json
    assert [each["state"] for each in checked["checks"]].count("ok") >= 2


@pytest.mark.parametrize("name", ["Door_Bell", "door.bell", "hivemind-client-door-bell", "DOOR--BELL"])
def test_a_name_is_normalised(name: str, tmp_path: Path, run: Any) -> None:
    done = run("plugins", "new", name, "--kind", "handler", "--dir", str(tmp_path), "--json").expect(0).json
    assert done["folder"] == str(tmp_path / "hivemind-client-door-bell")
    assert done["plugin"] == "door_bell"
    assert "src/hivemind_client_door_bell/__init__.py" in done["files"]


def test_what_to_do_next_is_told(tmp_path: Path, run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    lines = run("plugins", "new", "bell", "--kind", "observer").expect(0).out.splitlines()
    assert lines[0] == str(tmp_path / "hivemind-client-bell")
    assert lines[-3:] == [
        f"  cd {tmp_path / 'hivemind-client-bell'}",
        "  pip install -e '.[test]' && pytest",
        "  hivemind-client plugins check bell",
    ]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("door bell", "can be no name of a plugin. Take letters"),
        ("../bell", "can be no name"),
        ("-bell", "o such option"),
        ("", "can be no name"),
        ("glocke\N{BELL}", "can be no name"),
        ("x" * 41, "40 characters at most. Choose a shorter one"),
        ("Builtin.Bus", "builtin-bus is the name of a plugin of HiveMind itself"),
        ("cli", "cli is the name of a plugin of HiveMind itself. Choose another name"),
    ],
)
def test_a_name_that_will_not_do(name: str, said: str, tmp_path: Path, run: Any) -> None:
    done = run("plugins", "new", name, "--kind", "handler", "--dir", str(tmp_path)).expect(2)
    assert said in done.err
    assert not list(tmp_path.glob("*bell*"))


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("AES-GCM", "cipher"),
        ("send-mycroft", "command"),
        ("bus", "message-type"),
        ("WSS", "transport"),
        ("3d", "transport"),
    ],
)
def test_a_name_that_stands_for_something_else(name: str, kind: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=f"a {kind} cannot be called {name.lower()}.*another name"):
        write_package(name, kind, str(tmp_path))
    assert write_package(name, "handler", str(tmp_path)).folder.endswith(name.lower())


def test_nothing_is_overwritten(tmp_path: Path, run: Any) -> None:
    there = tmp_path / "hivemind-client-bell"
    there.mkdir()
    done = run("plugins", "new", "bell", "--kind", "handler", "--dir", str(tmp_path)).expect(2)
    assert f"{there} is there already, and nothing was written" in done.err and "--dir" in done.err
    assert list(there.iterdir()) == []
    assert "'--kind'" in run("plugins", "new", "bell").expect(2).err


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match=r"cannot be written: .*\. Name a folder of yours with --dir"):
        write_package("bell", "handler", str(tmp_path / "file"))


def test_nothing_is_left_of_what_could_not_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.rename", full)
    with pytest.raises(UsageError, match="No space left on device"):
        write_package("bell", "handler", str(tmp_path / "new"))
    assert list((tmp_path / "new").iterdir()) == []
