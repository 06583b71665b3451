"""All clients: a second process that is connected with the same access key is warned, and nothing is held up."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable

import pytest

from hivemind_core_client import NodeIdentity
from hivemind_core_client.config import key_use
from hivemind_core_client.config.key_use import KeyUse
from hivemind_core_client.testing import EmbeddedHub
from tests.unit.client_support import Make, ask

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="locks of this kind are those of POSIX")

#: Says that it is connected, and is so until it is killed or its stdin ends.
PROGRAM = """
import sys
from hivemind_core_client.config.key_use import KeyUse
use = KeyUse()
use.begin(*sys.argv[1:])
print("begun", flush=True)
sys.stdin.read()
"""
WARNING = "another process on this machine is connected"
Other = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    common = tmp_path / "hivemind"
    common.mkdir()
    return common


@pytest.fixture
def other() -> Iterator[Other]:
    """Starts a process that uses a key."""
    running: list[subprocess.Popen[str]] = []

    def start(identity: Path, key: str, hub: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(identity), key, hub],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        running.append(process)
        assert process.stdout is not None and process.stdout.readline() == "begun\n"
        return process

    yield start
    for process in running:
        process.kill()
        process.communicate(timeout=20)


def held() -> tuple[Any, Any]:
    """The files and the uses of keys that this process holds."""
    return key_use._LOCKS._files, key_use._LOCKS._uses


def warnings_in(caplog: pytest.LogCaptureFixture) -> int:
    return sum(WARNING in record.getMessage() for record in caplog.records)


def at(hub: EmbeddedHub, client: Any) -> str:
    return str(client.profile.settings.address)


def test_a_second_process_with_the_same_key_is_warned(
    hub: EmbeddedHub, make: Make, folder: Path, other: Other, caplog: pytest.LogCaptureFixture
) -> None:
    identity = NodeIdentity(folder / "_identity.json")
    client = make(hub, identity=identity)
    process = other(folder / "_identity.json", "k", at(hub, client))
    client.connect()
    try:
        assert ask(client) == "you said: hello"
        assert warnings_in(caplog) == 1
        for word in ("app_name", "--identity-file", "add-client"):
            assert word in caplog.text
    finally:
        client.close()
    process.kill()  # as `kill -9` does it: the system drops the lock
    process.wait(20)
    with make(hub, identity=identity):
        assert warnings_in(caplog) == 1


def test_the_first_process_is_seen_by_the_second_as_long_as_it_is_connected(
    hub: EmbeddedHub, make: Make, folder: Path, other: Other
) -> None:
    client = make(hub, identity=NodeIdentity(folder / "_identity.json"))
    with client:
        second = other(folder / "_identity.json", "k", at(hub, client))
    third = other(folder / "_identity.json", "k", at(hub, client))
    second.kill()
    assert WARNING in second.communicate(timeout=20)[1]
    assert WARNING in third.communicate(timeout=20)[1]  # of the second
    last = other(folder / "_identity.json", "k", at(hub, client))
    assert WARNING not in last.communicate(timeout=20)[1]


def test_another_key_or_hub_is_nobody_else_s(
    hub: EmbeddedHub, make: Make, folder: Path, other: Other, caplog: pytest.LogCaptureFixture
) -> None:
    client = make(hub, identity=NodeIdentity(folder / "_identity.json"))
    other(folder / "_identity.json", "k2", at(hub, client))
    other(folder / "_identity.json", "k", "ws://elsewhere:5678")
    with client:
        assert warnings_in(caplog) == 0


def test_clients_of_one_process_count_as_one(
    folder: Path, other: Other, caplog: pytest.LogCaptureFixture
) -> None:
    uses = [KeyUse(), KeyUse()]
    for use in uses:
        use.begin(str(folder / "_identity.json"), "k", "ws://h:1")
        use.begin(str(folder / "_identity.json"), "k", "ws://h:1")
    assert warnings_in(caplog) == 0
    uses[0].end()
    uses[0].end()
    process = other(folder / "_identity.json", "k", "ws://h:1")  # the second one still uses it
    assert WARNING in process.communicate(timeout=20)[1]
    uses[1].end()
    assert held() == ({}, {})


def test_applications_of_one_user_are_told_of_one_another(folder: Path, other: Other) -> None:
    for name in ("one", "two"):
        (folder / name).mkdir()
    other(folder / "one" / "_identity.json", "k", "ws://h:1")
    process = other(folder / "two" / "_identity.json", "k", "ws://h:1")
    assert WARNING in process.communicate(timeout=20)[1]
    assert (folder / key_use.FILE_NAME).stat().st_size == 0
    assert (folder / key_use.FILE_NAME).stat().st_mode & 0o777 == 0o600


def test_where_there_can_be_no_lock_nothing_is_said(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    (folder / key_use.FILE_NAME).mkdir()
    for file in (None, str(folder / "missing" / "deeper" / "id.json"), str(folder / "_identity.json")):
        use = KeyUse()
        use.begin(file, "k", "ws://h:1")
        use.end()
    assert warnings_in(caplog) == 0
    assert not (folder / "missing").exists()
    assert held() == ({}, {})


@pytest.mark.skipif(not hasattr(os, "fork"), reason="a child of a fork")
def test_the_child_of_a_fork_has_none_of_its_parent_s_locks(folder: Path) -> None:
    code = f"""
import os, sys
from hivemind_core_client.config.key_use import KeyUse
mine = KeyUse()
mine.begin({str(folder / "_identity.json")!r}, "k", "ws://h:1")
child = os.fork()
if not child:
    mine.end()
    KeyUse().begin({str(folder / "_identity.json")!r}, "k", "ws://h:1")
    os._exit(7)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])) if hasattr(os, "waitstatus_to_exitcode") else sys.exit(7)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 7, done.stderr
    assert done.stderr.count(WARNING) == 1


def test_a_process_that_is_stopped_holds_nobody_up(
    hub: EmbeddedHub, make: Make, folder: Path, other: Other, caplog: pytest.LogCaptureFixture
) -> None:
    client = make(hub, identity=NodeIdentity(folder / "_identity.json"))
    process = other(folder / "_identity.json", "k", at(hub, client))
    os.kill(process.pid, signal.SIGSTOP)
    try:
        with client:
            assert ask(client) == "you said: hello"
        assert warnings_in(caplog) == 1
    finally:
        os.kill(process.pid, signal.SIGCONT)
