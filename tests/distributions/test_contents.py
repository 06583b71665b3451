"""Every wheel and sdist holds what it should, and nothing else."""

from __future__ import annotations

import re
import tarfile
import zipfile
from email.message import Message
from email.parser import HeaderParser
from pathlib import PurePosixPath

import pytest

from .built import DIST, DISTRIBUTIONS, ROOT, Distribution, kept_files, project

#: Left behind by tools, or made anew by them.
LEAVINGS = re.compile(
    r"(^|/)(__pycache__|\.\w+_cache|\.cache|\.venv[^/]*|\.git|\.hypothesis|build|dist)/|\.py[co]$|~$"
)

every_distribution = pytest.mark.parametrize("distribution", DISTRIBUTIONS, ids=str)


def in_wheel(distribution: Distribution) -> dict[str, bytes]:
    with zipfile.ZipFile(distribution.wheel) as wheel:
        return {name: wheel.read(name) for name in wheel.namelist()}


def in_sdist(distribution: Distribution) -> dict[str, bytes]:
    """The files by their path from the folder that all lie in."""
    found = {}
    with tarfile.open(distribution.sdist) as sdist:
        for member in sdist.getmembers():
            top, _, name = member.name.partition("/")
            assert top == distribution.stem and member.isfile(), member
            file = sdist.extractfile(member)
            assert file is not None
            found[name] = file.read()
    return found


def metadata(distribution: Distribution) -> Message:
    text = in_wheel(distribution)[f"{distribution.stem}.dist-info/METADATA"].decode()
    return HeaderParser().parsestr(text)


def test_there_is_a_wheel_and_an_sdist_of_each_and_nothing_else() -> None:
    wanted = {path.name for each in DISTRIBUTIONS for path in (each.wheel, each.sdist)}
    assert {path.name for path in DIST.iterdir() if path.name != ".gitignore"} == wanted


@every_distribution
def test_a_wheel_holds_the_package_and_no_more(distribution: Distribution) -> None:
    name = distribution.package.name
    files = {path.removeprefix(f"{name}/") for path in in_wheel(distribution) if path.startswith(f"{name}/")}
    others = {path for path in in_wheel(distribution) if not path.startswith(f"{name}/")}
    assert files == kept_files(distribution.package)
    assert "py.typed" in files
    assert {PurePosixPath(path).parts[0] for path in others} == {f"{distribution.stem}.dist-info"}


@every_distribution
def test_no_test_and_no_leavings_are_in_a_wheel(distribution: Distribution) -> None:
    names = in_wheel(distribution)
    assert [name for name in names if LEAVINGS.search(name)] == []
    assert [name for name in names if "tests" in PurePosixPath(name).parts or "/test_" in name] == []


@every_distribution
def test_the_licence_is_in_both(distribution: Distribution) -> None:
    licence = (ROOT / "LICENSE").read_bytes()
    assert in_wheel(distribution)[f"{distribution.stem}.dist-info/licenses/LICENSE"] == licence
    assert in_sdist(distribution)["LICENSE"] == licence
    assert metadata(distribution)["License-Expression"] == "Apache-2.0"


@every_distribution
def test_an_sdist_can_be_read_and_built(distribution: Distribution) -> None:
    files = in_sdist(distribution)
    package = distribution.package.relative_to(distribution.folder).as_posix()
    assert {"README.md", "pyproject.toml", "PKG-INFO", f"{package}/py.typed"} <= files.keys()
    assert [name for name in files if LEAVINGS.search(name)] == []


@every_distribution
def test_the_metadata_says_what_the_project_says(distribution: Distribution) -> None:
    told, table = metadata(distribution), project(distribution.folder)
    assert (told["Name"], told["Version"]) == (distribution.name, distribution.version)
    assert told["Requires-Python"] == table["requires-python"]
    assert set(told.get_all("Provides-Extra", [])) == set(table.get("optional-dependencies", {}))
    assert told["Description-Content-Type"] == "text/markdown"


@every_distribution
def test_what_pip_and_pytest_find_is_there(distribution: Distribution) -> None:
    table = project(distribution.folder)
    wanted = {**table.get("entry-points", {}), "console_scripts": table.get("scripts", {})}
    text = in_wheel(distribution).get(f"{distribution.stem}.dist-info/entry_points.txt", b"").decode()
    for group, entries in wanted.items():
        for name, place in entries.items():
            section = text.partition(f"[{group}]")[2].partition("\n[")[0]
            assert f"{name} = {place}" in section.splitlines()
