"""A handler of a package that does not come back holds up nobody else."""

from __future__ import annotations

import pytest

from tests.packages.building import SHELLS, Environment


@pytest.mark.parametrize("shell", SHELLS)
def test_a_handler_that_blocks_keeps_nobody_from_sending_and_closing(
    environment: Environment, shell: str
) -> None:
    """It would block for 30 seconds. Closing may wait for it for as long as callbacks may take."""
    facts = environment.program("blocked", shell)
    assert facts["emit"] < 1 and facts["arrived"] == 1
    assert facts["close"] < 8
    assert facts["report"] == ["loaded", 1]
    assert facts["released"] is False
