"""docs/errors.md and docs/troubleshooting.md quote what the code says."""

from __future__ import annotations

import ast
import builtins
import functools
import inspect
import re

import pytest

from hivemind_core_client import errors

from .documents import ROOT, page

SOURCES = [ROOT / "hivemind_core_client", ROOT / "plugins" / "cli" / "src", ROOT / "plugins" / "mqtt" / "src"]
ERRORS = [
    value
    for value in vars(errors).values()
    if inspect.isclass(value) and issubclass(value, errors.HiveMindError)
]


def _said(node: ast.expr) -> str:
    """What a text expression says, with an ellipsis where a value comes in."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return re.sub(r"%\w+", "…", node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(_said(part) for part in node.values)
    return "…"


@functools.lru_cache(maxsize=1)
def _all_texts() -> str:
    texts = []
    for folder in SOURCES:
        for path in folder.rglob("*.py"):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            texts += [
                _said(node) for node in ast.walk(tree) if isinstance(node, (ast.Constant, ast.JoinedStr))
            ]
    return "\n".join(texts)


def _quoted() -> list[str]:
    cells = re.findall(r"^\| (`.+?) \|", page("docs/troubleshooting.md"), re.MULTILINE)
    return [text for cell in cells for text in re.findall(r"`([^`]+)`", cell)]


def _readings(piece: str) -> list[str]:
    """A piece of a text, as it is and with any run of its words filled in by the code."""
    words = piece.split()
    runs = [(start, end) for start in range(len(words)) for end in range(start + 1, len(words) + 1)]
    filled = [
        " ".join([*words[:start], "…", *words[end:]]) for start, end in runs if end - start < len(words)
    ]
    return [piece, *filled]


@pytest.mark.parametrize("text", _quoted())
def test_what_troubleshooting_quotes_is_said(text: str) -> None:
    for piece in re.split(r"\W*…\W*", text):
        assert any(reading in _all_texts() for reading in _readings(piece)), piece


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.__name__)
def test_the_builtins_an_error_belongs_to_are_told(error: type[errors.HiveMindError]) -> None:
    own = {
        base.__name__
        for base in error.__bases__
        if getattr(builtins, base.__name__, None) is base and base is not Exception
    }
    row = re.search(rf"^\| `{error.__name__}` \|([^|]*)\|", page("docs/errors.md"), re.MULTILINE)
    assert row is not None
    assert own <= {name.strip() for name in row[1].split(",")}


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.__name__)
def test_an_error_stands_in_the_tree_of_the_module(error: type[errors.HiveMindError]) -> None:
    assert re.search(rf"\b{error.__name__}\b", errors.__doc__ or "")
