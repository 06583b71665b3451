"""The internal bus does, event by event, what the FakeBus of the installed ovos-utils does: that one is the judge.

Whatever its version: what it says by two names, and to whom, is compared and nowhere written down. A stand-in that says
some messages by two names is a second judge, since the version that is installed may know of none.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ovos_bus_client.message import Message
from ovos_utils import fakebus as installed

from hivemind_core_client.shell import local_bus
from tests.unit import fakebus_support as renaming

#: What makes the judge, and what makes ours beside it.
JUDGES: dict[str, tuple[Callable[[], Any], Callable[..., Any]]] = {
    "installed": (installed.FakeBus, local_bus.LocalBus),
    "renaming": (renaming.FakeBus, renaming.local_bus_over(renaming.FakeBus).LocalBus),
}
SPEAK, UTTERANCE, LISTEN = "speak", "ovos.utterance.speak", "recognizer_loop:utterance"
HANDLE, INTENT, SUFFIXED = (
    "ovos.utterance.handle",
    "skill.author:food.order",
    "skill.author:food.order.intent",
)
STOP, OLD_STOP, DETACH, DEREGISTER = (
    "skill.author:stop",
    "skill.author.stop",
    "detach_intent",
    "ovos.intent.deregister",
)
OWN, EVERY = "acme.door.open", "message"
TYPES = (SPEAK, UTTERANCE, LISTEN, HANDLE, INTENT, SUFFIXED, STOP, OLD_STOP, DETACH, DEREGISTER, OWN)

#: What is done, one after the other: `("on", name, handler)`, `("once", …)`, `("remove", …)`, `("clear", name)`, or
#: `("say", name, data)`.
Steps = list[tuple[Any, ...]]
BOTH: Steps = [("on", name, f"of {name}") for name in (*TYPES, EVERY)]
TABLE: dict[str, Steps] = {
    **{f"one who listens to each name hears {name}": [*BOTH, ("say", name, {"n": 1})] for name in TYPES},
    "one who listens to both names": [
        ("on", SPEAK, "a"),
        ("on", UTTERANCE, "a"),
        ("say", SPEAK, {"n": 1}),
        ("say", UTTERANCE, {"n": 2}),
    ],
    "the same is said twice": [
        ("on", SPEAK, "a"),
        ("on", UTTERANCE, "a"),
        ("say", SPEAK, {}),
        ("say", SPEAK, {}),
    ],
    "what is said under both names within a moment": [
        ("on", SPEAK, "a"),
        ("on", UTTERANCE, "a"),
        ("say", SPEAK, {}),
        ("say", UTTERANCE, {}),
    ],
    "both names of an intent": [
        ("on", INTENT, "a"),
        ("on", SUFFIXED, "b"),
        ("say", INTENT, {}),
        ("say", SUFFIXED, {}),
    ],
    "once under one name": [("once", UTTERANCE, "a"), ("say", SPEAK, {"n": 1}), ("say", SPEAK, {"n": 2})],
    "once under both names": [
        ("once", UTTERANCE, "a"),
        ("once", SPEAK, "a"),
        ("say", SPEAK, {"n": 1}),
        ("say", SPEAK, {"n": 2}),
    ],
    "once twice": [("once", SPEAK, "a"), ("once", SPEAK, "a"), ("say", SPEAK, {}), ("say", SPEAK, {})],
    "once again after it was called": [
        ("once", SPEAK, "a"),
        ("say", SPEAK, {"n": 1}),
        ("once", SPEAK, "a"),
        ("say", UTTERANCE, {"n": 2}),
        ("say", SPEAK, {"n": 3}),
    ],
    "registered twice": [("on", SPEAK, "a"), ("on", SPEAK, "a"), ("say", UTTERANCE, {})],
    "for good after once": [("once", OWN, "a"), ("on", OWN, "a"), ("say", OWN, {}), ("say", OWN, {})],
    "removed": [("on", SPEAK, "a"), ("on", UTTERANCE, "b"), ("remove", SPEAK, "a"), ("say", SPEAK, {})],
    "removed under one of two names": [
        ("on", SPEAK, "a"),
        ("on", UTTERANCE, "a"),
        ("remove", SPEAK, "a"),
        ("say", SPEAK, {"n": 1}),
        ("say", UTTERANCE, {"n": 2}),
    ],
    "removed though never registered": [("remove", SPEAK, "a"), ("say", SPEAK, {})],
    "registered again after it was removed": [
        ("on", SPEAK, "a"),
        ("remove", SPEAK, "a"),
        ("on", SPEAK, "a"),
        ("say", UTTERANCE, {}),
    ],
    "all removed": [*BOTH, ("clear", UTTERANCE), ("say", SPEAK, {}), ("say", UTTERANCE, {})],
    "registered again after all were removed": [
        ("on", SPEAK, "a"),
        ("clear", SPEAK),
        ("on", SPEAK, "a"),
        ("say", SPEAK, {}),
    ],
    "watchers alone": [
        ("on", EVERY, "a"),
        ("say", SPEAK, {"n": 1}),
        ("say", OWN, {"n": 2}),
        ("say", OWN, {"n": 3}),
    ],
    "one time for watchers": [("once", EVERY, "a"), ("say", SPEAK, {}), ("say", SPEAK, {})],
    "a payload that is written otherwise": [
        ("on", DEREGISTER, "a"),
        ("say", DETACH, {"intent_name": "skill.author:food"}),
        ("on", DETACH, "b"),
        ("say", DEREGISTER, {"skill_id": "skill.author", "intent_name": "food"}),
    ],
    "a payload that cannot be": [
        ("on", DEREGISTER, "a"),
        ("say", DETACH, {"intent_name": 5}),
        ("say", DETACH, {"intent_name": "skill.author:food"}),
    ],
}


class Heard:
    """Handlers by name, and what each of them heard."""

    def __init__(self) -> None:
        self.calls: list[Any] = []
        self._handlers: dict[str, Callable[[Any], None]] = {}

    def handler(self, name: str) -> Callable[[Any], None]:
        return self._handlers.setdefault(name, lambda said: self.calls.append((name, _seen(said))))


def _seen(said: Any) -> Any:
    if isinstance(said, str):
        said = Message.deserialize(said)
        return "text", said.msg_type, said.data, said.context
    return said.msg_type, said.data, said.context


def _fields(name: str, data: Any) -> dict[str, Any]:
    return {
        "type": name,
        "data": dict(data),
        "context": {"session": {"session_id": "default"}, "source": "hub"},
    }


#: How something is said on a bus.
WAYS: dict[str, Callable[[Any, dict[str, Any]], None]] = {
    "emit": lambda bus, fields: bus.emit(Message(fields["type"], fields["data"], fields["context"])),
    "from us": lambda bus, fields: bus.deliver_fields(fields),
    "from the hub": lambda bus, fields: bus.deliver_now(fields),
}


def happened(bus: Any, steps: Steps, way: str) -> list[Any]:
    """Who heard what, in order, after these steps."""
    heard = Heard()
    verbs = {"on": bus.on, "once": bus.once, "remove": bus.remove}
    for verb, name, *more in steps:
        if verb == "say":
            WAYS[way](bus, _fields(name, more[0]))
        elif verb == "clear":
            bus.remove_all_listeners(name)
        else:
            verbs[verb](name, heard.handler(more[0]))
    return heard.calls


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("case", TABLE)
@pytest.mark.parametrize("judge", JUDGES)
def test_it_does_as_the_fakebus(judge: str, case: str, way: str) -> None:
    theirs, ours = JUDGES[judge]
    assert happened(ours(), TABLE[case], way) == happened(theirs(), TABLE[case], "emit")


_registrations = st.tuples(
    st.sampled_from(["on", "once"]),
    st.sampled_from([SPEAK, UTTERANCE, INTENT, SUFFIXED, OWN]),
    st.sampled_from("ab"),
)
_words = st.tuples(st.just("say"), st.sampled_from([SPEAK, UTTERANCE, INTENT, SUFFIXED, OWN]), st.just({}))


@pytest.mark.parametrize("judge", JUDGES)
@given(steps=st.lists(st.one_of(_registrations, _words), max_size=12), way=st.sampled_from(list(WAYS)))
def test_it_does_as_the_fakebus_in_any_order(judge: str, steps: Steps, way: str) -> None:
    numbered = [
        (verb, name, {"n": n} if verb == "say" else rest) for n, (verb, name, rest) in enumerate(steps)
    ]
    theirs, ours = JUDGES[judge]
    assert happened(ours(), numbered, way) == happened(theirs(), numbered, "emit")


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("judge", JUDGES)
def test_who_listens_to_both_names_is_called_once_though_another_handler_changes_the_message(
    judge: str, way: str
) -> None:
    waiting: list[Callable[[], None]] = []
    heard, bus = Heard(), JUDGES[judge][1](run=waiting.append)
    bus.on(SPEAK, lambda said: said.data.update(changed=True))
    for name in (SPEAK, UTTERANCE):
        bus.on(name, heard.handler("a"))
    WAYS[way](bus, _fields(SPEAK, {}))
    for call in waiting:
        call()
    assert [name for name, _ in heard.calls] == ["a"]


class NoCopy(dict):  # type: ignore[type-arg]
    """Contents that JSON has a form for, and that cannot be copied."""

    def __deepcopy__(self, memo: Any) -> Any:
        raise TypeError("no copy")


def test_contents_without_a_copy_reach_who_listens_to_a_name_of_two() -> None:
    for _, ours in JUDGES.values():
        bus, seen = ours(), []
        bus.on(SPEAK, seen.append)
        bus.deliver_now(_fields(SPEAK, {"thing": NoCopy()}))
        assert [said.msg_type for said in seen] == [SPEAK]


def test_a_handler_of_another_type_can_be_removed_too() -> None:
    """Newer versions of FakeBus keep it where the same handler also has a name that goes by two."""
    for _, ours in JUDGES.values():
        steps: Steps = [("on", SPEAK, "a"), ("on", OWN, "a"), ("remove", OWN, "a"), ("say", OWN, {})]
        assert happened(ours(), steps, "emit") == []


def test_a_handler_that_was_registered_anew_before_its_only_call_can_be_removed() -> None:
    """Newer versions of FakeBus forget it when the call is over."""
    for _, ours in JUDGES.values():
        waiting: list[Callable[[], None]] = []
        heard, bus = Heard(), ours(run=waiting.append)
        bus.once(SPEAK, heard.handler("a"))
        WAYS["from us"](bus, _fields(SPEAK, {}))
        bus.on(SPEAK, heard.handler("a"))
        for call in waiting:
            call()
        assert len(heard.calls) == 1
        bus.remove(SPEAK, heard.handler("a"))
        assert bus.registered() == []


def test_a_handler_is_called_by_its_own_name_in_logs(caplog: pytest.LogCaptureFixture) -> None:
    def clumsy(said: Any) -> None:
        raise RuntimeError("broken")

    for _, make in JUDGES.values():
        caplog.clear()
        bus = make()
        bus.on(SPEAK, clumsy)
        bus.emit(Message(SPEAK, {}, {"session": {"session_id": "default"}}))
        assert "clumsy raised" in caplog.text
        assert bus.registered() == [(SPEAK, clumsy, False)]


def test_the_stand_in_says_messages_by_two_names() -> None:
    heard: list[Any] = []
    bus = renaming.FakeBus()
    bus.on(UTTERANCE, heard.append)
    bus.emit(Message(SPEAK, {"utterance": "hello"}))
    assert [said.msg_type for said in heard] == [UTTERANCE]
    assert SimpleNamespace(**heard[0].data).utterance == "hello"
