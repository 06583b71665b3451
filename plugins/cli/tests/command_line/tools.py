"""Running the command and making plugins for it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, Callable

from attrs import frozen

import hivemind_client_cli
import hivemind_core_client
from hivemind_core_client.plugins import hookspecs
from hivemind_core_client.plugins.manager import Plugins

KEY, PASSWORD = "key-0123456789", "7f3c9a51e08b4d26bb0c4f19d2e6a785"
LOGIN = ("--key", KEY, "--password", PASSWORD)
#: What takes long to import.
HEAVY = (
    "ovos_bus_client",
    "Crypto",
    "cryptography",
    "websockets",
    "websocket",
    "prompt_toolkit",
    "rich",
    "asyncio",
)
SOURCES = [
    str(Path(package.__file__ or "").parent.parent) for package in (hivemind_client_cli, hivemind_core_client)
]

#: The source of a plugin that cannot be imported.
BROKEN = "raise RuntimeError('broken on purpose')"


@frozen
class Done:
    """How a run of the command ended."""

    code: int
    out: str
    err: str

    def expect(self, code: int) -> Done:
        assert self.code == code, f"exit code {self.code}, not {code}\n{self.out}\n{self.err}"
        return self

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def plugins_of(**modules: Any) -> Plugins:
    """The plugins that would be there if just these were installed."""
    return Plugins.of(**modules)


def command(*args: str) -> list[str]:
    """The command line of a process of its own."""
    return [sys.executable, "-c", "from hivemind_client_cli.main import main; main()", *args]


def environment(*folders: Path, **variables: str) -> dict[str, str]:
    """The environment of such a process; `folders` hold packages for it to find."""
    path = os.pathsep.join([*map(str, folders), *SOURCES])
    return {**os.environ, "PYTHONPATH": path, **variables}


def spawn(*args: str, folders: tuple[Path, ...] = (), stdin: str = "", **variables: str) -> Done:
    """Run the command as a process."""
    done = subprocess.run(
        command(*args),
        input=stdin,
        env=environment(*folders, **variables),
        capture_output=True,
        text=True,
        timeout=50,
    )
    return Done(done.returncode, done.stdout, done.stderr)


def completed(line: str, **variables: str) -> list[str]:
    """What a bash would offer for the last word of a line."""
    words = line.split(" ")
    done = subprocess.run(
        command(),
        env=environment(
            _HIVEMIND_CLIENT_COMPLETE="bash_complete",
            COMP_WORDS=line,
            COMP_CWORD=str(len(words) - 1),
            **variables,
        ),
        capture_output=True,
        text=True,
        timeout=50,
        check=True,
    )
    assert done.stderr == ""
    return [each.partition(",")[2] for each in done.stdout.splitlines() if each]


def until(reached: Callable[[], object], seconds: float = 20.0) -> None:
    """Return once this is so, or after `seconds`, looking often: for what tells nobody."""
    tick, end = threading.Event(), time.monotonic() + seconds
    while not reached() and time.monotonic() < end:
        tick.wait(0.01)


def install(folder: Path, name: str, source: str) -> None:
    """Put a plugin package into `folder` as pip would: a module, and metadata with an entry point."""
    module = f"plugin_{name}"
    (folder / f"{module}.py").write_text(source)
    info = folder / f"hivemind_{name}-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: hivemind-{name}\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text(f"[{hookspecs.PROJECT}]\n{name} = {module}\n")
