"""Every state of a connection and every legal transition, as data."""

from __future__ import annotations

from enum import Enum


class State(Enum):
    """Where a connection stands."""

    IDLE = "idle"
    AWAITING_HELLO = "awaiting hello"
    AWAITING_OFFER = "awaiting offer"
    AWAITING_ANSWER = "awaiting answer"
    IN_DOUBT = "in doubt"
    PROOF_WINDOW = "proof window"
    ESTABLISHED = "established"
    REFUSED = "refused"
    CLOSED = "closed"


class Signal(Enum):
    """What moves a connection from one state to another."""

    OPENED = "the transport is open"
    HELLO = "the hub said hello"
    OFFER = "the hub offered its handshakes, and we began one"
    KEYED = "both sides own the key"
    KEYED_IN_DOUBT = "both sides own the key, but the end of the handshake is ours, and the hub may refuse it"
    PONG = "the hub answered a ping that was sent after the handshake, or took too long for it"
    PROVEN = "the hub sent a sealed frame, or the proof window has closed"
    REFUSAL = "this connection is given up, by the hub or by us: the error says whether another is tried"
    ENDED = "the transport is closed"


TRANSITIONS: dict[tuple[State, Signal], State] = {
    (State.IDLE, Signal.OPENED): State.AWAITING_HELLO,
    (State.IDLE, Signal.ENDED): State.CLOSED,
    (State.AWAITING_HELLO, Signal.HELLO): State.AWAITING_OFFER,
    (State.AWAITING_HELLO, Signal.REFUSAL): State.REFUSED,
    (State.AWAITING_HELLO, Signal.ENDED): State.CLOSED,
    (State.AWAITING_OFFER, Signal.OFFER): State.AWAITING_ANSWER,
    (State.AWAITING_OFFER, Signal.REFUSAL): State.REFUSED,
    (State.AWAITING_OFFER, Signal.ENDED): State.CLOSED,
    (State.AWAITING_ANSWER, Signal.KEYED): State.ESTABLISHED,
    (State.AWAITING_ANSWER, Signal.KEYED_IN_DOUBT): State.IN_DOUBT,
    (State.AWAITING_ANSWER, Signal.REFUSAL): State.REFUSED,
    (State.AWAITING_ANSWER, Signal.ENDED): State.CLOSED,
    (State.IN_DOUBT, Signal.PONG): State.PROOF_WINDOW,
    (State.IN_DOUBT, Signal.PROVEN): State.ESTABLISHED,
    (State.IN_DOUBT, Signal.REFUSAL): State.REFUSED,
    (State.IN_DOUBT, Signal.ENDED): State.CLOSED,
    (State.PROOF_WINDOW, Signal.PROVEN): State.ESTABLISHED,
    (State.PROOF_WINDOW, Signal.REFUSAL): State.REFUSED,
    (State.PROOF_WINDOW, Signal.ENDED): State.CLOSED,
    (State.ESTABLISHED, Signal.REFUSAL): State.REFUSED,
    (State.ESTABLISHED, Signal.ENDED): State.CLOSED,
    (State.REFUSED, Signal.ENDED): State.REFUSED,
    (State.CLOSED, Signal.ENDED): State.CLOSED,
}

#: The hub may still refuse the handshake by closing.
DOUBTFUL_STATES = frozenset({State.IN_DOUBT, State.PROOF_WINDOW})
#: What a shell waits for in a state; a deadline belongs to each (see policy.Deadlines).
PHASES: dict[State, str] = {
    State.AWAITING_HELLO: "first frame",
    State.AWAITING_OFFER: "handshake",
    State.AWAITING_ANSWER: "handshake",
}


class IllegalTransition(RuntimeError):
    """A signal that is not legal in a state: a fault of the kernel, never of a peer."""


def advance(state: State, signal: Signal) -> State:
    """The state after `signal`. Raises IllegalTransition for a pair that is not in the table."""
    try:
        return TRANSITIONS[state, signal]
    except KeyError:
        raise IllegalTransition(f"{signal.name} in state {state.name}") from None
