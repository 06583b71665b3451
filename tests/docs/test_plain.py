"""The pages that newcomers read are in short sentences."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from .documents import ROOT, prose

#: Words of the longest sentence that one can read once and understand.
LONGEST = 40
#: Pages of lists and reports, and pages that are generated.
INSIDE = {
    "command-line.md",
    "ecosystem.md",
    "interop.md",
    "reference-names.md",
}
PAGES = [
    *(path for path in sorted((ROOT / "docs").glob("*.md")) if path.name not in INSIDE),
    *sorted((ROOT / "plugins").glob("*/README.md")),
    *(ROOT / name for name in ("CONTRIBUTING.md", "compat/README.md")),
]
#: What ends a line of thought: an empty line, a list item, a row of a table.
_PIECES = re.compile(r"\n\s*\n|\n(?=\s*(?:[-*|]|\d+\.) ?)")
_SENTENCES = re.compile(r"(?<=[.!?:])(?:\*\*)?\s+(?=[A-Z`*\[…])")


def sentences(text: str) -> list[str]:
    """Without the rows of tables and indented code; code counts as one word, and so does the target of a link."""
    pieces = [piece for piece in _PIECES.split(text) if not re.match(r"\n*    |\s*\|", piece)]
    plain = [re.sub(r"`[^`]*`", "CODE", re.sub(r"\]\([^)]*\)", "]", piece)) for piece in pieces]
    return [sentence for piece in plain for sentence in _SENTENCES.split(piece)]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_sentence_is_read_once(path: Path) -> None:
    assert [one for one in sentences(prose(path)) if len(one.split()) > LONGEST] == []


def test_sentences_are_told_apart() -> None:
    assert sentences(
        "One `a b c`. Two\ngoes on.\n\n- Three [x y](z.md)\n| a row |\n1. Four: `x`\n\n    make it"
    ) == [
        "One CODE.",
        "Two\ngoes on.",
        "- Three [x y]",
        "1.",
        "Four:",
        "CODE",
    ]
