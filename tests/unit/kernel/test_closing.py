"""What ends of connections mean that no Link sees: statuses of HTTP."""

from __future__ import annotations

from typing import Optional

import pytest

from hivemind_core_client.kernel.closing import refuses_key


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
