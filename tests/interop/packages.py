"""Packages of the tests that other programs find as if they were installed."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Package:
    """A folder with an `__init__.py`, and the content of the `entry_points.txt` by which it is found."""

    folder: Path
    entry_points: str

    def write(self, path: Path) -> Path:
        """Copy it below `path`, with what makes an installed distribution of it. Returns `path`, for a PYTHONPATH."""
        name = self.folder.name
        facts = path / f"{name}-1.0.dist-info"
        facts.mkdir(parents=True, exist_ok=True)
        (facts / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {name.replace('_', '-')}\nVersion: 1.0\n", encoding="utf-8"
        )
        (facts / "entry_points.txt").write_text(self.entry_points, encoding="utf-8")
        compiled = shutil.ignore_patterns("__pycache__")
        shutil.copytree(self.folder, path / name, dirs_exist_ok=True, ignore=compiled)
        return path
