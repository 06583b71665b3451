"""What is in the file of an outbox after its process was killed, at any point, or the power went."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any, Callable, Optional

import pytest

from hivemind_core_client.config import outbox_file
from tests.unit.outbox_support import message, opened, said_by_child, waiting

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing is forked here"),
    pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning"),
]
#: Seconds after which a child that hangs is ended.
_CHILD_SECONDS = 30
#: What a child says when it has done all and was not killed.
_ALL_DONE = b"."


def keep_and_remove(path: Path, tell: Callable[[bytes], Any]) -> None:
    """Keep 1 to 4 and remove 1 and 2, and tell when each is done."""
    file = opened(path)
    for number in (1, 2, 3):
        file.append(message(number), 0.0)
        tell(b"+")
    file.remove_up_to(2)
    tell(b"-")
    file.append(message(4), 0.0)
    tell(b"+")
    file.close()
    tell(_ALL_DONE)


def killed_at(step: int, path: Path) -> bytes:
    """What a child told that was killed before it ran for the first time its line of this number."""

    def run(tell: Callable[[bytes], object]) -> None:
        signal.alarm(_CHILD_SECONDS)
        ran = set[int]()

        def trace(frame: FrameType, event: str, _: Any) -> Optional[Callable[..., Any]]:
            if frame.f_code.co_filename != outbox_file.__file__:
                return None
            if event == "line":
                ran.add(frame.f_lineno)
                if len(ran) == step:
                    os.kill(os.getpid(), signal.SIGKILL)
            return trace

        sys.settrace(trace)
        keep_and_remove(path, tell)

    return said_by_child(run)


@pytest.fixture
def quick_folder(tmp_path: Path) -> Iterator[Path]:
    """One in memory where the system has such: a kill takes nothing from there, and it need not wait for a disk."""
    memory = "/dev/shm"
    if not os.access(memory, os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        yield Path(folder)


def test_killed_before_any_line_it_has_what_was_accepted_in_order_and_once(quick_folder: Path) -> None:
    step, said = 0, b""
    while not said.endswith(_ALL_DONE):
        step += 1
        path = quick_folder / str(step) / "o"
        said = killed_at(step, path)
        kept, is_removed = said.count(b"+"), b"-" in said
        found = waiting(path)
        accepted = [number for number in range(1, kept + 1) if number > 2 or not is_removed]
        # Only what was being done when it was killed may be done or not.
        begun = [*accepted, kept + 1] if kept < 4 else accepted
        removing = [number for number in accepted if number > 2]
        assert found in (accepted, begun, removing), (step, said)
        shutil.rmtree(path.parent)
    assert step > 70


FLOOD = """
import sys
from pathlib import Path
from tests.unit.outbox_support import message, opened
file = opened(Path(sys.argv[1]))
number = 0
while True:
    number += 1
    file.append(message(number, number * 37 % 9000), 0.0)
    print(number, flush=True)
    if number % 50 == 0:
        file.remove_up_to(number - 25)
"""


@pytest.mark.parametrize("seed", range(3))
def test_killed_at_any_moment_it_has_what_was_accepted(tmp_path: Path, seed: int) -> None:
    path = tmp_path / "o"
    with subprocess.Popen(
        [sys.executable, "-c", FLOOD, str(path)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        said = [process.stdout.readline() for _ in range(random.Random(seed).randint(20, 300))]
        process.kill()
        said += process.stdout.readlines()
    accepted = int([line for line in said if line.endswith("\n")][-1])
    found = waiting(path)
    assert found == list(range(found[0], found[-1] + 1))
    assert found[-1] in (accepted, accepted + 1)
    assert found[0] in {number - 24 for number in range(0, accepted + 2, 50)} | {1}


def test_after_a_torn_write_it_has_what_came_before_that(tmp_path: Path) -> None:
    path, torn = tmp_path / "o", tmp_path / "torn" / "o"
    file = opened(path)
    sizes = []
    for number in range(1, 6):
        file.append(message(number), 0.0)
        sizes.append(Path(f"{path}-wal").stat().st_size)
    log = Path(f"{path}-wal").read_bytes()
    torn.parent.mkdir()
    for size in range(0, len(log) + 1, 701):
        shutil.copy(path, torn)
        Path(f"{torn}-wal").write_bytes(log[:size])
        whole = sum(each <= size for each in sizes)
        assert waiting(torn) == list(range(1, whole + 1)), size
    file.close()


def test_a_child_that_is_forked_and_ends_leaves_the_file_to_its_parent(tmp_path: Path) -> None:
    path = tmp_path / "o"
    program = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from tests.unit.outbox_support import message, opened\n"
        "file = opened(Path(sys.argv[1]))\n"
        "file.append(message(1), 0.0)\n"
        "child = os.fork()\n"
        "if not child:\n    sys.exit()\n"
        "os.waitpid(child, 0)\n"
        "file.append(message(2), 0.0)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(path)], timeout=60, check=False)
    assert done.returncode == -signal.SIGKILL
    assert waiting(path) == [1, 2]
