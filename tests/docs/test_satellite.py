"""The satellite that stays, of docs/examples.md: run as its reader runs it, and ended with Ctrl-C."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from hivemind_core_client.testing import Account, EmbeddedHub

from .documents import KEY, PASSWORD, ROOT, blocks, page


@pytest.fixture
def hub() -> Iterator[EmbeddedHub]:
    with EmbeddedHub(clients={KEY: PASSWORD}) as running:
        yield running


def _environment(hub: EmbeddedHub, key: str = KEY) -> dict[str, str]:
    variables = {"KEY": key, "PASSWORD": PASSWORD, "HOST": hub.host, "PORT": str(hub.port)}
    return {**os.environ, **{f"HIVEMIND_{name}": value for name, value in variables.items()}}


@pytest.fixture
def script(tmp_path: Path) -> Path:
    (text,) = [block.text for block in blocks(ROOT / "docs" / "examples.md") if "run_forever" in block.text]
    path = tmp_path / "satellite.py"
    path.write_text(text, encoding="utf-8")
    return path


def test_it_hears_comes_back_and_ends_with_ctrl_c(hub: EmbeddedHub, script: Path, tmp_path: Path) -> None:
    complaints = tmp_path / "stderr"
    with (
        complaints.open("w") as stderr,
        subprocess.Popen(
            [sys.executable, str(script)],
            env=_environment(hub),
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        ) as process,
    ):
        assert process.stdout is not None
        killer = threading.Timer(40, process.kill)  # or a failure here would wait for the process for ever
        killer.start()
        for _ in range(2):
            assert process.stdout.readline() == "the hub says you said: good morning\n", (
                complaints.read_text()
            )
            hub.drop()
        process.send_signal(signal.SIGINT)
        assert process.stdout.read() == "bye\n"
        assert process.wait(20) == 0
        killer.cancel()
    assert "Traceback" not in complaints.read_text()


def test_it_ends_when_it_is_refused(hub: EmbeddedHub, script: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(script)],
        env=_environment(hub, "nobodys-key"),
        capture_output=True,
        text=True,
        timeout=50,
    )
    assert done.returncode == 1
    assert "refused: " in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("like", ["4.0.0", "5.3"] if sys.version_info >= (3, 10) else ["4.0.0"])
def test_the_samples_of_test_identity_are_what_it_prints(like: str) -> None:
    account = Account(KEY, PASSWORD, allowed=["recognizer_loop:utterance"])
    with EmbeddedHub(clients=[account], like=like) as hub:
        printed = _test_identity(hub)
    samples = re.findall(r"^ *(ok: hub .*)$", page("README.md") + page("docs/identity.md"), re.MULTILINE)
    shape = re.compile(r"(?<=^ok: hub )\S+(?=, )|AES-GCM|CHACHA20-POLY1305")
    assert shape.sub("…", printed.rstrip("\n")) in [shape.sub("…", sample) for sample in samples]


def _test_identity(hub: EmbeddedHub) -> str:
    run = "from hivemind_client_cli.main import main; main()"
    return subprocess.run(
        [sys.executable, "-c", run, "test-identity"],
        env=_environment(hub),
        capture_output=True,
        text=True,
        timeout=50,
        check=True,
    ).stdout
