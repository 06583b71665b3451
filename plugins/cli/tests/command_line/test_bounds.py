"""Numbers that a command takes, and their bounds in words."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (["ping", "--port", "70000"], "this must be between 1 and 65535, not 70000"),
        (["ping", "--timeout", "0"], "this must be more than 0 and at most 86400 seconds, not 0"),
        (["listen", "--timeout", "nan"], "this must be more than 0 and at most 31622400 seconds, not nan"),
        (["listen", "--count", "0"], "this must be 1 or more, not 0"),
    ],
)
def test_a_number_outside_its_bounds_is_refused_in_words(run: Any, line: list[str], words: str) -> None:
    assert words in run(*line).expect(2).err


def test_help_tells_bounds_in_words(run: Any) -> None:
    text = " ".join(run("ping", "--help").expect(0).out.split())
    assert "Between 1 and 65535." in text
    assert "More than 0 and at most 86400 seconds. [default: 5.0]" in text
    assert "<" not in text
