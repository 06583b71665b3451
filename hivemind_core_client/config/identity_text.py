"""The identity file as people and other clients write it: JSON with comments, with values of the wrong type."""

from __future__ import annotations

import json
import re
from typing import Any, Optional

_STRING = r'"(?:\\.|[^"\\])*"'
_COMMENT = re.compile(rf"{_STRING}|//[^\n]*|#[^\n]*|/\*.*?\*/", re.DOTALL)
_TRAILING_COMMA = re.compile(rf"{_STRING}|,(?=\s*[\]}}])", re.DOTALL)


def parse(raw: bytes) -> Any:
    """What the file holds; comments and commas before the end of an object or a list do not count.

    Raises JSONDecodeError, another ValueError, or RecursionError.
    """
    try:
        return json.loads(raw)
    except json.JSONDecodeError as error:
        plain = _TRAILING_COMMA.sub(_blank, _COMMENT.sub(_blank, error.doc))
        return json.loads(plain)


def _blank(found: re.Match[str]) -> str:
    """A string as it is, and anything else as blanks, so that an error names the place in the file."""
    text = found.group()
    return text if text.startswith('"') else re.sub(r"[^\n]", " ", text)


def as_text(value: object) -> Optional[str]:
    """The text of a field, of which some write a number, such as a site `5`; None for anything else."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return json.dumps(value)
    return value if isinstance(value, str) else None
