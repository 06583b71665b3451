"""query, cascade, answer, ping and emit_intercom: every way a wait can end, and that nobody is left waiting."""

from __future__ import annotations

import functools
import gc
import logging
import threading
import time
from collections.abc import Iterator
from typing import Any, Callable, Optional

import pytest
from ovos_bus_client.message import Message

from hivemind_core_client import HiveMessage, HiveMessageBusClient, HiveMessageType
from hivemind_core_client import errors as err
from hivemind_core_client.identity import NodeIdentity
from hivemind_core_client.kernel.questions import first_answer
from hivemind_core_client.plugins.contract import MessageHandler
from hivemind_core_client.plugins.registry import Registry
from hivemind_core_client.shell.waiters import Gatherer
from hivemind_core_client.sync.answers import wait_for_quiet
from hivemind_core_client.sync.waiting import Notifier
from hivemind_core_client.testing import EmbeddedHub
from hivemind_core_client.testing.hub_routing import Router
from tests.unit.client_support import Log, login, settled
from tests.unit.support import COMPLETE, DENIED, PASSWORD, TIMEOUT

T = HiveMessageType
ASK = Message("ask", {"a": 1})


def answer_to(asked: HiveMessage, name: str = "speak", responder: str = "hub", **data: Any) -> HiveMessage:
    facts = {**asked.metadata, "is_response": True, "responder_peer": responder}
    return HiveMessage(asked.msg_type, HiveMessage("bus", {"type": name, "data": data}), metadata=facts)


Script = Callable[["Fake", HiveMessage], None]


class Fake(HiveMessageBusClient):
    """The verbs without a wire: `script` plays the hub, while the question is sent."""

    def __init__(self, script: Optional[Script] = None, error: Optional[BaseException] = None) -> None:
        super().__init__("key", PASSWORD, host="hub.invalid", identity=NodeIdentity({}))
        self.sent: list[HiveMessage] = []
        self.script = script or (lambda client, message: None)
        self.error = error

    def emit(self, message: Any) -> None:
        if self.error is not None:
            raise self.error
        self.sent.append(message)
        self.script(self, message)

    @property
    def waiting(self) -> int:
        return len(self.waiters)


def replies(*names: str, responder: str = "hub") -> Script:
    def script(client: Fake, asked: HiveMessage) -> None:
        for name in names:
            client.waiters.offer(answer_to(asked, name, responder))

    return script


def lost(client: Fake, asked: HiveMessage) -> None:
    client.waiters.end_requests()


def denied(client: Fake, asked: HiveMessage) -> None:
    assert client.waiters.deny(err.MessageDenied("ask"))


def types(answers: Any) -> list[str]:
    return [answer.message.msg_type for answer in answers]


# query


def test_a_query_streams_its_answers_and_ends() -> None:
    client = Fake(replies("one", "two", COMPLETE))
    stream = client.query(ASK, timeout=5)
    assert stream.first.message.msg_type == stream.first.message.msg_type == "one"
    assert types(stream) == types(stream) == ["one", "two"]
    assert client.waiting == 0
    (asked,) = client.sent
    assert (asked.msg_type, asked.payload.payload.msg_type) == (T.QUERY, "ask")


def test_two_iterations_at_once_see_the_same_answers() -> None:
    stream = Fake(replies("one", "two", COMPLETE)).query(ASK, 5)
    assert [(a.message.msg_type, b.message.msg_type) for a, b in zip(stream, stream)] == [
        ("one", "one"),
        ("two", "two"),
    ]


def test_a_stream_without_an_answer_is_empty_and_has_no_first() -> None:
    stream = Fake(replies(COMPLETE)).query(ASK, 5)
    assert list(stream) == []
    with pytest.raises(err.QueryTimeout, match="without any answer"):
        stream.first  # noqa: B018  # the property is what is tried


ENDS: dict[str, tuple[Script, type[err.HiveMindError], str]] = {
    "the hub says that nobody answers": (replies(TIMEOUT), err.QueryTimeout, "so says the hub"),
    "denied": (denied, err.MessageDenied, "hivemind-core allow-msg ask"),
    "the connection ends": (lost, err.ConnectionLost, "ended before an answer came"),
    "nothing comes": (lambda client, asked: None, err.QueryTimeout, "no answer came within 0.01 s"),
}


