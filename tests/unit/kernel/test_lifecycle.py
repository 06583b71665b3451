"""The life of a client's connections: its states, whether and when it tries again, what is told, and in which order."""

from __future__ import annotations

import logging
from typing import Any, Optional

import pytest

from hivemind_core_client import errors as err
from hivemind_core_client.kernel.lifecycle import (
    CLIENT_TRANSITIONS,
    ClientHistory,
    ClientState,
    ConnectionLifecycle,
    Ending,
    LifecycleSignal,
    Step,
)
from hivemind_core_client.kernel.policy import Backoff, Deadlines
from tests.unit.support import WHERE

LOST = err.ConnectionLost("gone")
UNREACHABLE = err.HubUnreachable("nobody listens")
REFUSED = err.KeyRefused("no such key")
PASSWORD = err.PasswordRefused("another password")
AGAIN = err.HandshakeAgain("in another way")
HALF_WRITTEN = err.IdentityFileError("half a file")

TOLD_AT_AN_END = [
    Step.END_REQUESTS,
    Step.CLEAR_EVENTS,
    Step.TELL_CLOSE,
    Step.TELL_DOUBT,
    Step.END_QUESTIONS,
]


class Life(ConnectionLifecycle):
    """A lifecycle that waits 1, 2, 4 … 60 seconds; `explained` are the errors that were given to be explained.

    `time` is what its clock shows, and `login` what it would log in with.
    """

    def __init__(self) -> None:
        self.explained: list[err.HiveMindError] = []
        self.time, self.login = 1000.0, "k"
        self.history = ClientHistory(lambda: self.login)
        steady = Backoff(chance=lambda: 0.5, reset_after=30)
        super().__init__(
            lambda: WHERE,
            Deadlines(tcp=7, write=8),
            steady,
            self.explained.append,
            lambda: self.time,
            self.history,
        )


def test_who_may_try_for_ever_is_waited_for_without_end() -> None:
    life = Life()
    assert life.patience(None) is None
    once, thrice = life.patience(0), life.patience(2)
    assert once is not None and thrice == 3 * once


def connected(retries: Optional[int] = 0, seconds: float = 0.0) -> Life:
    """One whose session has stood for some seconds."""
    life = Life()
    life.begin(retries)
    life.established()
    life.time += seconds
    return life


def test_it_begins_where_nothing_was_asked_for() -> None:
    life = Life()
    assert (life.state, life.stands, life.stopping, life.last_error) == (ClientState.IDLE, False, False, None)
    assert str(life.state) == "idle"
    life.begin(0)
    assert (life.state, life.stands) == (ClientState.CONNECTING, False)
    life.established()
    assert (life.state, life.stands) == (ClientState.CONNECTED, True)


@pytest.mark.parametrize("state", [ClientState.REFUSED, ClientState.CLOSED])
def test_nothing_leads_out_of_an_end(state: ClientState) -> None:
    assert {to for (at, _), to in CLIENT_TRANSITIONS.items() if at is state} == {state}


def test_every_state_but_the_ends_can_end() -> None:
    for state in (ClientState.CONNECTING, ClientState.CONNECTED, ClientState.RECONNECTING):
        assert CLIENT_TRANSITIONS[state, LifecycleSignal.REFUSED] is ClientState.REFUSED
        assert CLIENT_TRANSITIONS[state, LifecycleSignal.OVER] is ClientState.CLOSED


# trying again


@pytest.mark.parametrize(
    ("retries", "delays", "state"),
    [
        (0, [None], ClientState.CLOSED),
        (2, [1, 2, None], ClientState.CLOSED),
        (None, [1, 2, 4, 8, 16, 32, 60, 60], ClientState.RECONNECTING),
    ],
    ids=["at-once", "some-retries", "for-ever"],
)
def test_attempts_before_the_first_session_are_counted(
    retries: Optional[int], delays: list[Optional[float]], state: ClientState
) -> None:
    life = Life()
    life.begin(retries)
    assert [life.ended(UNREACHABLE).delay for _ in delays] == delays
    assert life.state is state


@pytest.mark.parametrize("retries", [0, 3, None])
def test_a_session_that_stood_is_sought_again_without_end(retries: Optional[int]) -> None:
    life = connected(retries, seconds=30)
    assert [life.ended(error).delay for error in (LOST, UNREACHABLE, UNREACHABLE)] == [1, 1, 2]
    assert life.state is ClientState.RECONNECTING


def test_the_delay_begins_anew_only_after_a_session_that_lasted() -> None:
    life = connected()
    delays = [life.ended(LOST).delay]
    for seconds in (0, 29.9, 30, 0):
        life.established()
        life.time += seconds
        delays.append(life.ended(LOST).delay)
    assert delays == [1, 2, 4, 1, 1]
    assert life.ended(UNREACHABLE).delay == 2


