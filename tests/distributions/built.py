"""The distributions of this repository, and the files in dist/ that `tools/dist` has made of them."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[2]
DIST = ROOT / "dist"
#: Extras that are for work on this repository.
FOR_DEVELOPERS = {"dist", "docs", "fuzz", "lint", "packaging", "test"}


@dataclass(frozen=True)
class Distribution:
    """One distribution: its folder, its name, its version, and the import package that it brings."""

    folder: Path
    name: str
    version: str
    package: Path

    @property
    def stem(self) -> str:
        """How the names of its files begin."""
        return f"{self.name.replace('-', '_')}-{self.version}"

    @property
    def wheel(self) -> Path:
        return DIST / f"{self.stem}-py3-none-any.whl"

    @property
    def sdist(self) -> Path:
        return DIST / f"{self.stem}.tar.gz"

    def __str__(self) -> str:
        return self.name


def project(folder: Path) -> dict[str, Any]:
    """The table `project` of a distribution."""
    loaded = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))
    section: dict[str, Any] = loaded["project"]
    return section


def _distribution(folder: Path) -> Distribution:
    table = project(folder)
    package = ROOT / "hivemind_core_client" if folder == ROOT else next((folder / "src").iterdir())
    return Distribution(folder, table["name"], table["version"], package)


_FOLDERS = [ROOT, ROOT / "compat", *sorted(path.parent for path in ROOT.glob("plugins/*/pyproject.toml"))]
DISTRIBUTIONS = [_distribution(folder) for folder in _FOLDERS]
VERSION = DISTRIBUTIONS[0].version
COMPAT = DISTRIBUTIONS[1]
EXTRAS = sorted(project(ROOT)["optional-dependencies"].keys() - FOR_DEVELOPERS)


def kept_files(folder: Path) -> set[str]:
    """The files below a folder that git keeps or would keep, by their path from there."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "."],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    return {name for name in listed.stdout.split("\0") if name and (folder / name).is_file()}
