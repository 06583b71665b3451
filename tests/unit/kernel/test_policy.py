"""Limits, deadlines and the delays between attempts."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hivemind_core_client.errors import InvalidOption
from hivemind_core_client.kernel.policy import Backoff, Deadlines, Limits, Polling
from hivemind_core_client.kernel.states import PHASES


@pytest.mark.parametrize(
    ("chance", "delays"),
    [
        (0.0, [0.5, 1, 2, 4, 8, 16, 30, 30]),
        (0.5, [1, 2, 4, 8, 16, 32, 60, 60]),
        (1.0, [1.5, 3, 6, 12, 24, 48, 60, 60]),
    ],
)
def test_connecting_delays_double_up_to_the_cap_and_are_jittered(chance: float, delays: list[float]) -> None:
    """Row: a whole fleet reconnected in step after a hub restart."""
    backoff = Backoff(chance=lambda: chance)
    assert [backoff.delay(attempt) for attempt in range(8)] == delays


@given(st.integers(0, 10**6), st.floats(0, 1, exclude_max=True), st.floats(0.001, 60), st.floats(60, 600))
def test_a_delay_is_never_beyond_its_cap(attempt: int, chance: float, first: float, cap: float) -> None:
    delay = Backoff(first=first, cap=cap, chance=lambda: chance).delay(attempt)
    assert 0 < delay <= cap
    assert delay >= min(cap, first * 2.0 ** min(attempt, 30)) / 2


def test_two_satellites_do_not_come_back_together() -> None:
    assert len({Backoff().delay(9) for _ in range(50)}) > 10


def test_a_client_that_hears_nothing_asks_ever_slower() -> None:
    polling = Polling(fast=0.05, slow=2.0)
    assert [polling.interval(quiet) for quiet in (0, 0.01, 0.2, 1, 10, 3600)] == [
        0.005,
        0.01,
        0.05,
        0.1,
        1,
        2,
    ]


def test_deadlines_by_phase() -> None:
    deadlines = Deadlines(first_frame=1.0, handshake=2.0)
    assert {phase: deadlines.of(phase) for phase in PHASES.values()} == {"first frame": 1.0, "handshake": 2.0}


NO_SECONDS = [-1, "1", None, True, math.nan, math.inf, 2**31]
NO_BYTES = [0, -1, "1", None, True, 1e6, math.nan]
SOME = "seconds, more than 0 and finite"


@pytest.mark.parametrize(
    ("kind", "names", "refused", "allowed"),
    [
        (
            Deadlines,
            ["tcp", "tls", "upgrade", "first_frame", "handshake", "write", "close"],
            [0.0, *NO_SECONDS],
            SOME,
        ),
        (Deadlines, ["send"], NO_SECONDS, "seconds, 0 or more and finite"),
        (Backoff, ["first", "cap"], [0, *NO_SECONDS], SOME),
        (Polling, ["fast", "slow"], [0.004, *NO_SECONDS], "seconds, 0.005 or more and finite"),
        (Limits, ["frame", "inflated", "assembled"], NO_BYTES, "a whole number of bytes, more than 0"),
    ],
)
def test_a_number_that_makes_no_sense_is_an_option_to_mend(
    kind: Any, names: list[str], refused: list[Any], allowed: str
) -> None:
    """It was a ValueError or a TypeError of attrs, and what is not a number at all (NaN) was taken."""
    for name in names:
        for value in refused:
            with pytest.raises(InvalidOption) as raised:
                kind(**{name: value})
            assert str(raised.value) == f"{kind.__name__}.{name} is {value!r}; it must be {allowed}"


def test_an_attempt_takes_its_phases_together() -> None:
    assert Deadlines(tcp=1, tls=2, upgrade=4, first_frame=8, handshake=16, send=99, close=99).attempt == 31


def test_emit_may_wait_not_at_all() -> None:
    assert Deadlines(send=0.0).send == 0.0


def test_the_limits_of_the_protocol() -> None:
    assert Limits().inflated == 32 * 2**20


def test_what_opens_a_connection_may_be_bounded_as_one() -> None:
    patient = Deadlines(tcp=1, tls=9)
    assert patient.opening_within(None) is patient
    hasty = patient.opening_within(3)
    assert (hasty.tcp, hasty.tls, hasty.upgrade, hasty.first_frame) == (1, 3, 3, 3)
    assert (hasty.handshake, hasty.send, hasty.close) == (20, 2, 3)
