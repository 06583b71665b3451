"""The internal bus: each handler once, and one that raises costs nobody else anything."""

from __future__ import annotations

import json
import threading
import time
from types import SimpleNamespace
from typing import Any, Callable

import pytest
from ovos_bus_client.message import Message
from ovos_utils.fakebus import FakeBus

from hivemind_core_client.plugins.contract import Session
from hivemind_core_client.shell.local_bus import LocalBus
from hivemind_core_client.shell.subscriptions import Subscriptions


def message(msg_type: str = "speak") -> Message:
    return Message(msg_type, {}, {"session": {"session_id": "default"}})


def fields(msg_type: str = "speak") -> dict[str, Any]:
    return dict(json.loads(message(msg_type).serialize()))


def test_handlers_get_messages_of_their_type() -> None:
    bus = LocalBus()
    seen: list[Any] = []
    bus.on("speak", seen.append)
    some = message()
    bus.emit(some)
    bus.emit(message("other"))
    assert seen == [some]


def test_message_is_every_one_as_json() -> None:
    bus = LocalBus()
    seen: list[Any] = []
    bus.on("message", seen.append)
    bus.emit(message("a"))
    bus.deliver_fields(fields("b"))
    assert [json.loads(text)["type"] for text in seen] == ["a", "b"]


def test_messages_a_handler_registered_twice_is_called_once() -> None:
    """Row: inner BUS messages were delivered twice."""
    bus = LocalBus()
    seen: list[Any] = []
    bus.on("door", seen.append)
    bus.on("door", seen.append)
    bus.emit(message("door"))
    assert len(seen) == 1


def test_once_is_once() -> None:
    bus = LocalBus()
    seen: list[Any] = []
    bus.once("speak", seen.append)
    bus.emit(message())
    bus.emit(message())
    assert len(seen) == 1


def test_once_is_once_even_when_the_handler_emits() -> None:
    bus: LocalBus = LocalBus()
    seen: list[Any] = []

    def again(some: Any) -> None:
        seen.append(some)
        bus.emit(message())

    bus.once("speak", again)
    bus.emit(message())
    assert len(seen) == 1


