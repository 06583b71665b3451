"""The repository itself: distributions that fit together, and nothing in it that belongs to one machine."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hivemind_core_client.plugins.builtin_plugins import BUILTIN_PLUGINS

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[2]
PLUGINS = sorted(path.parent for path in (ROOT / "plugins").glob("*/pyproject.toml"))
VERSIONS = ROOT / "tools" / "versions"
DISTRIBUTIONS = [ROOT, *PLUGINS]
PYTHONS = ["3.9", "3.10", "3.11", "3.12", "3.13"]
#: An import of a module of tests, or out of one.
TEST_MODULE = re.compile(
    r"^\s*(?:from|import) [\w.]*\btest_\w+|^\s*from [\w.]+ import .*\btest_\w+", re.MULTILINE
)
MACHINE_PATH = re.compile(r"(?<![\w.~}])/(?:root|work|tmp/w)(?=/)")


def pyproject(folder: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))
    return loaded


def project(folder: Path) -> dict[str, Any]:
    section: dict[str, Any] = pyproject(folder)["project"]
    return section


def name_of(folder: Path) -> str:
    return "root" if folder == ROOT else folder.name


def git(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)


distributions = pytest.mark.parametrize("folder", DISTRIBUTIONS, ids=name_of)
plugins = pytest.mark.parametrize("folder", PLUGINS, ids=name_of)


def test_no_plugin_is_lost() -> None:
    assert {"binary_tts", "cli", "discovery", "intercom", "journal", "metrics", "mqtt"} <= {
        folder.name for folder in PLUGINS
    }


@plugins
def test_a_plugin_is_whole(folder: Path) -> None:
    (package,) = (folder / "src").iterdir()
    assert (package / "__init__.py").is_file()
    assert (package / "py.typed").is_file()
    assert list((folder / "tests").rglob("test_*.py"))
    assert (folder / "README.md").read_text(encoding="utf-8").startswith(f"# {project(folder)['name']}\n")


@plugins
def test_a_plugin_is_found_by_entry_point(folder: Path) -> None:
    (package,) = (folder / "src").iterdir()
    assert project(folder)["entry-points"]["hivemind_core_client"] == {folder.name: f"{package.name}.plugin"}
    assert (package / "plugin.py").is_file()


@plugins
def test_a_plugin_belongs_to_an_extra_of_the_root(folder: Path) -> None:
    major_minor = ".".join(project(ROOT)["version"].split(".")[:2])
    wanted = f"{project(folder)['name']}>={project(folder)['version']}"
    assert [wanted] in project(ROOT)["optional-dependencies"].values()
    (back,) = [line for line in project(folder)["dependencies"] if line.startswith("hivemind-core-client")]
    assert back.replace("[testing]", "").startswith(f"hivemind-core-client>={major_minor}.")


@distributions
def test_versions_agree(folder: Path) -> None:
    version = project(folder)["version"]
    assert version == project(ROOT)["version"]
    assert f"## [{version}]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_one_command_writes_the_version_wherever_it_is_said(tmp_path: Path) -> None:
    folders = [".", "compat", *(f"plugins/{folder.name}" for folder in PLUGINS)]
    names = [name for name in git("ls-files", "-z").stdout.split("\0") if name]
    ending = ("pyproject.toml", "pyproject.toml.txt", "__init__.py", "plugin_package.py", ".md")
    for name in filter(lambda name: name.endswith(ending) and (ROOT / name).is_file(), names):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    source = tmp_path / "hivemind_core_client" / "__init__.py"
    now = project(ROOT)["version"]
    source.write_text(
        source.read_text("utf-8").replace(f'__version__ = "{now}"', '__version__ = "7.8.9"'), "utf-8"
    )

    assert versions("--check", str(tmp_path)) == 1
    assert versions(str(tmp_path)) == 0
    assert versions("--check", str(tmp_path)) == 0
    for folder in folders:
        told = project(tmp_path / folder)
        assert told["version"].rpartition("core.")[2] == "7.8.9"
        ours = [line for line in told["dependencies"] if line.startswith("hivemind-c")]
        assert [line for line in ours if not line.endswith(">=7.8.9,<7.9")] == []
    assert now not in "".join(project(tmp_path)["optional-dependencies"]["cli"])


def versions(*arguments: str) -> int:
    return subprocess.run([sys.executable, str(VERSIONS), *arguments], capture_output=True).returncode


@distributions
def test_the_licence_is_stated_and_there(folder: Path) -> None:
    assert project(folder)["license"] == "Apache-2.0"
    assert project(folder)["license-files"] == ["LICENSE"]
    text = (folder / "LICENSE").read_text(encoding="utf-8")
    assert text == (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "Apache License" in text
    assert "END OF TERMS AND CONDITIONS" in text


@distributions
def test_every_supported_python_is_named(folder: Path) -> None:
    named = [line.rsplit(" ", 1)[1] for line in project(folder)["classifiers"] if " :: 3." in line]
    assert named == PYTHONS
    assert project(folder)["requires-python"] == f">={PYTHONS[0]}"


def test_every_built_in_plugin_is_in_the_list_and_has_no_entry_point() -> None:
    package = ROOT / "hivemind_core_client"
    listed = {
        "builtin_handshake_kinds": "hivemind_core_client.kernel.handshake.kinds",
        "builtin_memory": "hivemind_core_client.testing.memory",
    }
    for folder in ("builtins", "transports/builtin"):
        for path in (package / folder).glob("[!_]*.py"):
            listed[f"builtin_{path.stem}"] = f"hivemind_core_client.{folder}.{path.stem}".replace("/", ".")
    assert listed == BUILTIN_PLUGINS
    assert "hivemind_core_client" not in project(ROOT)["entry-points"]


def test_the_packages_are_typed() -> None:
    assert (ROOT / "hivemind_core_client" / "py.typed").is_file()
    assert "hivemind_core_client" in pyproject(ROOT)["tool"]["mypy"]["files"]
    checked = set(pyproject(ROOT)["tool"]["mypy"]["files"])
    assert {f"plugins/{folder.name}/src" for folder in PLUGINS} <= checked


@pytest.mark.parametrize(
    "path", [".venv/x", ".venv-3.9/x", ".cache/x", ".mypy_cache/x", "a/__pycache__/x", ".coverage"]
)
def test_what_a_run_leaves_behind_is_ignored(path: str) -> None:
    assert git("check-ignore", path).returncode == 0


def test_unit_tests_stand_in_the_folders_of_what_they_test() -> None:
    """And in `clients`, for what stands in the root and is the same for all of them."""
    places = {path.parent for path in (ROOT / "tests" / "unit").rglob("test_*.py")}
    names = {place.relative_to(ROOT / "tests" / "unit").as_posix() for place in places} - {".", "clients"}
    assert names <= {path.name for path in (ROOT / "hivemind_core_client").iterdir() if path.is_dir()}


def test_no_test_imports_the_module_of_another() -> None:
    folders = [ROOT / "tests", *(folder / "tests" for folder in PLUGINS)]
    modules = [path for folder in folders for path in folder.rglob("*.py")]
    found = [str(path.relative_to(ROOT)) for path in modules if TEST_MODULE.search(path.read_text("utf-8"))]
    assert modules and found == []


def test_no_file_belongs_to_one_machine() -> None:
    own = {str(place) for place in (ROOT, Path.home()) if len(place.parts) > 2}
    listed = [name for name in git("ls-files", "-z").stdout.split("\0") if name]
    found = []
    for name in listed:
        path = ROOT / name
        if not path.is_file():
            continue
        text = path.read_text(encoding="utf-8", errors="replace")
        if MACHINE_PATH.search(text) or any(place in text for place in own):
            found.append(name)
    assert listed
    assert found == []


def test_the_matrix_runs_what_make_test_runs() -> None:
    text = (ROOT / "tools" / "matrix").read_text(encoding="utf-8")
    assert 'VENV="$venv" test' in text and "pytest" not in text


@pytest.mark.skipif(
    os.name != "posix" or shutil.which("make") is None, reason="make is for developers' machines"
)
@pytest.mark.parametrize(("version", "measured"), [((3, 9), False), ((3, 10), True), ((3, 13), True)])
def test_the_kernel_is_measured_where_it_can_be_covered(
    tmp_path: Path, version: tuple[int, int], measured: bool
) -> None:
    """Python 3.9 has no Noise: `make test`, which asked for all of it, could not pass there."""
    (tmp_path / "bin").mkdir()
    python = tmp_path / "bin" / "python"
    python.write_text(f'#!/bin/sh\n"{sys.executable}" -c "import sys; sys.version_info = {version}; $2"\n')
    python.chmod(0o755)
    (tmp_path / ".test").touch()
    done = subprocess.run(
        ["make", "--dry-run", f"VENV={tmp_path}", "test"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    (kernel,) = [line for line in done.stdout.splitlines() if line.endswith(" tests/unit/kernel")]
    assert ("--cov-fail-under=100" in kernel) is measured, done
