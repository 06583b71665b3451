"""The picture of the README is what its commands print, and it loads nothing from elsewhere."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import defaultdict
from xml.etree import ElementTree

import pytest

from .documents import ROOT, page

PICTURE = "docs/figures/session.svg"
SVG = "{http://www.w3.org/2000/svg}"
#: What differs from run to run: the key that the hub has made for itself.
_CHANGING = re.compile(r"\bkey:[0-9a-f]+…?")


def drawn() -> list[str]:
    """The lines of the picture, from top to bottom."""
    lines: dict[float, list[tuple[float, str]]] = defaultdict(list)
    for text in ElementTree.parse(ROOT / PICTURE).iter(f"{SVG}text"):
        if "clip-path" in text.attrib:  # the title has none
            lines[float(text.attrib["y"])].append((float(text.attrib["x"]), text.text or ""))
    pieces = (sorted(lines[height]) for height in sorted(lines))
    return ["".join(text for _, text in line).replace("\u00a0", " ").rstrip() for line in pieces]


def fixed(lines: list[str]) -> str:
    """The text without what changes; a line that is broken at the edge of the picture is one again."""
    return re.sub(r"\s+", "", _CHANGING.sub("…", " ".join(lines)))


@pytest.mark.skipif(os.name != "posix" or sys.version_info < (3, 10), reason="needs a terminal and Noise")
def test_the_picture_is_true() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "tools" / "terminal-picture"), "--text"],
        capture_output=True,
        text=True,
        timeout=50,
    )
    assert done.returncode == 0, done.stderr
    printed = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", done.stdout)
    assert fixed(drawn()) == fixed(printed.splitlines())


def test_the_picture_loads_nothing_from_elsewhere() -> None:
    text = page(PICTURE)
    assert set(re.findall(r"https?://[^\s\"'<)]+", text)) <= {
        "http://www.w3.org/2000/svg",
        "https://www.textualize.io",
    }
    assert "@import" not in text and "url(http" not in text and "<image" not in text


def test_the_picture_comes_first_and_is_told_in_words() -> None:
    (words,) = re.findall(rf"!\[([^\]]+)\]\({PICTURE}\)", page("README.md"))
    assert len(words) > 40
    assert "```" not in page("README.md").partition(f"]({PICTURE})")[0]
