"""Builds the packages in `sources/`, and installs them into one throw-away environment."""

from __future__ import annotations

import json
import os
import site
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
#: Each file is a plugin: its module, its distribution and its entry point are called like it.
SOURCES = sorted((HERE / "sources").glob("*.py"))
PROGRAMS = HERE / "programs"
#: Arguments of `meeting.py`; the asyncio client needs Python 3.10.
SHELLS = ["threads", "asyncio"] if sys.version_info >= (3, 10) else ["threads"]

_PYPROJECT = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "{name}"
version = "1.2.3"
description = "A plugin for tests"
dependencies = ["hivemind-core-client"]

[project.entry-points.hivemind_core_client]
{name} = "{name}"

[tool.hatch.build.targets.wheel]
only-include = ["{name}.py"]
"""
_COMMAND = "import sys; from hivemind_client_cli.main import main; sys.exit(main())"


class Environment:
    """An environment in `folder`: `python` is its interpreter, which sees the packages of this one too."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.python = folder / "bin" / "python"

    def make(self) -> None:
        """Make it, with no package of its own."""
        venv.create(self.folder, symlinks=True)
        purelib = Path(sysconfig.get_path("purelib", vars={"base": str(self.folder)}))
        # More than --system-site-packages, which would be those of the interpreter below this environment.
        lines = [f"import site; site.addsitedir({path!r})" for path in site.getsitepackages()]
        (purelib / "parent.pth").write_text("\n".join(lines) + "\n")

    def install(self, *projects: Any) -> None:
        """Build the projects in these folders and install them, all in one call and without any index.

        `"-e"` before a folder leaves its source where it is.
        """
        options = ["-q", "--no-deps", "--no-index", "--no-build-isolation", "--disable-pip-version-check"]
        self._done([sys.executable, "-m", "pip", "--python", self.python, "install", *options, *projects])

    def command(self, *arguments: str, code: int = 0, **variables: str) -> str:
        """What `hivemind-client` prints there."""
        return self._done([self.python, "-c", _COMMAND, *arguments], code, **variables)

    def program(self, name: str, *arguments: str, **variables: str) -> Any:
        """The JSON in the last line that a program of `programs/` prints there."""
        printed = self._done([self.python, PROGRAMS / f"{name}.py", *arguments], **variables)
        return json.loads(printed.splitlines()[-1])

    def run(self, *arguments: Any, code: int = 0) -> str:
        """What this command line prints."""
        return self._done([*arguments], code)

    @staticmethod
    def _done(arguments: list[Any], code: int = 0, **variables: str) -> str:
        done = subprocess.run(
            list(map(str, arguments)),
            capture_output=True,
            text=True,
            timeout=50,
            env={**os.environ, **variables},
        )
        assert done.returncode == code, f"{done.stdout}\n{done.stderr}"
        return done.stdout


def lay_project(folder: Path, source: Path) -> Path:
    """A project of one module, as its author keeps it."""
    name = source.stem
    project = folder / name
    project.mkdir(parents=True)
    (project / source.name).write_text(source.read_text("utf-8"), "utf-8")
    (project / "pyproject.toml").write_text(_PYPROJECT.format(name=name), "utf-8")
    return project
