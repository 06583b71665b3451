"""The unit in deploy/: systemd takes it, it gives little away, and its program works as systemd would start it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hivemind_core_client.testing import EmbeddedHub
from tests.programs import started

ROOT = Path(__file__).resolve().parents[2]
UNIT = ROOT / "deploy" / "hivemind-client.service"
KEY, PASSWORD = "unit-key", "a-password-of-the-unit-long-and-random-4711"
PATIENCE = 50
#: Ten times the figure of `systemd-analyze security`: 0 is nothing exposed, 100 everything.
EXPOSURE = 15
#: PR_SET_MDWE, where the kernel has it: no memory that is written may be run, as MemoryDenyWriteExecute has it.
_LAUNCHER = (
    "import ctypes, os, sys; ctypes.CDLL(None).prctl(65, 1, 0, 0, 0); os.execv(sys.executable, sys.argv[1:])"
)

analyzed = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not here")
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="systemd is for Linux")


def settings() -> dict[str, list[str]]:
    """All settings of the unit, each with its values in order."""
    found = defaultdict(list)
    for line in UNIT.read_text(encoding="utf-8").splitlines():
        if "=" in line and not line.startswith("#"):
            name, _, value = line.partition("=")
            found[name].append(value)
    return found


def analyze(*arguments: str) -> str:
    done = subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stderr


@analyzed
def test_systemd_takes_it(tmp_path: Path) -> None:
    """With a program that is there: where the unit looks for it nothing is installed on this machine."""
    (program,) = settings()["ExecStart"]
    copy = tmp_path / UNIT.name
    text = UNIT.read_text(encoding="utf-8").replace(program.split()[0], sys.executable)
    copy.write_text(text, encoding="utf-8")
    assert analyze("verify", "--man=no", str(copy)) == ""


@analyzed
def test_it_gives_little_away() -> None:
    analyze("security", "--offline=yes", f"--threshold={EXPOSURE}", str(UNIT))


@pytest.fixture
def hub() -> Iterator[EmbeddedHub]:
    with EmbeddedHub({KEY: PASSWORD}) as running:
        yield running


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """What systemd would set; its folders lie in tmp_path."""
    unit = settings()
    folders = {"%S": tmp_path / "state", "%C": tmp_path / "cache"}
    variables = dict(value.split("=", 1) for value in unit["Environment"])
    for sign, folder in folders.items():
        (folder / "hivemind-client").mkdir(parents=True, mode=0o700)
        variables = {name: value.replace(sign, str(folder)) for name, value in variables.items()}
    assert unit["UnsetEnvironment"] == ["HOME"]
    return {"PATH": os.defpath, **variables}


def line(*arguments: str) -> list[str]:
    run = "from hivemind_client_cli.main import main; main()"
    return [sys.executable, "-c", _LAUNCHER, sys.executable, "-c", run, *arguments]


def pair(hub: EmbeddedHub, environment: dict[str, str], key: str = KEY) -> None:
    address = ["--host", f"ws://{hub.host}", "--port", str(hub.port)]
    words = line("set-identity", "--key", key, "--password", PASSWORD, *address)
    subprocess.run(words, env=environment, capture_output=True, timeout=PATIENCE, check=True)


@contextmanager
def service(environment: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """The program of the unit, started as the unit says."""
    (command,) = settings()["ExecStart"]
    with started(
        line(*command.split()[1:]),
        seconds=PATIENCE,
        env=environment,
        cwd=environment["XDG_CONFIG_HOME"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        yield process


@on_linux
def test_it_listens_without_a_home_and_ends_as_it_is_told(
    hub: EmbeddedHub, environment: dict[str, str]
) -> None:
    pair(hub, environment)
    with service(environment) as process:
        assert process.stdout is not None and process.stderr is not None
        assert "listening to" in process.stderr.readline()
        hub.broadcast({"type": "speak", "data": {"utterance": "dinner is ready"}, "context": {}})
        assert "dinner is ready" in process.stdout.readline()
        (stop,) = settings()["KillSignal"]
        process.send_signal(signal.Signals[stop])
        assert process.wait(PATIENCE) == 0
        assert "Traceback" not in process.stderr.read()
    (folder,) = settings()["StateDirectory"]
    assert (Path(environment["XDG_CONFIG_HOME"]) / "hivemind" / "_identity.json").is_file()
    assert Path(environment["XDG_CONFIG_HOME"]).name == folder


@on_linux
def test_what_only_its_owner_can_mend_is_not_tried_again(
    hub: EmbeddedHub, environment: dict[str, str]
) -> None:
    given_up = {int(code) for code in settings()["RestartPreventExitStatus"][0].split()}
    with service(environment) as process:
        assert process.wait(PATIENCE) in given_up  # there is no identity
    pair(hub, environment, key="nobodys-key")
    with service(environment) as process:
        assert process.wait(PATIENCE) in given_up
    pair(hub, environment)
    hub.stop()
    with service(environment) as process:
        assert process.wait(PATIENCE) not in given_up
    assert settings()["Restart"] == ["on-failure"]


def test_the_user_of_the_unit_is_the_one_that_is_made() -> None:
    made = (ROOT / "deploy" / "hivemind-client.sysusers").read_text(encoding="utf-8").splitlines()[-1].split()
    assert settings()["User"] == settings()["Group"] == [made[1]]