def test_a_handshake_that_is_made_anew_counts_as_no_failure_and_waits_for_nothing() -> None:
    life = Life()
    life.begin(0)
    assert life.ended(AGAIN).delay == 0
    assert life.state is ClientState.CONNECTING
    assert life.ended(UNREACHABLE).delay is None


@pytest.mark.parametrize("stood", [True, False])
def test_a_refusal_is_final(stood: bool, caplog: pytest.LogCaptureFixture) -> None:
    life = connected() if stood else Life()
    if not stood:
        life.begin(None)
    assert life.ended(PASSWORD).delay is None
    life.finish()
    assert (life.state, life.last_error) == (ClientState.REFUSED, PASSWORD)
    assert [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR] == [
        f"no more attempts to connect to {WHERE}: another password"
    ]


@pytest.mark.parametrize("refused", [REFUSED, err.LoginRefused("what?")], ids=["key", "login"])
def test_a_refused_login_is_final_until_the_hub_has_accepted_it(refused: err.LoginRefused) -> None:
    fresh, known = Life(), connected()
    fresh.begin(None)
    assert fresh.ended(refused).delay is None
    assert fresh.state is ClientState.REFUSED
    known.ended(LOST)
    endings = [known.ended(refused) for _ in range(3)]
    assert [(type(ending.error), ending.delay) for ending in endings] == [(err.NotAHub, 60)] * 3
    assert [ending.steps for ending in endings] == [(Step.CLEAR_EVENTS, Step.TELL_ERROR)] * 3
    assert refused.what in str(known.last_error)
    assert isinstance(known.why_not_sent(), err.NotConnected)
    assert known.state is ClientState.RECONNECTING
    known.login = "another key"
    assert known.ended(refused).delay is None
    assert known.state is ClientState.REFUSED


def test_a_new_life_knows_the_logins_that_were_accepted_before() -> None:
    life = Life()
    life.history.note_login()
    life.begin(1)
    assert [life.ended(REFUSED).delay for _ in range(2)] == [60, None]
    assert life.state is ClientState.CLOSED


def test_a_refusal_that_the_caller_of_connect_is_told_is_not_logged_too(
    caplog: pytest.LogCaptureFixture,
) -> None:
    life = Life()
    life.begin(0)
    life.ended(REFUSED)
    life.finish()
    assert "no more attempts" not in caplog.text


def test_a_file_that_cannot_be_read_is_final_unless_it_could_be_before() -> None:
    """Whoever writes it now may be done the next time."""
    fresh, known = Life(), connected(seconds=30)
    fresh.begin(None)
    assert fresh.ended(HALF_WRITTEN).delay is None
    assert fresh.state is ClientState.CLOSED
    known.ended(LOST)
    assert known.ended(HALF_WRITTEN).delay == 1


# what is told


@pytest.mark.parametrize(
    ("error", "more"),
    [(LOST, [Step.TELL_RECONNECTING, Step.OBSERVE_END]), (PASSWORD, [Step.TELL_ERROR, Step.OBSERVE_END])],
    ids=["lost", "refused"],
)
def test_the_end_of_a_session_is_told_in_one_order(error: err.HiveMindError, more: list[Step]) -> None:
    ending = connected().ended(error)
    assert (ending.error, list(ending.steps)) == (error, [*TOLD_AT_AN_END, *more])


def test_an_attempt_that_failed_is_told_as_an_error() -> None:
    life = Life()
    life.begin(1)
    assert life.ended(UNREACHABLE) == Ending(UNREACHABLE, (Step.CLEAR_EVENTS, Step.TELL_ERROR), 1.0)


def test_every_error_is_explained_before_it_is_told() -> None:
    life = connected()
    life.ended(LOST)
    assert life.explained == [LOST] and life.last_error is LOST


# closing


def test_a_session_that_was_closed_ends_by_that() -> None:
    life = connected()
    life.stop()
    ending = life.ended(LOST)
    assert type(ending.error) is err.ClientClosed and life.last_error is ending.error
    assert (ending.delay, life.state) == (None, ClientState.CLOSED)
    assert list(ending.steps) == [*TOLD_AT_AN_END, Step.OBSERVE_END]


def test_an_attempt_that_was_closed_is_no_error_to_anybody() -> None:
    life = Life()
    life.begin(None)
    life.stop()
    assert life.ended(LOST).steps == (Step.CLEAR_EVENTS,)
    life.finish()
    assert life.state is ClientState.CLOSED


def test_closing_between_two_attempts_ends_it() -> None:
    life = connected()
    life.ended(LOST)
    life.stop()
    life.finish()
    assert (life.state, life.last_error) == (ClientState.CLOSED, LOST)