@pytest.mark.parametrize(("script", "error", "says"), ENDS.values(), ids=ENDS.keys())
def test_a_query_without_an_answer_says_why(script: Script, error: type[Exception], says: str) -> None:
    client = Fake(script)
    with pytest.raises(error, match=says):
        client.query(ASK, timeout=0.01)
    assert client.waiting == 0


@pytest.mark.parametrize(("script", "error"), [row[:2] for row in ENDS.values()], ids=ENDS.keys())
def test_a_stream_that_breaks_off_gives_what_came_and_then_says_why_every_time(
    script: Script, error: type[Exception]
) -> None:
    def both(client: Fake, asked: HiveMessage) -> None:
        replies("one")(client, asked)
        script(client, asked)

    client = Fake(both)
    stream = client.query(ASK, timeout=0.01)
    for _ in range(2):
        seen = iter(stream)
        assert next(seen).message.msg_type == "one"
        with pytest.raises(error):
            next(seen)
    assert client.waiting == 0


def test_messages_a_query_ends_at_once_when_the_connection_does() -> None:
    """Row: QUERY waited for ever when the connection died."""
    client = Fake(lost)
    began = time.monotonic()
    with pytest.raises(err.ConnectionLost):
        client.query(ASK, timeout=0)
    assert time.monotonic() - began < 5


def test_the_bound_is_for_each_answer_and_the_clients_by_default() -> None:
    client = Fake()
    client.query_timeout = 0.01
    with pytest.raises(err.QueryTimeout, match="within 0"):
        client.query(ASK)
    client.script = replies("one")
    with pytest.raises(err.QueryTimeout, match="no further answer"):
        list(client.query(ASK))


@pytest.mark.parametrize("error", [err.NotConnected("away"), KeyboardInterrupt(), TypeError("x")])
def test_nobody_waits_for_a_question_that_was_not_sent(error: BaseException) -> None:
    client = Fake(error=error)
    for ask in (client.query, client.cascade, lambda message: client.ping()):
        with pytest.raises(type(error)):
            ask(ASK)
    assert client.waiting == 0


def test_late_answers_and_those_to_others_are_not_ours() -> None:
    client = Fake(replies("one", COMPLETE, "late"))
    stream = client.query(ASK, 5)
    other = HiveMessage("query", HiveMessage("bus", {"type": "other"}), metadata={"query_id": "theirs"})
    client.waiters.offer(answer_to(other))
    assert types(stream) == ["one"]


def test_two_queries_at_once_do_not_mix() -> None:
    client = Fake(replies("first"))
    one, two = client.query(ASK, 0.01), client.query(ASK, 0.01)
    first, second = client.sent
    for name in ("a", "b"):
        client.waiters.offer(answer_to(second, f"second {name}"))
        client.waiters.offer(answer_to(first, f"first {name}"))
    for asked in (first, second):
        client.waiters.offer(answer_to(asked, COMPLETE))
    assert types(one) == ["first", "first a", "first b"]
    assert types(two) == ["first", "second a", "second b"]


def test_a_stream_that_is_over_waits_no_more_though_nobody_fetched_it() -> None:
    client = Fake(replies("one", "two", COMPLETE))
    streams = [client.query(ASK, 5) for _ in range(3)]
    client.waiters.offer(HiveMessage("ping", {}))
    assert client.waiting == 0
    assert [types(stream) for stream in streams] == [["one", "two"]] * 3


def test_a_stream_that_nobody_holds_leaves_nobody_behind() -> None:
    client = Fake(replies("one"))
    for _ in range(50):
        assert client.query(ASK, 5).first.message.msg_type == "one"
    gc.collect()
    client.waiters.offer(HiveMessage("ping", {}))
    assert client.waiting == 0


def test_a_stream_that_somebody_holds_goes_on() -> None:
    client = Fake(replies("one"))
    held = iter(client.query(ASK, 5))
    assert next(held).message.msg_type == "one"
    gc.collect()
    for name in ("two", COMPLETE):
        client.waiters.offer(answer_to(client.sent[0], name))
    assert types(held) == ["two"]


