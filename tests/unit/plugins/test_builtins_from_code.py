"""Built-ins come from a list in code: no metadata, stale or missing, changes them."""

from __future__ import annotations

import json
import os
import site
import subprocess
import sys
import zipfile
from modulefinder import ModuleFinder
from pathlib import Path
from typing import Any

import hivemind_core_client
from hivemind_core_client.plugins.builtin_plugins import BUILTIN_PLUGINS
from tests.unit.package_support import lay

PACKAGE = Path(hivemind_core_client.__file__).parent

#: A session of a client with the built-ins alone, and what was found of our distribution and of plugins.
_PROGRAM = """
import json
from importlib import metadata
import hivemind_core_client
from hivemind_core_client import HiveMessageBusClient, NodeIdentity
from hivemind_core_client.testing import EmbeddedHub

password = "seven green lanterns above the quiet harbour"
with EmbeddedHub({"k": password}) as hub:
    with HiveMessageBusClient("k", password, host=hub.url, identity=NodeIdentity({})) as client:
        report = client.plugins.report
print(json.dumps({
    "place": hivemind_core_client.__file__,
    "ours": [d.version for d in metadata.distributions() if d.metadata["Name"] == "hivemind-core-client"],
    "plugins": [[i.name, i.state, i.version, i.builtin] for i in report if i.distribution == "hivemind-core-client"],
}))
"""
ALL = [[name, "loaded", hivemind_core_client.__version__, True] for name in sorted(BUILTIN_PLUGINS)]


def run(*path: Path, flags: tuple[str, ...] = ()) -> Any:
    """What the program prints with these folders in front of the path."""
    done = subprocess.run(
        [sys.executable, *flags, "-c", _PROGRAM],
        capture_output=True,
        text=True,
        timeout=50,
        cwd=path[0].parent,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, path))},
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    result["plugins"].sort()
    return result


def without_ours(folder: Path) -> Path:
    """A folder with all that is installed, but for what belongs to us."""
    folder.mkdir()
    for packages in site.getsitepackages():
        for entry in Path(packages).iterdir():
            if "hivemind" not in entry.name.lower() and not (folder / entry.name).exists():
                (folder / entry.name).symlink_to(entry)
    return folder


def test_a_stale_dist_info_of_ours_changes_nothing(tmp_path: Path) -> None:
    stale = lay(
        tmp_path / "stale",
        "HiveMind.Core_Client",
        "9.9",
        "",
        "builtin_hello = nowhere\nbuiltin_gone = hivemind_core_client.builtins.gone\nmore = nowhere",
    )
    lay(stale, "hivemind-core-client", "0.0.1", "", "builtin_bus = json")
    result = run(stale, PACKAGE.parent)
    assert "0.0.1" in result["ours"]
    assert result["plugins"] == ALL


def test_without_any_dist_info_of_ours_the_builtins_are_there(tmp_path: Path) -> None:
    packages = without_ours(tmp_path / "packages")
    (packages / "hivemind_core_client").symlink_to(PACKAGE)
    result = run(packages, flags=("-S",))
    assert result["ours"] == []
    assert result["plugins"] == ALL


def test_out_of_an_archive_without_metadata_the_builtins_are_there(tmp_path: Path) -> None:
    packages = without_ours(tmp_path / "packages")
    with zipfile.ZipFile(tmp_path / "program.pyz", "w") as archive:
        for path in PACKAGE.rglob("*.py"):
            archive.write(path, path.relative_to(PACKAGE.parent))
    result = run(tmp_path / "program.pyz", packages, flags=("-S",))
    assert "program.pyz" in result["place"] and result["ours"] == []
    assert result["plugins"] == ALL


def test_tools_that_freeze_a_program_find_the_builtins() -> None:
    finder = ModuleFinder(path=[str(PACKAGE.parent)])
    finder.import_hook("hivemind_core_client.plugins.builtin_plugins")
    assert set(BUILTIN_PLUGINS.values()) <= set(finder.modules)
