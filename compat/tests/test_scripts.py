"""The command line by the reference client's name."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hivemind_bus_client.scripts import hmclient_cmds

from hivemind_core_client import __version__


def test_it_is_our_command_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["hivemind-client", "--version"])
    with pytest.raises(SystemExit) as left:
        hmclient_cmds()
    assert left.value.code in (0, None) and __version__ in capsys.readouterr().out


def test_it_runs_as_a_module() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "hivemind_bus_client.scripts", "--version"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0 and __version__ in done.stdout, done.stderr