def test_handlers_can_be_removed(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    bus = LocalBus()
    seen: list[Any] = []
    bus.on("speak", seen.append)
    bus.on("speak", print)
    bus.remove("speak", seen.append)
    bus.remove_all_listeners("speak")
    bus.remove_all_listeners("speak")
    bus.emit(message())
    assert seen == [] and "no such handler" not in caplog.text
    bus.remove("speak", seen.append)
    assert "no such handler of speak" in caplog.text


def test_messages_a_handler_that_raises_is_named(caplog: pytest.LogCaptureFixture) -> None:
    def clumsy(some: Any) -> None:
        raise RuntimeError("broken")

    bus = LocalBus()
    seen: list[Any] = []
    bus.on("speak", clumsy)
    bus.on("speak", SimpleNamespace)
    bus.on("speak", seen.append)
    bus.on("message", clumsy)
    bus.emit(message())
    assert len(seen) == 1 and caplog.text.count("clumsy raised") == 2 and "broken" in caplog.text


def test_what_is_emitted_is_tapped_and_what_is_delivered_is_not() -> None:
    tapped: list[Any] = []
    bus = LocalBus(tap=tapped.append)
    bus.emit(Message("speak", {"utterance": "hello"}, {"destination": "hub"}))
    bus.deliver_fields(fields())
    bus.deliver_now(fields())
    assert tapped == [{"type": "speak", "data": {"utterance": "hello"}, "context": {"destination": "hub"}}]


def test_how_handlers_run_can_be_chosen() -> None:
    jobs: list[Callable[[], None]] = []
    seen: list[Any] = []
    bus = LocalBus(run=jobs.append)
    bus.on("speak", seen.append)
    bus.on("message", seen.append)
    bus.emit(message())
    bus.deliver_fields(fields())
    assert seen == [] and len(jobs) == 4
    for job in jobs:
        job()
    assert len(seen) == 4
    bus.deliver_now(fields())
    assert len(seen) == 6 and len(jobs) == 4


def test_it_is_the_fake_bus_of_ovos_with_the_session_of_the_client() -> None:
    session = Session("s1")
    bus = LocalBus(session)
    assert isinstance(bus, FakeBus) and bus.create_client() is bus and bus.session_id == "s1"
    session.session_id = "s2"
    assert bus.session_id == "s2"
    bus.session_id = "s3"
    assert session.session_id == "s3"


@pytest.mark.parametrize("way", ["emit", "deliver_fields", "deliver_now"])
def test_a_message_without_a_session_gets_that_of_the_client_here_and_not_on_its_way_up(way: str) -> None:
    tapped: list[Any] = []
    seen: list[Message] = []
    session = Session("s1", "kitchen", {"session_id": "s1", "lang": "pt-PT"})
    bus = LocalBus(session, tap=tapped.append)
    bus.on("speak", seen.append)
    said = Message("speak")
    for _ in range(2):  # the second time it is known that nothing else goes by this name
        getattr(bus, way)(said if way == "emit" else {"type": "speak", "data": {}, "context": {}})
        session.state = {"session_id": "an older one"}
    assert seen[0].context["session"] == {"session_id": "s1", "site_id": "kitchen", "lang": "pt-PT"}
    if way == "emit":
        assert tapped[0]["context"] == {}
    else:
        assert seen[1].context["session"] == {"session_id": "s1", "site_id": "kitchen"}


def test_a_handler_cannot_change_the_session_of_the_client() -> None:
    session = Session("s1", "kitchen", {"session_id": "s1", "active_skills": []})
    bus = LocalBus(session)
    bus.on("speak", lambda said: said.context["session"]["active_skills"].append("mine"))
    bus.emit(Message("speak"))
    assert session.state["active_skills"] == []


def test_what_goes_by_the_name_error_is_a_message_like_others(caplog: pytest.LogCaptureFixture) -> None:
    bus = LocalBus()
    seen: list[Any] = []
    bus.emit(message("error"))
    bus.on("error", seen.append)
    bus.emit(message("error"))
    assert [said.msg_type for said in seen] == ["error"]
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


def test_contents_that_json_has_no_form_for_reach_handlers_all_the_same(
    caplog: pytest.LogCaptureFixture,
) -> None:
    bus = LocalBus()
    seen: list[Any] = []
    bus.on("speak", seen.append)
    thing = object()
    bus.deliver_fields({"type": "speak", "data": {"thing": thing}, "context": {}})
    assert [said.data["thing"] for said in seen] == [thing] and "by its own name alone" in caplog.text
    with pytest.raises(TypeError):
        bus.emit(Message("speak", {"thing": thing}))


def test_a_peer_may_name_any_number_of_types_and_sessions() -> None:
    from ovos_bus_client.session import SessionManager

    bus = LocalBus()
    seen: list[Any] = []
    bus.on("last", seen.append)
    before = set(SessionManager.sessions)
    for number in range(5000):
        session = {"session_id": f"peer-{number}"}
        bus.deliver_fields({"type": f"type-{number}", "data": {}, "context": {"session": session}})
        if number < 100:
            data = {"session_data": session}
            bus.deliver_now(
                {"type": "ovos.session.update_default", "data": data, "context": {"session": session}}
            )
    bus.deliver_now(fields("last"))
    assert len(seen) == 1 and set(SessionManager.sessions) == before


def test_the_default_session_of_ovos_is_taken() -> None:
    from ovos_bus_client.session import SessionManager

    bus, former = LocalBus(), SessionManager.default_session
    try:
        data = {"session_data": {"session_id": "default", "lang": "nl"}}
        bus.emit(Message("ovos.session.update_default", data, {"session": {"session_id": "default"}}))
        assert SessionManager.default_session.lang == "nl"
    finally:
        SessionManager.default_session = former
        SessionManager.sessions.pop("default", None)


def test_others_can_wait_on_it() -> None:
    bus = LocalBus()
    bus.on("ping", lambda said: bus.emit(said.reply("ping.response", {"n": 1})))
    answer = bus.wait_for_response(message("ping"), timeout=5)
    assert answer.data == {"n": 1}
    assert bus.wait_for_message("nothing", timeout=0.01) is None


def test_nobody_is_left_behind_who_has_waited_in_vain() -> None:
    bus = LocalBus()
    assert bus.wait_for_message("nothing", timeout=0) is None
    assert bus.wait_for_response(message("asked"), timeout=0) is None
    with pytest.raises(AttributeError):
        bus.wait_for_response("no message", "nothing", timeout=0)
    assert bus.registered() == []


def test_what_others_registered_can_be_listed() -> None:
    bus = LocalBus()
    bus.on("speak", print)
    bus.once("ovos.utterance.speak", repr)
    assert bus.registered() == [("speak", print, False), ("ovos.utterance.speak", repr, True)]
    bus.remove("speak", print)
    bus.remove_all_listeners("ovos.utterance.speak")
    assert bus.registered() == []


def test_subscriptions_can_be_listed() -> None:
    some = Subscriptions()
    some.add("a", print)
    some.add("b", repr, once=True)
    assert some.all() == [("a", print, False), ("b", repr, True)]
    assert some.take("b") == [repr] and some.take("b") == [] and some.take("c") == []
    assert some.remove("a", print) is True and some.remove("a", print) is False
    assert some.remove("z", print) is False and some.all() == []


def test_handlers_for_one_call_are_taken_by_one_thread() -> None:
    some, taken, barrier = Subscriptions(), [], threading.Barrier(8)
    for number in range(200):
        some.add("a", lambda value, number=number: number, once=True)

    def take() -> None:
        barrier.wait()
        taken.extend(some.take("a"))

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(taken) == len(set(taken)) == 200


def test_a_handler_for_one_call_is_called_once_though_somebody_looks_while_it_is_registered() -> None:
    some = Subscriptions()
    taken: list[Any] = []

    class Name(str):
        """A name at whose every use another one looks who listens to it."""

        def __hash__(self) -> int:
            taken.extend(some.take("a"))
            return super().__hash__()

    some.add(Name("a"), print, once=True)
    taken.extend(some.take("a"))
    assert taken == [print]


def test_many_names_cost_no_more_than_few() -> None:
    some, began = Subscriptions(), time.process_time()
    for number in range(10_000):
        some.add(f"type {number}", print)
    assert time.process_time() - began < 2 and len(some.all()) == 10_000