@pytest.mark.parametrize("seconds", [-1, "5", None, True, float("nan"), float("inf"), 2**31])
def test_a_bound_that_makes_no_sense_is_refused_before_anything_is_sent(seconds: Any) -> None:
    client = Fake()
    calls: list[Callable[[], object]] = [
        lambda: client.cascade(ASK, seconds),
        lambda: client.ping(timeout=seconds),
        lambda: client.ping(settle=seconds),
        lambda: setattr(client, "query_timeout", seconds),
    ]
    if seconds is not None:
        calls.append(lambda: client.query(ASK, seconds))
    for call in calls:
        with pytest.raises(err.InvalidOption, match="0 or more"):
            call()
    assert client.sent == [] and client.waiting == 0 and client.query_timeout == 30.0


@pytest.mark.parametrize("message", [None, "ask", HiveMessage("ping", {})])
def test_what_cannot_be_asked_is_refused_before_anything_is_sent(message: Any) -> None:
    client = Fake()
    for ask in (client.query, client.cascade):
        with pytest.raises(err.InvalidMessage):
            ask(message)
    assert client.sent == [] and client.waiting == 0


# cascade


def know(client: Any, *peers: str, flood: str = "f") -> None:
    """A flood of ours that these have answered has come to rest."""
    for peer in peers:
        client.hive_map.on_ping(HiveMessage("ping", {"flood_id": flood, "peer": peer}))
    client.hive_map.finish(flood)


def test_a_cascade_gathers_all_that_come() -> None:
    def script(client: Fake, asked: HiveMessage) -> None:
        for name in "abc":
            replies("speak", "more", COMPLETE, responder=name)(client, asked)

    client = Fake(script)
    know(client, client.peer, "a", "b", "c")
    began = time.monotonic()
    answers = client.cascade(ASK, timeout=60)
    assert time.monotonic() - began < 5
    assert [(a.responder, a.message.msg_type) for a in answers] == [
        (name, said) for name in "abc" for said in ("speak", "more")
    ]
    assert client.waiting == 0


def test_a_cascade_waits_for_its_time_where_not_all_are_done() -> None:
    client = Fake(replies("speak", COMPLETE, responder="a"))
    know(client, "a", "b")
    began = time.monotonic()
    assert len(client.cascade(ASK, timeout=0.05)) == 1
    assert time.monotonic() - began >= 0.05 and client.waiting == 0


@pytest.mark.parametrize(
    ("script", "error"),
    [
        (replies(), err.QueryTimeout),
        (replies(COMPLETE), err.QueryTimeout),
        (replies(TIMEOUT), err.QueryTimeout),
        (denied, err.MessageDenied),
        (lost, err.ConnectionLost),
    ],
)
def test_a_cascade_without_an_answer_says_why(script: Script, error: type[Exception]) -> None:
    client = Fake(script)
    with pytest.raises(error):
        client.cascade(ASK, timeout=0.01)
    assert client.waiting == 0


def test_what_came_before_the_connection_ended_is_kept() -> None:
    def script(client: Fake, asked: HiveMessage) -> None:
        replies("one")(client, asked)
        lost(client, asked)

    assert types(Fake(script).cascade(ASK, timeout=60)) == ["one"]


# ping


def pong(client: Fake, flood: HiveMessage, *peers: str) -> None:
    """Others answer our flood: the map is drawn first, then those who wait are told, as a client does."""
    for peer in peers:
        ping = HiveMessage("ping", {"flood_id": flood.payload["flood_id"], "peer": peer})
        client.hive_map.on_ping(ping)
        client.waiters.offer(HiveMessage("propagate", ping))


def test_ping_returns_early_once_nothing_new_comes() -> None:
    client = Fake(lambda client, flood: pong(client, flood, client.peer, "a", "b"))
    began = time.monotonic()
    hive_map = client.ping(timeout=60, settle=0.02)
    assert 0.02 <= time.monotonic() - began < 5
    assert hive_map.others(client.peer) == client.hive_map.others(client.peer) == ["a", "b"]
    assert client.waiting == 0 and client.sent[0].payload.msg_type is T.PING


def test_ping_returns_at_its_time_when_nobody_answers() -> None:
    client = Fake(lambda client, flood: pong(client, flood, client.peer))
    began = time.monotonic()
    assert client.ping(timeout=0.1, settle=0.01).others(client.peer) == []
    assert time.monotonic() - began >= 0.1


