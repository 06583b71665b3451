from __future__ import annotations

import io
import os
import sys
from pathlib import Path
from typing import Callable

import pytest

from hivemind_client_cli.main import build_cli
from hivemind_core_client.plugins.manager import Plugins

from .tools import Done, plugins_of

if sys.version_info < (3, 10):
    collect_ignore = ["test_newest_hubs.py"]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine that nobody has used yet."""
    for name in ("CONFIG", "DATA", "CACHE", "STATE"):
        monkeypatch.setenv(f"XDG_{name}_HOME", str(tmp_path / name.lower()))
    for name in [name for name in os.environ if name.startswith("HIVEMIND_")]:
        monkeypatch.delenv(name)
    return tmp_path


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Done]:
    """Run the command in this process: `run("ping", "--json", stdin="")`."""

    def call(*args: str, stdin: str = "", plugins: Plugins | None = None) -> Done:
        monkeypatch.setattr("sys.stdin", io.StringIO(stdin))
        cli = build_cli(plugins if plugins is not None else plugins_of())
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            cli.main(list(args), prog_name="hivemind-client")
        captured = capsys.readouterr()
        return Done(int(end.value.code or 0), captured.out, captured.err)

    return call
