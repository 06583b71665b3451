"""How long a frame is."""

from __future__ import annotations

import pytest

from hivemind_core_client.kernel.bounds import frame_size
from hivemind_core_client.plugins.contract import Frame


@pytest.mark.parametrize(
    ("frame", "size"),
    [(b"abc", 3), ("abc", 3), ("", 0), ("ü€", 5), ("\ud800", 3), (b"\xff" * 70_000, 70_000)],
)
def test_the_size_of_a_frame_is_that_on_the_wire(frame: Frame, size: int) -> None:
    assert frame_size(frame) == size