def test_ping_says_when_the_connection_ended_before_anybody_answered() -> None:
    def script(client: Fake, flood: HiveMessage) -> None:
        pong(client, flood, client.peer)
        lost(client, flood)

    client = Fake(script)
    with pytest.raises(err.ConnectionLost):
        client.ping(timeout=60)
    assert client.waiting == 0


def test_ping_keeps_what_came_before_the_connection_ended() -> None:
    def script(client: Fake, flood: HiveMessage) -> None:
        pong(client, flood, client.peer, "a")
        lost(client, flood)

    client = Fake(script)
    assert "a" in client.ping(timeout=60, settle=60).nodes


def test_a_wait_for_quiet_goes_on_while_there_is_news() -> None:
    counts = iter([1, 1, 2, 2, 3, 3, 3, 3])
    gatherer = Gatherer(lambda message: True, Notifier())
    seen: list[int] = []

    def count() -> int:
        seen.append(next(counts, 3))
        return seen[-1]

    wait_for_quiet(gatherer, count, 60, 0.01)
    assert seen[-1] == 3 and 2 in seen


# INTERCOM, and what a client must bring


def test_intercom_names_the_plugin_that_is_missing() -> None:
    client = Fake()
    for handlers in (
        {},
        {T.INTERCOM: MessageHandler(T.INTERCOM, "reads only", lambda context, message: None)},
    ):
        client.profile.registry = Registry(handlers=handlers)
        with pytest.raises(err.PluginError, match="pip install"):
            client.emit_intercom(ASK, "PEM")
    assert client.sent == []


def test_intercom_goes_out_in_a_propagate_and_makes_a_key_first() -> None:
    made: list[int] = []
    handler = MessageHandler(T.INTERCOM, "i", lambda context, message: None, lambda context, message: message)
    client = Fake()
    client.profile.registry = Registry(handlers={T.INTERCOM: handler})
    client.profile.private_key = lambda: made.append(len(client.sent))
    client.emit_intercom(ASK, "PEM")
    (sent,) = client.sent
    assert made == [0]
    assert (sent.msg_type, sent.payload.msg_type, sent.payload.target_public_key) == (
        T.PROPAGATE,
        T.INTERCOM,
        "PEM",
    )
    assert sent.payload.payload["msg_type"] == "bus" and sent.payload.payload["payload"]["type"] == "ask"


def test_the_first_answer_is_the_pick() -> None:
    answers = [HiveMessage("ping", {"n": 1}), HiveMessage("ping", {"n": 2})]
    assert first_answer(answers) is answers[0]


# over a wire


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[EmbeddedHub]:
    """A hub that says what its test says, and routes nothing by itself."""
    monkeypatch.setattr(Router, "route", lambda *_: [])
    with EmbeddedHub({"k": PASSWORD}, agent=lambda utterance: None) as running:
        yield running


@pytest.fixture
def client(hub: EmbeddedHub) -> Iterator[HiveMessageBusClient]:
    with HiveMessageBusClient(**login(hub.url)) as client:
        yield client


class Running:
    """A call on a thread of its own, and how it ended."""

    def __init__(self, call: Callable[[], Any]) -> None:
        self._call = call
        self.result: Any = None
        self.error: Optional[BaseException] = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self.result = self._call()
        except BaseException as error:
            self.error = error

    def wait(self) -> Any:
        self._thread.join(10)
        assert not self._thread.is_alive()
        if self.error is not None:
            raise self.error
        return self.result


def heard(hub: EmbeddedHub, msg_type: str, count: int = 1) -> HiveMessage:
    return hub.wait_for(msg_type, count=count)[-1]


def test_answers_reach_whoever_asked_and_the_bus_once(hub: EmbeddedHub, client: HiveMessageBusClient) -> None:
    spoken, control = Log(), Log()
    client.on("speak", spoken)
    client.on(COMPLETE, control)
    running = Running(lambda: list(client.query(ASK, 5)))
    asked = heard(hub, "query")
    assert asked.metadata["originator_peer"] == client.peer
    for message in (
        answer_to(asked, n=1),
        answer_to(asked, n=2),
        answer_to(asked, COMPLETE),
        answer_to(asked, n=3),
    ):
        hub.broadcast(message)
    assert [a.message.data for a in running.wait()] == [{"n": 1}, {"n": 2}]
    settled(hub, client)
    assert [message.data for message in spoken.calls] == [{"n": 1}, {"n": 2}] and control.calls == []


