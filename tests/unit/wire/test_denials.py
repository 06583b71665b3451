"""What a hub says when it does not take a message: read whatever is in it, and what mends it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given

from hivemind_core_client.errors import MessageDenied, allow_msg
from hivemind_core_client.wire.denials import denial_of
from tests.unit.strategies import JSON

ALLOW = "run 'hivemind-core allow-msg made.up NODE_ID' on the hub's machine"
#: As hubs 4.15.0a1 and 5.3.10a1 said it.
TOLD = {
    "denied_type": "made.up",
    "code": "acl_disallowed_type",
    "reason": "made.up not in allowed_types",
    "data": {"msg_type": "made.up", "allowed": ["speak"]},
}


def test_a_denial_as_hubs_say_it() -> None:
    error = denial_of(TOLD)
    assert (error.msg_type, error.code, error.allowed) == ("made.up", "acl_disallowed_type", ("speak",))
    assert error.reason == "made.up not in allowed_types"
    assert str(error).startswith(
        f"hive.policy.denied: the hub does not take 'made.up' from here ({error.reason}): {ALLOW}"
    )
    assert isinstance(error, PermissionError) and error.exit_code == 3


MENDS: list[tuple[dict[str, Any], str]] = [
    ({}, ALLOW),
    ({"code": "acl_disallowed_type"}, ALLOW),
    (
        {"denied_type": "binary", "bin_type": "3", "code": "acl_disallowed_type"},
        "takes some type of message from this client. Run 'hivemind-core",
    ),
    ({"denied_type": ""}, "hivemind-core allow-msg TYPE NODE_ID"),
    ({"code": "session_id_default_forbidden"}, "take another session id than 'default'"),
    ({"code": "backend_unavailable"}, "start the OVOS (or other agent) of the hub"),
    ({"code": "malformed_payload"}, "look at how it is made"),
    ({"code": "too_many"}, "its log says more"),
    ({"denied_type": "binary", "code": "too_large"}, "its log says more"),
    ({"denied_type": "binary"}, "its log says more"),
]


@pytest.mark.parametrize(("said", "mend"), MENDS)
def test_the_mend_fits_the_code(said: dict[str, Any], mend: str) -> None:
    text = str(denial_of({"denied_type": "made.up", **said}))
    assert mend in text
    assert ("allow-msg" in text) is ("allow-msg" in mend or "Run 'hivemind-core" in mend)


@pytest.mark.parametrize("name", ["denied_type", "msg_type", "message_type"])
def test_hubs_of_different_ages_name_the_type_in_other_places(name: str) -> None:
    assert denial_of({name: "made.up"}, "sent").msg_type == "made.up"


@pytest.mark.parametrize("data", [None, [], {"denied_type": 5}, {"reason": {}}])
def test_a_denial_that_names_no_type_is_about_what_was_sent(data: Any) -> None:
    assert denial_of(data, "sent").msg_type == "sent"


def test_a_peers_words_reach_neither_terminal_nor_shell() -> None:
    evil = {"denied_type": "x\x1b[31m; rm -rf ~", "reason": "no\x9b", "code": "acl_disallowed_type"}
    text = str(denial_of(evil))
    assert text.isprintable()
    assert "does not take 'x?[31m; rm -rf ~' from here" in text
    assert len(str(denial_of({"denied_type": "x" * 10_000, "reason": "y" * 10_000}))) < 1000


@pytest.mark.parametrize("name", ["$(reboot)", "x; rm -rf ~", "a b", "--help", "'`id`'", "ø", "x\n", ""])
def test_a_command_to_copy_holds_no_type_that_a_shell_would_read(name: str) -> None:
    """With its quotes or without them."""
    assert "'hivemind-core allow-msg TYPE NODE_ID'" in str(MessageDenied(name))
    assert allow_msg(name) == allow_msg("TYPE")


def test_what_may_be_sent_is_bounded() -> None:
    error = denial_of({"data": {"allowed": [*["t" * 1000] * 5000, 7]}})
    assert error.allowed is not None and len(error.allowed) == 1000
    assert {len(name) for name in error.allowed} == {255}
    assert denial_of({"data": {"allowed": "speak"}}).allowed is None


@given(JSON)
def test_whatever_a_hub_says_is_a_denial(data: Any) -> None:
    assert str(denial_of(data)).isprintable()