@pytest.mark.parametrize("begun", [True, False])
def test_closing_before_anything_has_ended(begun: bool) -> None:
    life = Life()
    if begun:
        life.begin(None)
    life.stop()
    life.finish()
    assert type(life.last_error) is err.ClientClosed
    assert life.state is (ClientState.CLOSED if begun else ClientState.IDLE)


# the reasons that callers are given


def reasons(life: Life) -> dict[str, Any]:
    return {
        "not connected": life.why_not_connected(),
        "not sent": life.why_not_sent(),
        "lost": life.loss(),
        "broken": life.why_broken(LOST),
    }


def test_the_reasons_before_anything_has_happened() -> None:
    life = Life()
    with pytest.raises(err.NotConnected, match="never connected"):
        life.check_begun()
    life.begin(0)
    life.check_begun()
    told = reasons(life)
    assert isinstance(told["not connected"], err.HubTimeout) and "'tcp'" in str(told["not connected"])
    assert "7 s" in str(told["not connected"])
    assert str(told["not sent"]) == f"nothing was sent: no session with {WHERE} stands yet"
    assert isinstance(told["lost"], err.ConnectionLost) and "before an answer came" in str(told["lost"])
    assert told["broken"] is LOST


def test_the_reasons_after_a_connection_was_lost() -> None:
    life = connected()
    life.ended(UNREACHABLE)
    told = reasons(life)
    assert told["not connected"] is told["lost"] is UNREACHABLE
    assert type(told["not sent"]) is err.NotConnected
    assert str(told["not sent"]) == "nothing was sent: nobody listens"
    assert told["broken"] is LOST


def test_the_reasons_after_a_refusal_are_the_refusal() -> None:
    life = connected()
    life.ended(PASSWORD)
    assert set(reasons(life).values()) == {PASSWORD}


def test_the_reasons_after_closing() -> None:
    life = Life()
    life.stop()
    life.check_begun()  # it is closed, and says so
    told = reasons(life)
    assert type(told["not connected"]) is type(told["not sent"]) is err.ClientClosed
    assert "while it connected" in str(told["not connected"])
    assert str(told["not sent"]) == "the client is closed: nothing was sent"


def test_a_hub_that_takes_nothing_is_named_with_the_bound() -> None:
    stuck = Life().hub_is_stuck()
    assert type(stuck) is err.ConnectionLost
    assert WHERE in str(stuck) and "8 s" in str(stuck)


def test_a_fault_of_the_client_is_logged_and_ends_one_connection(caplog: pytest.LogCaptureFixture) -> None:
    fault = Life().fault(ZeroDivisionError("by us"))
    assert type(fault) is err.ConnectionLost and "ZeroDivisionError" in str(fault)
    assert "by us" in caplog.text


def test_patience_lasts_for_every_attempt_and_the_longest_delay_after_it() -> None:
    life = Life()
    once = Deadlines(tcp=7, write=8).attempt + Backoff().cap
    assert [life.patience(retries) for retries in (0, 2)] == [once, 3 * once]


def test_a_client_that_may_begin_nothing_says_why() -> None:
    life, forked = Life(), err.ClientClosed("forked")
    life.history.check()
    life.history.forbid(forked)
    for check in (life.history.check, life.check_begun):
        with pytest.raises(err.ClientClosed, match="forked"):
            check()


# for who waits for a session


def test_who_waits_is_told_that_nobody_connects() -> None:
    error = Life().why_no_session(5)
    assert isinstance(error, err.NotConnected) and isinstance(error, RuntimeError)
    assert str(error) == "the client was never connected: call connect() first"


def test_who_waits_is_told_that_nothing_has_come_yet() -> None:
    life = Life()
    life.begin(None)
    error = life.why_no_session(5)
    assert isinstance(error, err.HubTimeout) and (error.phase, error.seconds) == ("handshake", 5)
    life.ended(UNREACHABLE)
    error = life.why_no_session(2.5)
    assert isinstance(error, err.NotConnected)
    assert str(error) == (
        f"timed out waiting for handshake: no session with {WHERE} came within 2.5 s: nobody listens"
    )


def test_who_waits_is_told_what_ended_it_all() -> None:
    refused, used_up, broken = Life(), Life(), Life()
    for life in (refused, used_up, broken):
        life.begin(0)
    refused.ended(REFUSED)
    assert refused.why_no_session(5) is REFUSED
    used_up.ended(UNREACHABLE)
    assert used_up.why_no_session(5) is UNREACHABLE
    broken.ended(err.InvalidOption("no such file", err.Mend("write it")))
    error = broken.why_no_session(5)
    assert isinstance(error, err.NotConnected) and isinstance(error, RuntimeError)
    assert str(error) == "no session came: no such file. Write it"


def test_who_waits_is_told_that_the_client_is_closed() -> None:
    life = connected()
    life.stop()
    error = life.why_no_session(5)
    assert isinstance(error, err.ClientClosed)
    assert str(error) == "the client is closed: call connect() again"