def test_the_end_of_the_connection_ends_a_query_here_and_on_the_bus(
    hub: EmbeddedHub, client: HiveMessageBusClient
) -> None:
    told = Log()
    client.on(TIMEOUT, told)
    running = Running(lambda: client.query(ASK, 0))
    asked = heard(hub, "query")
    hub.drop()
    with pytest.raises(err.ConnectionLost):
        running.wait()
    (message,) = told.wait(1)
    assert message.data == {"query_id": asked.metadata["query_id"], "error": "connection_lost"}


def test_our_own_bound_is_told_on_the_bus_too(hub: EmbeddedHub, client: HiveMessageBusClient) -> None:
    told, spoken = Log(), Log()
    client.on(TIMEOUT, told)
    client.on("speak", spoken)
    client.query_timeout = 0.05
    with pytest.raises(err.QueryTimeout):
        client.query(ASK)
    assert told.wait(1)[0].data["error"] == "no_answer"
    hub.broadcast(answer_to(heard(hub, "query")))
    settled(hub, client)
    assert spoken.calls == []


def test_a_denial_over_the_wire(hub: EmbeddedHub, client: HiveMessageBusClient) -> None:
    running = Running(lambda: client.query(ASK, 0))
    heard(hub, "query")
    hub.broadcast(Message(DENIED, {"denied_type": "ask", "reason": "not today"}))
    with pytest.raises(err.MessageDenied, match="not today"):
        running.wait()
    assert client.state == "connected"


def test_the_bus_hears_the_end_of_a_question_when_its_asker_gives_up(
    hub: EmbeddedHub, client: HiveMessageBusClient
) -> None:
    """It heard of it 29 seconds later."""
    over = Log()
    client.on(TIMEOUT, over)
    for count, ask in enumerate((client.query, client.cascade), 1):
        with pytest.raises(err.QueryTimeout):
            ask(ASK, timeout=0.05)
        assert [message.data["error"] for message in over.wait(count)] == ["no_answer"] * count
    assert client.profile.context.recall("asking") == {}


def test_a_handler_may_ask_and_others_run_meanwhile(hub: EmbeddedHub, client: HiveMessageBusClient) -> None:
    answers = Log()
    client.on("start", lambda message: answers(types(client.query(ASK, 5))))
    hub.broadcast(Message("start"))
    asked = heard(hub, "query")
    settled(hub, client)
    hub.broadcast(answer_to(asked))
    hub.broadcast(answer_to(asked, COMPLETE))
    assert answers.wait(1) == [["speak"]]


def test_a_question_of_others_can_be_answered(hub: EmbeddedHub, client: HiveMessageBusClient) -> None:
    def handle(request: HiveMessage) -> None:
        client.answer(request, Message("one"), Message("two"))

    client.on(T.CASCADE, handle)
    request = HiveMessage(
        "cascade", HiveMessage("bus", {"type": "ask"}), metadata={"query_id": "q", "originator_peer": "them"}
    )
    hub.broadcast(request)
    sent = hub.wait_for("cascade", count=3)
    assert [message.payload.payload.msg_type for message in sent] == ["one", "two", COMPLETE]
    assert {message.metadata["responder_peer"] for message in sent} == {client.peer}
    assert {message.metadata["query_id"] for message in sent} == {"q"}
    with pytest.raises(err.InvalidMessage):
        client.answer(sent[0], Message("again"))


def last(answers: list[HiveMessage]) -> HiveMessage:
    return answers[-1]


def none_of_them(answers: list[HiveMessage]) -> None:
    return None


def broken(answers: list[HiveMessage]) -> HiveMessage:
    raise RuntimeError("mine to mend")


def nonsense(answers: list[HiveMessage]) -> Any:
    return "speak"


def leaving(answers: list[HiveMessage]) -> HiveMessage:
    raise SystemExit(3)


def another(answers: list[HiveMessage]) -> HiveMessage:
    return HiveMessage("bus", {"type": "speak"})


def emptied(answers: list[HiveMessage]) -> HiveMessage:
    return answers.pop()


PICKS: list[tuple[Any, list[str], str]] = [
    (first_answer, ["a"], ""),
    (last, ["b"], ""),
    (emptied, ["b"], ""),
    (none_of_them, [], ""),
    (broken, [], "(broken) raised"),
    (leaving, [], "(leaving) raised"),
    (nonsense, [], "(nonsense) returned a str"),
    (another, [], "(another) returned a HiveMessage"),
]


