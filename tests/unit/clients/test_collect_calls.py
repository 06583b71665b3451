"""Collect-calls of OVOS: who answers, who is waited for, and what is left behind."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
from ovos_bus_client.message import Message
from ovos_utils.fakebus import FakeBus

from hivemind_core_client import FakeHiveMessageBus, HiveMessageBusClient
from hivemind_core_client import errors as err
from hivemind_core_client.testing import EmbeddedHub
from tests.unit.client_support import Make, settled, until

#: Seconds that nothing here takes, and in which a promise has come back.
LONG, SOON = 30.0, 0.5


def answers(client: HiveMessageBusClient, **data: Any) -> Any:
    """A handler that answers with this."""

    def answer(request: Any) -> None:
        client.emit(request.success(data))

    return answer


def left_behind(client: HiveMessageBusClient) -> list[str]:
    """Who still waits, and what is still listened to for a call."""
    names = [name for name, _, _ in client.internal_bus.registered() if "." in name]
    return [*names, *["somebody waits"] * len(client.waiters)]


def test_all_who_promised_are_waited_for_and_no_longer(client: HiveMessageBusClient) -> None:
    def late(request: Any) -> None:
        timer = threading.Timer(SOON + 0.1, lambda: client.emit(request.success({"n": 2})))
        timer.start()

    client.on_collect("count", answers(client, n=1), timeout=LONG)
    client.on_collect("count", late, timeout=LONG)
    client.on_collect("count", lambda request: client.emit(request.failure()), timeout=LONG)
    began = time.monotonic()
    found = client.collect_responses(Message("count", {"to": 3}), SOON, LONG)
    assert time.monotonic() - began < LONG / 2
    assert sorted((one.data.get("n", 0), one.data["succeeded"]) for one in found) == [
        (0, False),
        (1, True),
        (2, True),
    ]
    assert left_behind(client) == []


def test_one_response_may_be_enough(client: HiveMessageBusClient) -> None:
    client.on_collect("count", answers(client, n=1), timeout=LONG)
    client.on_collect("count", lambda request: None, timeout=LONG)
    (found,) = client.collect_responses(
        Message("count"), SOON, LONG, lambda response: response.data["n"] == 1
    )
    assert found.data["n"] == 1


def test_a_judge_that_raises_does_not_hold_up_the_end(
    client: HiveMessageBusClient, caplog: pytest.LogCaptureFixture
) -> None:
    client.on_collect("count", answers(client, n=1), timeout=LONG)
    found = client.collect_responses(Message("count"), SOON, LONG, lambda response: response.data["nope"])
    assert [one.data["n"] for one in found] == [1]
    assert "KeyError: 'nope'" in caplog.text


def test_a_handler_that_raises_is_named_and_waited_for_as_promised(
    client: HiveMessageBusClient, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(request: Any) -> None:
        raise RuntimeError("mine to mend")

    client.on_collect("count", broken, timeout=SOON)
    assert client.collect_responses(Message("count"), SOON, LONG) == []
    assert "broken raised" in caplog.text and "mine to mend" in caplog.text


def test_nobody_answers(client: HiveMessageBusClient) -> None:
    assert client.collect_responses(Message("count"), 0.01, LONG) == []
    assert left_behind(client) == []


@pytest.mark.otherwise("asyncio", why="its handlers are awaited where they wait")
def test_a_handler_may_make_a_collect_call(client: HiveMessageBusClient) -> None:
    found: list[Any] = []
    done = threading.Event()

    def ask(message: Message) -> None:
        found.extend(client.collect_responses(Message("count"), SOON, LONG))
        done.set()

    client.on_mycroft("ask", ask)
    client.on_collect("count", answers(client, n=1), timeout=LONG)
    client.emit(Message("ask"))
    assert done.wait(LONG)
    assert [one.data["n"] for one in found] == [1]


@pytest.mark.otherwise("http", why="each message is a request, and they go one after the other")
def test_many_calls_at_once_get_what_is_theirs(client: HiveMessageBusClient) -> None:
    client.on_collect("count", lambda request: client.emit(request.success(dict(request.data))), timeout=LONG)
    found: dict[int, list[Any]] = {}

    def ask(number: int) -> None:
        responses = client.collect_responses(Message("count", {"number": number}), 2 * SOON, LONG)
        found[number] = [response.data["number"] for response in responses]

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(25)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LONG)
    assert found == {number: [number] for number in range(25)}
    assert client.mailbox.dropped == 0
    assert left_behind(client) == []


def test_a_call_ends_with_its_connection(hub: EmbeddedHub, client: HiveMessageBusClient) -> None:
    asked = threading.Event()
    client.on_collect("count", lambda request: asked.set(), timeout=LONG)
    dropper = threading.Thread(target=lambda: (asked.wait(LONG), hub.drop()))
    dropper.start()
    began = time.monotonic()
    assert client.collect_responses(Message("count"), SOON, LONG) == []
    assert time.monotonic() - began < LONG / 2
    dropper.join(LONG)
    assert left_behind(client) == []


def test_what_cannot_be_sent_leaves_nothing_behind(hub: EmbeddedHub, make: Make) -> None:
    client = make(hub)
    with pytest.raises(err.NotConnected):
        client.collect_responses(Message("count"))
    assert left_behind(client) == []


@pytest.mark.parametrize(
    "options",
    [
        {"min_timeout": None},
        {"min_timeout": float("nan")},
        {"max_timeout": "3"},
        {"max_timeout": -1},
    ],
    ids=str,
)
def test_a_wait_that_makes_no_sense_is_refused_before_anything_is_sent(
    hub: EmbeddedHub, client: HiveMessageBusClient, options: dict[str, Any]
) -> None:
    with pytest.raises(err.InvalidOption, match="it must be seconds"):
        client.collect_responses(Message("count"), **options)
    settled(hub, client)
    assert not [
        message for message in hub.received if message.msg_type == "bus" and message["type"] == "count"
    ]


@pytest.mark.parametrize(
    ("event_name", "func", "timeout", "match"),
    [
        ("count", None, 2, "cannot be called"),
        ("count", print, float("nan"), "it must be seconds"),
        ("count", print, object(), "it must be seconds"),
        ("query", print, 2, "hive type"),
    ],
    ids=["no-handler", "nan", "no-number", "hive-type"],
)
def test_a_handler_that_makes_no_sense_is_refused(
    client: HiveMessageBusClient, event_name: str, func: Any, timeout: Any, match: str
) -> None:
    with pytest.raises(err.InvalidOption, match=match):
        client.on_collect(event_name, func, timeout)


def test_a_plain_message_of_that_type_is_no_collect_call(
    hub: EmbeddedHub, client: HiveMessageBusClient, caplog: pytest.LogCaptureFixture
) -> None:
    called: list[Any] = []
    client.on_collect("count", called.append)
    hub.broadcast(Message("count"))
    settled(hub, client)
    assert until(lambda: "no collect-call" in caplog.text)  # a coroutine runs beside the marker
    assert called == []


def test_handlers_are_removed_by_type_and_function(client: HiveMessageBusClient) -> None:
    heard: list[str] = []

    def hear(message: Message) -> None:
        heard.append(message.msg_type)

    def left() -> list[str]:
        return sorted(name for name, _, _ in client.internal_bus.registered())

    client.on_collect("a", hear)
    client.on_collect("b", hear)
    client.on_collect("b", hear)  # takes the place of the other
    assert left() == ["a", "b"]
    client.remove("a", hear)
    assert left() == ["b"]
    client.on("b", hear)
    client.remove("b", hear)
    client.remove("b", hear)
    assert left() == []
    client.on_collect("a", hear)
    client.remove_all_listeners("a")
    client.on("a", hear)
    client.remove("a", hear)
    assert left() == []


def test_an_internal_bus_of_others_takes_part(hub: EmbeddedHub, make: Make) -> None:
    bus = FakeBus()
    with make(hub, internal_bus=bus) as client:
        client.on_collect("count", answers(client, n=1), timeout=LONG)
        bus.on("count", lambda message: bus.emit(_response(message, n=2)))
        found = client.collect_responses(Message("count"), SOON, LONG)
        assert sorted(one.data["n"] for one in found) == [1, 2]
    client.close()


def _response(message: Message, **data: Any) -> Message:
    ids = {"query": message.context["__collect_id__"], "handler": "another"}
    return message.reply("count.response", {**ids, **data})


def test_without_a_hub_a_call_takes_no_time() -> None:
    bus = FakeHiveMessageBus()
    bus.connect()
    bus.on_collect("count", lambda request: None, timeout=3600)
    began = time.monotonic()
    assert bus.collect_responses(Message("count"), 60.0, 600.0) == []
    assert time.monotonic() - began < LONG
    bus.on_collect("count", answers(bus, n=1), timeout=3600)
    (found,) = bus.collect_responses(Message("count"), 60.0, 600.0)
    assert found.data["n"] == 1
