"""When a hub is called, and when it counts as offline."""

from __future__ import annotations

from hivemind_client_mqtt.calling import Call, HubCalls


def calls_of(calls: HubCalls, seconds: float = 20.0) -> list[tuple[float, Call]]:
    """What is done, and when, until nothing more is."""
    done, now = [], 0.0
    while now < seconds:
        call = calls.turn(now)
        assert calls.turn(now) is Call.WAIT or call is Call.GIVE_UP
        done.append((round(now, 2), call))
        if call is Call.GIVE_UP:
            break
        now = calls.next_at
    return done


def test_a_hub_that_says_nothing_is_woken_and_then_asked_for() -> None:
    assert calls_of(HubCalls(3.0, tells=True)) == [
        (0.0, Call.WAKE),
        (1.0, Call.ASK),
        (2.0, Call.ASK),
        (2.4, Call.GIVE_UP),
    ]


def test_a_hub_that_says_it_is_online_is_asked_last_of_all() -> None:
    assert calls_of(HubCalls(3.0, tells=True, is_online=True)) == [
        (0.0, Call.WAKE),
        (1.0, Call.WAKE),
        (2.0, Call.WAKE),
        (2.4, Call.ASK),
        (2.7, Call.GIVE_UP),
    ]


def test_a_broker_that_tells_nothing_is_not_asked() -> None:
    found = calls_of(HubCalls(3.0, tells=False, is_online=True))
    assert [call for _, call in found] == [Call.WAKE, Call.WAKE, Call.WAKE, Call.GIVE_UP]


def test_a_hub_that_is_known_to_be_away_is_not_called_for_long() -> None:
    assert calls_of(HubCalls(10.0, tells=True, is_nobody_there=True))[-1] == (3.0, Call.GIVE_UP)
    assert calls_of(HubCalls(10.0, tells=False, is_online=False))[-1] == (3.0, Call.GIVE_UP)


def test_a_status_may_be_old_where_the_broker_tells_who_listens() -> None:
    assert calls_of(HubCalls(10.0, tells=True, is_online=False))[-1] == (8.0, Call.GIVE_UP)


def test_a_hub_that_comes_while_it_is_called() -> None:
    calls = HubCalls(10.0, tells=True)
    assert (calls.turn(0.0), calls.turn(1.0)) == (Call.WAKE, Call.ASK)
    calls.is_nobody_there = True
    assert calls.turn(2.0) is Call.ASK
    calls.is_nobody_there, calls.is_online = False, True
    assert calls.turn(3.0) is Call.WAKE
