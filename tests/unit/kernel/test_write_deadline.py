"""When a message that is being written is given up: by what the hub takes, not by how long it takes."""

from __future__ import annotations

from typing import Optional

import pytest

from hivemind_core_client.kernel.write_deadline import WriteDeadline

#: Looks at a write of 100 bytes that may stand still for 8 seconds: when, how much is left, and the next look.
LOOKS: dict[str, list[tuple[float, int, Optional[float]]]] = {
    "nothing is taken": [(0, 100, 1.0), (4, 100, 1.0), (7.5, 100, 0.5), (8, 100, None)],
    "a little again and again": [(7, 99, 1.0), (14, 98, 1.0), (21, 97, 1.0), (28, 96, 1.0)],
    "a part, and no more": [(5, 40, 1.0), (12, 40, 1.0), (12.75, 40, 0.25), (13, 40, None)],
    "the first look is late": [(9, 100, None)],
    "the first look is late, but something was taken": [(9, 99, 1.0), (16.5, 99, 0.5), (17, 99, None)],
    "more is added": [(4, 150, 1.0), (7, 120, 1.0), (8, 110, None)],
    "what was added is taken, and more": [(4, 150, 1.0), (7, 99, 1.0), (15, 99, None)],
}


@pytest.mark.parametrize("looks", LOOKS.values(), ids=LOOKS.keys())
@pytest.mark.parametrize("start", [0.0, 1000.0])
def test_a_message_is_given_up_when_nothing_of_it_is_taken(
    looks: list[tuple[float, int, Optional[float]]], start: float
) -> None:
    deadline = WriteDeadline(8, start, 100)
    assert [deadline.next_look(start + now, left) for now, left, _ in looks] == [pause for *_, pause in looks]
