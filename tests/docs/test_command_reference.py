"""What docs/command-line.md says of each command is what the command says of itself."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from .documents import ROOT, page

PAGE = "docs/command-line.md"
TOOL = ROOT / "tools" / "command-reference"


def check(*arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(cwd / TOOL.relative_to(ROOT)), *arguments],
        capture_output=True,
        text=True,
        timeout=50,
    )


def test_the_page_is_what_the_commands_say() -> None:
    done = check("--check")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("written_by_hand", [True, False], ids=["by hand", "by the tool"])
def test_a_change_is_found_and_only_its_own_part_is_written(tmp_path: Path, written_by_hand: bool) -> None:
    copy = tmp_path / TOOL.relative_to(ROOT)
    copy.parent.mkdir()
    copy.write_bytes(TOOL.read_bytes())
    changed = tmp_path / PAGE
    changed.parent.mkdir()
    before = "# CLI Reference" if written_by_hand else "Talk to the hub"
    assert before in page(PAGE)
    changed.write_text(page(PAGE).replace(before, "Something else"), encoding="utf-8")
    assert check("--check", cwd=tmp_path).returncode == (0 if written_by_hand else 1)
    assert check(cwd=tmp_path).returncode == 0
    assert ("Something else" in changed.read_text(encoding="utf-8")) is written_by_hand
