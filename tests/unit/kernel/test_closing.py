"""What ends of connections mean that no Link sees: statuses of HTTP."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Optional

import pytest

from hivemind_core_client.kernel.closing import (
    is_fault_of_ours,
    is_redirect,
    meaning_of_close,
    pointed_elsewhere,
    refuses_key,
)
from hivemind_core_client.kernel.states import State
from hivemind_core_client.wire.errors import HubRefused, KeyRefused, LoginRefused


@pytest.mark.parametrize(
    ("status", "refused"),
    [
        (None, False),
        (101, False),
        (200, False),
        (400, False),
        (401, True),
        (403, True),
        (404, False),
        (500, False),
    ],
)
def test_which_statuses_refuse_the_access_key(status: Optional[int], refused: bool) -> None:
    assert refuses_key(status) is refused


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("invalid authorization", LoginRefused),
        ("Invalid Authorization", LoginRefused),
        ("invalid api key", KeyRefused),
        ("", KeyRefused),
    ],
)
def test_a_login_that_cannot_be_read_is_not_called_an_unknown_key(
    reason: str, kind: type[HubRefused]
) -> None:
    error = meaning_of_close(State.AWAITING_HELLO, 1008, reason, "ws://hub")
    assert type(error) is kind
    assert error.about == (("key",) if kind is KeyRefused else ())


@pytest.mark.parametrize(
    ("location", "shown"),
    [
        ("https://hub/hive/?authorization=c2VjcmV0", "to https://hub/hive/:"),
        ("//name:secret@hub/", "to //hub/:"),
        ("", "to an address that it does not name:"),
    ],
)
def test_a_redirect_is_told_without_the_login(location: str, shown: str) -> None:
    assert [status for status in (None, 200, 301, 302, 308, 404) if is_redirect(status)] == [301, 302, 308]
    assert shown in str(pointed_elsewhere("ws://hub", 301, location))


def test_whose_fault_an_exception_is() -> None:
    def raised(work: Callable[[], object]) -> Exception:
        try:
            work()
        except Exception as error:
            return error
        raise AssertionError

    theirs = raised(lambda: json.loads("{"))
    ours = raised(lambda: refuses_key([]))  # type: ignore[arg-type]  # on purpose
    assert not is_fault_of_ours(theirs, "json")
    assert is_fault_of_ours(ours, "json")
