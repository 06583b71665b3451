"""Which of a hub's addresses is tried when."""

from __future__ import annotations

import pytest

from hivemind_core_client.kernel.racing import Race, interleaved, stagger

SIX, SIX_TOO, FOUR = (6, "a"), (6, "b"), (4, "c")
REFUSED, UNREACHABLE = OSError("refused"), OSError("unreachable")


def test_families_take_turns_and_each_address_has_its_time() -> None:
    assert interleaved([SIX, SIX_TOO, FOUR]) == [SIX, FOUR, SIX_TOO]
    assert [stagger(count, 10) for count in (0, 1, 2, 100)] == [0.25, 0.25, 0.25, 0.05]
    assert stagger(10_000, 1) == 0.01


def test_the_next_address_waits_for_its_turn_or_for_a_failure() -> None:
    race = Race([SIX, SIX_TOO, FOUR], 10, 100)
    assert race.step(100) == SIX
    assert race.step(100) == 0.25
    assert race.step(100.125) == 0.125
    assert race.step(100.25) == FOUR
    race.failed(REFUSED, 100.3)
    assert race.step(100.3) == SIX_TOO
    assert race.step(101) == 9


def test_a_race_ends_with_its_last_failure_or_with_its_time() -> None:
    race = Race([SIX, FOUR], 10, 0)
    for error in (REFUSED, UNREACHABLE):
        assert isinstance(race.step(1), tuple)
        race.failed(error, 1)
    with pytest.raises(OSError, match="unreachable"):
        race.step(1)
    with pytest.raises(OSError, match="no address"):
        Race([], 10, 0).step(0)
    late = Race([SIX], 10, 0)
    assert late.step(0) == SIX
    with pytest.raises(TimeoutError):
        late.step(10)