@pytest.mark.parametrize(("pick", "delivered", "fault"), PICKS, ids=[row[0].__name__ for row in PICKS])
def test_one_answer_to_a_cascade_is_picked_and_delivered_once(
    pick: Any,
    delivered: list[str],
    fault: str,
    hub: EmbeddedHub,
    client: HiveMessageBusClient,
    caplog: pytest.LogCaptureFixture,
) -> None:
    picking, spoken, over = Log(), Log(), Log()

    @functools.wraps(pick)
    def choose(answers: list[HiveMessage]) -> Any:
        picking([answer.metadata["responder_peer"] for answer in answers])
        return pick(answers)

    client.cascade_select_callback = choose
    client.on("speak", spoken)
    client.on(TIMEOUT, over)
    know(client, client.peer, "a", "b")
    running = Running(lambda: client.cascade(ASK, 5))
    asked = heard(hub, "cascade")
    for name in "ab":
        hub.broadcast(answer_to(asked, "speak", name, by=name))
        hub.broadcast(answer_to(asked, COMPLETE, name))
    assert [answer.responder for answer in running.wait()] == ["a", "b"]
    assert picking.wait(1) == [["a", "b"]]
    # What is picked is told of by another thread than the one that `settled` follows.
    (over if fault else spoken).wait(1 if fault else len(delivered))
    settled(hub, client)
    assert [message.data["by"] for message in spoken.calls] == delivered
    faults = [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]
    told = {"query_id": asked.metadata["query_id"], "error": "selection_failed"}
    assert [message.data for message in over.calls] == ([told] if fault else [])
    assert len(faults) == len(over.calls) and all(
        f"cascade_select_callback {fault}" in line for line in faults
    )
    assert client.state == "connected"


def test_pings_draw_the_map_and_are_answered_once(hub: EmbeddedHub, client: HiveMessageBusClient) -> None:
    running = Running(lambda: client.ping(timeout=5, settle=0.05))
    mine = heard(hub, "propagate").payload
    assert mine["peer"] == client.peer
    for peer in ("kitchen::s", "attic::s"):
        told = {"flood_id": mine["flood_id"], "peer": peer, "timestamp": time.time()}
        route = [{"source": f"ua::1::{peer}", "targets": ["x"]}, {"source": "hub", "targets": ["x"]}]
        hub.broadcast(HiveMessage("propagate", HiveMessage("ping", told), route=route))
    hive_map = running.wait()
    assert {"kitchen::s", "attic::s"} <= set(hive_map.others(client.peer))
    assert "kitchen::s" in hive_map.to_ascii(client.peer)
    foreign = HiveMessage("propagate", HiveMessage("ping", {"flood_id": "theirs", "peer": "kitchen::s"}))
    for _ in range(3):
        hub.broadcast(foreign)
    answered = heard(hub, "propagate", 2).payload
    assert (answered["flood_id"], answered["peer"]) == ("theirs", client.peer)
    settled(hub, client)
    client.emit(Message("last"))
    hub.wait_for("last")
    assert len([message for message in hub.received if message.msg_type == "propagate"]) == 2


def test_a_session_that_is_not_ours_is_not_sent_back(hub: EmbeddedHub, client: HiveMessageBusClient) -> None:
    old = client.session_id
    hub.broadcast(Message("speak", {}, {"session": {"session_id": old, "active_skills": ["mine"]}}))
    settled(hub, client)
    client.session_id = "another"
    hub.broadcast(Message("speak", {}, {"session": {"session_id": old, "active_skills": ["late"]}}))
    settled(hub, client)
    client.emit(Message("next"))
    session = hub.wait_for("next")[0].payload.context["session"]
    assert session["session_id"] == "another" and "mine" not in str(session) and "late" not in str(session)


def test_a_closed_client_asks_nobody(client: HiveMessageBusClient) -> None:
    client.close()
    calls: list[Callable[[], object]] = [
        lambda: client.query(ASK, 5),
        lambda: client.cascade(ASK, 5),
        lambda: client.ping(5),
    ]
    for call in calls:
        with pytest.raises(err.NotConnected):
            call()
