"""Environments that hold nothing but what was installed from the wheels in dist/, and what those require."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from pathlib import Path
from typing import Any

#: Seconds for one installation: the machine may be slow, and so may the index.
INSTALLING = 400
#: Seconds for one program.
RUNNING = 60


class Empty:
    """An environment in `folder`, with a home of its own; `wheels` is a folder with our wheels alone."""

    def __init__(self, folder: Path, wheels: Path) -> None:
        self.folder = folder
        self._wheels = wheels
        self._bin = folder / "environment" / ("Scripts" if os.name == "nt" else "bin")
        venv.create(folder / "environment", symlinks=os.name != "nt")

    def install(self, *requirements: str) -> None:
        """Install with pip; our distributions are found among the wheels, others on the index."""
        options = ["-q", "--disable-pip-version-check", "--no-input", "--find-links", str(self._wheels)]
        python = ["--python", str(self._bin / "python")]
        self._done([sys.executable, "-m", "pip", *python, "install", *options, *requirements], INSTALLING)
        self._done([sys.executable, "-m", "pip", *python, "check"], RUNNING)

    def python(self, *arguments: Any, code: int = 0, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run Python there. It sees no folder of this repository."""
        return self._done(
            [str(self._bin / "python"), "-P" if sys.version_info >= (3, 11) else "-s", *arguments],
            RUNNING,
            code,
            variables,
        )

    def script(
        self, name: str, *arguments: str, code: int = 0, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a script that was installed there."""
        return self._done([str(self._bin / name), *arguments], RUNNING, code, variables)

    def _done(
        self, command: list[Any], seconds: float, code: int = 0, variables: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("HIVEMIND_", "PYTHON", "XDG_"))
        }
        done = subprocess.run(
            list(map(str, command)),
            cwd=self.folder,
            env={**kept, "XDG_CONFIG_HOME": str(self.folder / "config"), **(variables or {})},
            capture_output=True,
            text=True,
            timeout=seconds,
            stdin=subprocess.DEVNULL,
        )
        assert done.returncode == code, f"{command}\n{done.stdout}\n{done.stderr}"
        return done
