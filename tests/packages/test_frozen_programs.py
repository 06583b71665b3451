"""Programs that are shipped whole: frozen by PyInstaller, and as an archive. They need no metadata of ours."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipapp
from pathlib import Path
from typing import Any

import pytest

import hivemind_core_client
from hivemind_core_client.plugins.builtin_plugins import BUILTIN_PLUGINS
from hivemind_core_client.testing import EmbeddedHub
from tests.packages.building import PROGRAMS, Environment

PACKAGE = Path(hivemind_core_client.__file__).parent
PASSWORD = "seven green lanterns above the quiet harbour"
#: Python 3.9 has no Noise.
VERSIONS = [(0, 1), (3, 3)] if sys.version_info >= (3, 10) else [(0, 1)]


def connected(program: list[Any], folder: Path, versions: tuple[int, int], **variables: str) -> Any:
    """What the program says when it has met a hub of these versions; it is started outside of the repository."""
    with EmbeddedHub({"KEY": PASSWORD}, versions=versions) as hub:
        done = subprocess.run(
            [*map(str, program), hub.host, str(hub.port), PASSWORD],
            capture_output=True,
            text=True,
            timeout=50,
            cwd=folder,
            env={**os.environ, **variables},
        )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout.splitlines()[-1])
    assert said["answer"] == "you said: good morning"
    assert said["version"] == versions[1]
    assert said["builtins"] == {name: ["loaded", ""] for name in BUILTIN_PLUGINS}
    return said


@pytest.mark.timeout(300)
def test_a_program_that_pyinstaller_froze_has_the_builtins(tmp_path: Path) -> None:
    """One file, and nothing is said to PyInstaller but the name of the script."""
    pytest.importorskip(
        "PyInstaller", reason="`make packaging` installs it: it takes longer than all other tests"
    )
    call = [sys.executable, "-m", "PyInstaller", "--onefile", str(PROGRAMS / "satellite.py")]
    # Its cache is a part of the user's folders, which a test leaves alone.
    variables = {**os.environ, "PYINSTALLER_CONFIG_DIR": str(tmp_path / "cache")}
    subprocess.run(call, cwd=tmp_path, check=True, capture_output=True, timeout=280, env=variables)
    for versions in VERSIONS:
        said = connected([tmp_path / "dist" / "satellite"], tmp_path, versions)
        assert "_MEI" in said["place"]


def test_a_program_in_an_archive_has_the_builtins(environment: Environment, tmp_path: Path) -> None:
    source = tmp_path / "source"
    for path in [*PACKAGE.rglob("*.py"), *PACKAGE.rglob("py.typed")]:
        target = source / path.relative_to(PACKAGE.parent)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
    (source / "__main__.py").write_bytes((PROGRAMS / "satellite.py").read_bytes())
    zipapp.create_archive(source, tmp_path / "satellite.pyz")
    for versions in VERSIONS:
        program = [environment.python, tmp_path / "satellite.pyz"]
        said = connected(program, tmp_path, versions, HIVEMIND_CLIENT_PLUGINS="")
        assert said["place"].startswith(str(tmp_path / "satellite.pyz"))


def test_stale_metadata_earlier_on_the_path_harms_neither_us_nor_plugins(
    environment: Environment, tmp_path: Path
) -> None:
    for name, version, entry in (
        ("hivemind_core_client", "0.0.1", "builtin_bus = json"),
        ("own_bus", "0.9", "own_bus = gone_since"),
        ("hivemind_client_cli", "0.0.1", "cli = gone_since"),
    ):
        info = tmp_path / "stale" / f"{name}-{version}.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        (info / "entry_points.txt").write_text(f"[hivemind_core_client]\n{entry}\n")
    variables = {"PYTHONPATH": str(tmp_path / "stale")}
    met = environment.program("meeting", "threads", "own_bus", **variables)
    assert met["heard"][0][0] == "replaced"
    assert met["states"]["own_bus"] == ["loaded", ""]
    assert {met["states"][name][0] for name in BUILTIN_PLUGINS} == {"loaded"}
    listed = json.loads(
        environment.command("plugins", "--json", HIVEMIND_CLIENT_PLUGINS="own_bus,cli", **variables)
    )
    states = {row["name"]: row["state"] for row in listed["plugins"]}
    assert (states["own_bus"], states["cli"]) == ("loaded", "loaded")
