"""The commands that an error names are for the identity file of this very command line."""

from __future__ import annotations

from typing import Any

import pytest

from hivemind_client_cli.group import output_for
from hivemind_client_cli.misuse import Misuse
from hivemind_client_cli.output import Output
from hivemind_core_client.errors import Command, HubUnreachable, Mend, Setting

MEND = Mend("run ", Command(("reset-pgp",)), " with ", Setting("ca_file", "--ca-file FILE"))


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


@pytest.mark.parametrize(("path", "more"), [(None, ""), ("a b", " --identity-file 'a b'")])
def test_what_mends_an_error_is_worded_for_this_command_line(path: str | None, more: str) -> None:
    output = Output(identity_file=path)
    output.hide("secret")
    text = f"run 'hivemind-client reset-pgp{more}' with --ca-file FILE"
    assert output.worded(MEND) == text
    assert output.worded(HubUnreachable("the secret", MEND)) == f"the ***. R{text[1:]}"
    assert output.worded("a secret") == "a ***"


def test_wrong_usage_has_mends_too(run: Any) -> None:
    done = run("set-identity", "--identity-file", "new.json").expect(2)
    assert "('hivemind-client reset-pgp --identity-file new.json' makes a new RSA key pair)" in done.err
    assert Misuse("no", MEND).format_message() == "no. Run 'hivemind-client reset-pgp' with --ca-file FILE"
