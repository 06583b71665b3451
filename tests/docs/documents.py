"""The pages of the documentation, and the fenced blocks in them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
#: The client that the hubs of these tests know.
KEY, PASSWORD = "readme-key", "a-password-of-the-docs-long-and-random-4711"
#: Tutorials whose code is in files that the reader writes: test_tutorials.py follows them.
FOLLOWED = (
    "tutorial-bridge.md",
    "tutorial-first-satellite.md",
    "tutorial-plugin.md",
    "tutorial-service.md",
)

_FENCE = re.compile(r"^(?P<indent> *)(?P<ticks>`{3,})(?P<language>[^\s`]*)\s*$")
_CODE = re.compile(r"`([^`\n]+)`")


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, its lines, and the line number of its first line."""

    page: Path
    line: int
    language: str
    text: str

    @property
    def name(self) -> str:
        """How a test run names it."""
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def pages() -> list[Path]:
    """Every Markdown page that users read."""
    papers = ("README", "CODE_OF_CONDUCT", "CONTRIBUTING", "RELEASING", "SECURITY")
    top = [ROOT / f"{name}.md" for name in papers]
    return [*top, *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "plugins").glob("*/README.md"))]


def page(name: str) -> str:
    """The text of one page."""
    return (ROOT / name).read_text(encoding="utf-8")


def blocks(path: Path) -> Iterator[Block]:
    """The fenced blocks of a page, from top to bottom."""
    opened: re.Match[str] | None = None
    start = 0
    lines: list[str] = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        fence = _FENCE.match(line)
        if opened is None and fence is not None:
            opened, start, lines = fence, number + 1, []
        elif opened is not None and fence is not None and not fence["language"]:
            yield Block(path, start, opened["language"], "\n".join(lines))
            opened = None
        elif opened is not None:
            lines.append(line[len(opened["indent"]) :])
    assert opened is None, f"{path.name}: a block that begins before line {start} does not end"


def all_blocks(*languages: str) -> list[Block]:
    """The blocks of every page in these languages, or in any."""
    found = [block for path in pages() for block in blocks(path)]
    return [block for block in found if not languages or block.language in languages]


def prose(path: Path) -> str:
    """A page without its fenced blocks."""
    text = path.read_text(encoding="utf-8")
    return re.sub(r"^ *```.*?^ *```\s*$", "", text, flags=re.MULTILINE | re.DOTALL)


def inline_code(path: Path) -> list[str]:
    """What stands between back-ticks in the prose of a page."""
    return _CODE.findall(prose(path))
