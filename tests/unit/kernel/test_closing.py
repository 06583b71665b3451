"""What ends of connections mean that no Link sees: statuses of HTTP."""

from __future__ import annotations

from typing import Optional

import pytest

from hivemind_core_client.kernel.closing import meaning_of_close, refuses_key
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
