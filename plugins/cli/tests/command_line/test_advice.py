"""What an error says, made into advice for this very command line."""

from __future__ import annotations

from typing import Any

import pytest

from hivemind_client_cli.advice import for_identity, parted
from hivemind_client_cli.group import output_for


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("run 'hivemind-client reset-pgp'", "run 'hivemind-client reset-pgp{}'"),
        ("do: hivemind-client set-identity --key KEY", "do: hivemind-client set-identity --key KEY{}"),
        (
            "do: hivemind-client set-identity --key KEY. Now",
            "do: hivemind-client set-identity --key KEY{}. Now",
        ),
        ("hivemind-client doctor --say 'what now'", "hivemind-client doctor --say 'what now'{}"),
        ("hivemind-client forget-server [::1]:5678", "hivemind-client forget-server [::1]:5678{}"),
        ("see 'hivemind-client plugins'", "see 'hivemind-client plugins'"),
        ("try 'hivemind-client trust --help'", "try 'hivemind-client trust --help'"),
        (
            "what 'hivemind-client trust show' prints on the other node",
            "what 'hivemind-client trust show' prints on the other node",
        ),
        ("'hivemind-client reset-pgp' on the other node", "'hivemind-client reset-pgp' on the other node"),
        (
            "'hivemind-client set-identity --identity-file x'",
            "'hivemind-client set-identity --identity-file x'",
        ),
        ("pip install hivemind-client-cli", "pip install hivemind-client-cli"),
    ],
)
def test_a_command_is_for_the_identity_file(text: str, told: str) -> None:
    assert for_identity(text, "a b") == told.format(" --identity-file 'a b'")
    assert for_identity(text, None) == text


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
