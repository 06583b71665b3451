"""The table of states: what is in it, and that nothing else is possible."""

from __future__ import annotations

import itertools

import pytest

from hivemind_core_client.kernel.states import PHASES, TRANSITIONS, IllegalTransition, Signal, State, advance

PAIRS = list(itertools.product(State, Signal))
ALIVE = [State.AWAITING_HELLO, State.AWAITING_OFFER, State.AWAITING_ANSWER, State.ESTABLISHED]


@pytest.mark.parametrize(("state", "signal"), PAIRS)
def test_every_pair_is_in_the_table_or_illegal(state: State, signal: Signal) -> None:
    if (state, signal) in TRANSITIONS:
        assert advance(state, signal) is TRANSITIONS[state, signal]
    else:
        with pytest.raises(IllegalTransition, match=f"{signal.name} in state {state.name}"):
            advance(state, signal)


def test_the_way_to_a_session() -> None:
    state = State.IDLE
    for signal in (Signal.OPENED, Signal.HELLO, Signal.OFFER, Signal.KEYED):
        state = advance(state, signal)
    assert state is State.ESTABLISHED


@pytest.mark.parametrize("state", State)
def test_every_state_can_end(state: State) -> None:
    """Row: every way a connection can end leads to one place."""
    assert advance(state, Signal.ENDED) in (State.CLOSED, State.REFUSED)


@pytest.mark.parametrize("state", ALIVE)
def test_every_live_state_can_be_refused(state: State) -> None:
    assert advance(state, Signal.REFUSAL) is State.REFUSED


@pytest.mark.parametrize("state", [State.REFUSED, State.CLOSED])
def test_what_is_over_stays_over(state: State) -> None:
    """Row (keys): no signal leads from an ended connection, or twice to a key."""
    assert [signal for signal in Signal if (state, signal) in TRANSITIONS] == [Signal.ENDED]
    assert TRANSITIONS[state, Signal.ENDED] is state


def test_a_key_comes_from_one_state_only() -> None:
    assert [state for state in State if (state, Signal.KEYED) in TRANSITIONS] == [State.AWAITING_ANSWER]


def test_every_state_can_be_reached() -> None:
    assert set(TRANSITIONS.values()) | {State.IDLE} == set(State)


def test_every_state_before_the_session_has_a_phase() -> None:
    assert set(PHASES) == set(ALIVE) - {State.ESTABLISHED}
