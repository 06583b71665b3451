"""What an error says, made into advice for this very command line."""

from __future__ import annotations

from typing import Any

import pytest

from hivemind_client_cli.advice import parted
from hivemind_client_cli.group import output_for


@pytest.mark.parametrize(
    ("args", "path"),
    [
        (["ping", "--identity-file", "a"], "a"),
        (["ping", "--identity-file=a=b"], "a=b"),
        (["ping", "--identity-file"], None),
        (["ping", "--", "--identity-file", "a"], None),
        (["ping"], None),
    ],
)
def test_where_the_file_is_given(args: list[str], path: Any) -> None:
    assert output_for(args).identity_file == path


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("it broke. Mend it. Now", ("it broke", "mend it. Now")),
        ("ws://h:1 is old: update", ("ws://h:1 is old", "update")),
        ("it broke", ("it broke", "")),
    ],
)
def test_what_happened_and_what_mends_it(text: str, parts: tuple[str, str]) -> None:
    assert parted(text) == parts
