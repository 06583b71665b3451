"""The image does what the guide says: it pairs, stays, tells its health, keeps its secrets, and ends when told to."""

from __future__ import annotations

import signal
import stat
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hivemind_core_client.testing import EmbeddedHub
from tests import programs

from .recipe import Image

KEY, PASSWORD = "container-key", "a-password-of-the-container-long-and-random-4711"
#: The longest that anything here may take, in seconds.
PATIENCE = 60


@pytest.fixture
def hub() -> Iterator[EmbeddedHub]:
    with EmbeddedHub({KEY: PASSWORD}, versions=(3, 3)) as running:
        yield running


def run(
    image: Image, *words: str, code: int = 0, given: str | None = None
) -> subprocess.CompletedProcess[str]:
    """Run words in the image."""
    done = subprocess.run(image.within(*words), capture_output=True, text=True, timeout=PATIENCE, input=given)
    assert done.returncode == code, f"{words}\n{done.stdout}\n{done.stderr}"
    return done


def pair(image: Image, hub: EmbeddedHub) -> None:
    """As the guide does: the password is no argument."""
    address = ["--host", f"ws://{hub.host}", "--port", str(hub.port)]
    run(
        image,
        *image.entrypoint,
        "set-identity",
        "--key",
        KEY,
        "--password-file",
        "-",
        *address,
        given=PASSWORD,
    )


@contextmanager
def started(image: Image) -> Iterator[subprocess.Popen[str]]:
    """The image as it stands, its program being process 1 as in a container."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with programs.started(image.command(), seconds=PATIENCE, **pipes) as process:
        yield process


def stop(image: Image, process: subprocess.Popen[str]) -> None:
    """Send what the image asks for to the process that is number 1 within."""
    (first,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    subprocess.run(["kill", f"-{getattr(signal, image.stopsignal).value}", first], check=True)


def test_nobody_is_root_and_nobody_has_a_home(image: Image) -> None:
    program = "import os; print(os.getuid(), os.environ.get('HOME'), os.path.isdir(os.path.expanduser('~')))"
    assert run(image, "python3", "-c", program).stdout.split() == ["10001", "None", "False"]


def test_it_pairs_and_keeps_its_secrets_in_the_volume(image: Image, hub: EmbeddedHub) -> None:
    pair(image, hub)
    (volume,) = image.volumes
    found = image.folder / volume.lstrip("/") / "hivemind" / "_identity.json"
    assert PASSWORD in found.read_text(encoding="utf-8")
    assert stat.S_IMODE(found.stat().st_mode) == 0o600
    assert found.stat().st_uid == 10001


def test_it_listens_until_it_is_stopped(image: Image, hub: EmbeddedHub) -> None:
    pair(image, hub)
    with started(image) as process:
        assert process.stdout is not None and process.stderr is not None
        assert "listening to" in process.stderr.readline()
        hub.broadcast({"type": "speak", "data": {"utterance": "dinner is ready"}, "context": {}})
        assert "dinner is ready" in process.stdout.readline()
        stop(image, process)
        assert process.wait(PATIENCE) == 0
        assert "Traceback" not in process.stderr.read()


def test_its_health_is_that_of_the_connection(image: Image, hub: EmbeddedHub) -> None:
    pair(image, hub)
    run(image, *image.healthcheck)
    hub.stop()
    run(image, *image.healthcheck, code=4)


def test_every_command_can_be_run_in_its_place(image: Image, hub: EmbeddedHub) -> None:
    pair(image, hub)
    assert "terminal" in run(image, *image.entrypoint, "--help").stdout
    demo = subprocess.run(image.command("demo"), capture_output=True, text=True, timeout=PATIENCE, check=True)
    assert "round trip" in demo.stdout
