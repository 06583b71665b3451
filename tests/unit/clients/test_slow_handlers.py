"""A plugin's handler that blocks keeps nobody else from sending, from closing, or from the event loop."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Callable, Optional

import pytest
from ovos_bus_client.message import Message

from hivemind_core_client import Deadlines, FakeHiveMessageBus, HiveMessage
from hivemind_core_client.errors import ClientClosed, HiveMindError, PluginError
from hivemind_core_client.plugins.contract import CancelTimer, Context, Deliver, MessageHandler, SetTimer
from hivemind_core_client.plugins.hookspecs import hookimpl
from hivemind_core_client.plugins.manager import forget_plugins
from hivemind_core_client.shell.lanes import Call
from hivemind_core_client.testing import EmbeddedHub
from tests.unit.client_support import PATIENCE, Log, Make, settled, until

RING = HiveMessage("3rdparty", {"rings": 1})
#: What is to be quick takes less than this, in seconds.
QUICK = 1.0


class Gate:
    """Blocks who passes, until it is opened."""

    def __init__(self) -> None:
        self.reached, self.open = threading.Event(), threading.Event()
        self.inside = self.most_inside = self.passed = 0

    def __call__(self) -> None:
        self.inside += 1
        self.most_inside = max(self.most_inside, self.inside)
        self.reached.set()
        assert self.open.wait(PATIENCE)
        self.inside -= 1
        self.passed += 1


@pytest.fixture
def gate() -> Iterator[Gate]:
    made = Gate()
    yield made
    made.open.set()


class Door:
    """Brings a handler of THIRDPRTY whose functions are given, or a wrapper of another type."""

    def __init__(self, receive: Any, kind: str = "3rdparty", **functions: Any) -> None:
        self.handler = MessageHandler(kind, "bell", receive, **functions)

    @hookimpl
    def hivemind_message_handlers(self) -> list[MessageHandler]:
        return [self.handler]


@pytest.fixture
def _short_stall(monkeypatch: pytest.MonkeyPatch) -> None:
    """Others wait for a handler that blocks, but not for long."""
    for shell in ("aio", "sync"):
        monkeypatch.setattr(f"hivemind_core_client.{shell}.in_turn.STALL_S", 0.2)


@pytest.fixture(autouse=True)
def _leave_nothing_loaded() -> Iterator[None]:
    yield
    forget_plugins()


def heard(message: HiveMessage) -> Deliver:
    return Deliver({"type": "bell", "data": dict(message.raw_payload), "context": {}})


def blocking(gate: Gate) -> Callable[..., list[Deliver]]:
    def receive(context: Context, message: HiveMessage) -> list[Deliver]:
        gate()
        return [heard(message)]

    return receive


def seconds_of(call: Callable[[], Any]) -> float:
    began = time.monotonic()
    call()
    return time.monotonic() - began


def test_one_that_blocks_in_receive_keeps_nobody_from_sending(
    hub: EmbeddedHub, make: Make, gate: Gate
) -> None:
    rung = Log()
    with make(hub, plugins=[Door(blocking(gate))]) as client:
        client.on_mycroft("bell", lambda message: rung(message.data["rings"]))
        hub.broadcast(RING)
        assert gate.reached.wait(PATIENCE)
        assert seconds_of(lambda: client.emit(Message("meanwhile"))) < QUICK
        assert hub.wait_for("bus")
        (door,) = [info for info in client.plugin_report() if info.name == "Door"]
        assert until(lambda: client.plugin_report()[-1].slow == 1)  # before it is over
        gate.open.set()
        assert rung.wait(1) == [1]
    assert (door.state, door.failures) == ("loaded", 0)


def test_what_arrived_just_before_close_still_reaches_its_handler(
    hub: EmbeddedHub, make: Make, gate: Gate
) -> None:
    rung = Log()

    def prepare(context: Context, message: HiveMessage) -> HiveMessage:
        gate()  # keeps the lane busy
        return message

    client = make(hub, plugins=[Door(lambda context, message: [heard(message)], prepare=prepare)])
    with client:
        client.on_mycroft("bell", lambda message: rung(message.data["rings"]))
        client.on("close", gate.open.set)
        sending = threading.Thread(target=_send_anyway, args=(client,))
        sending.start()
        assert gate.reached.wait(PATIENCE)
        arrived = Log()
        client.on("3rdparty", arrived)
        hub.broadcast(RING)
        assert arrived.wait(1)
    sending.join(PATIENCE)
    assert rung.wait(1) == [1]


def _send_anyway(client: Any) -> None:
    with contextlib.suppress(HiveMindError):
        client.emit(HiveMessage("3rdparty", {"sent": 1}))


def test_order_is_kept_behind_one_that_takes_its_time(hub: EmbeddedHub, make: Make, gate: Gate) -> None:
    order = Log()
    with make(hub, plugins=[Door(blocking(gate))]) as client:
        client.on_mycroft("bell", lambda message: order(message.data["rings"]))
        client.on_mycroft("after", lambda message: order("after"))
        for number in range(20):
            hub.broadcast(HiveMessage("3rdparty", {"rings": number}))
        hub.broadcast(Message("after"))
        assert gate.reached.wait(PATIENCE)
        gate.open.set()
        assert order.wait(21) == [*range(20), "after"]
    assert gate.most_inside == 1


def test_it_keeps_nobody_from_closing(hub: EmbeddedHub, make: Make, gate: Gate) -> None:
    bounds = Deadlines(close=0.5)
    client = make(hub, plugins=[Door(blocking(gate))], deadlines=bounds)
    client.connect()
    hub.broadcast(RING)
    assert gate.reached.wait(PATIENCE)
    assert seconds_of(client.close) < 3 * bounds.close + QUICK


def test_it_is_never_called_twice_at_the_same_time_by_another_connection_of_its_client(
    hub: EmbeddedHub, make: Make, gate: Gate
) -> None:
    client = make(hub, plugins=[Door(blocking(gate))], deadlines=Deadlines(close=0.3))
    client.connect()
    hub.broadcast(RING)
    assert gate.reached.wait(PATIENCE)
    client.close()
    client.connect()
    rung = Log()
    client.on_mycroft("bell", lambda message: rung(message.data["rings"]))
    hub.broadcast(HiveMessage("3rdparty", {"rings": 2}))
    hub.broadcast(Message("marker"))
    client.emit(Message("meanwhile"))
    gate.open.set()
    assert 2 in rung.wait(1)
    client.close()
    assert gate.most_inside == 1


@pytest.mark.parametrize("function", ["prepare", "on_send"])
def test_a_sender_of_its_own_type_is_told_in_time(
    hub: EmbeddedHub, make: Make, gate: Gate, function: str
) -> None:
    def block(context: Context, message: HiveMessage) -> Any:
        gate()
        return message if function == "prepare" else None

    door = Door(lambda context, message: None, **{function: block})
    with make(hub, plugins=[door], deadlines=Deadlines(send=0.5)) as client:
        with pytest.raises(PluginError, match=r"plugin Door has not come back within 0.5 s"):
            client.emit(RING)
        with pytest.raises(PluginError, match="the message was not sent"):
            client.emit(HiveMessage("broadcast", RING) if function == "prepare" else RING)
        assert seconds_of(lambda: client.emit(Message("meanwhile"))) < QUICK
        assert hub.wait_for("bus")
        assert "3rdparty" not in {message.msg_type.value for message in hub.received}
        gate.open.set()
        assert until(lambda: gate.inside == 0)
        client.emit(RING)
        assert hub.wait_for("3rdparty")
    assert client.metrics.raised == 2 and gate.most_inside == 1


def test_what_it_is_told_of_comes_before_the_answer_and_its_actions_are_done(
    hub: EmbeddedHub, make: Make
) -> None:
    said = Log()

    def on_send(context: Context, message: HiveMessage) -> list[Any]:
        context.recall("bell")["sent"] = True
        return [SetTimer("3rdparty", "soon", 0.01)]

    def on_timer(context: Context, key: str) -> list[Any]:
        return [Deliver({"type": "timer", "data": {"sent": context.recall("bell")["sent"]}, "context": {}})]

    def on_end(context: Context) -> list[Any]:
        return [Deliver({"type": "end", "data": {}, "context": {}}), CancelTimer("3rdparty", "soon")]

    def prepare(context: Context, message: HiveMessage) -> HiveMessage:
        return message.copy(payload={**message.raw_payload, "prepared": True})

    door = Door(
        lambda context, message: None, prepare=prepare, on_send=on_send, on_timer=on_timer, on_end=on_end
    )
    with make(hub, plugins=[door]) as client:
        for name in ("timer", "end"):
            client.on_mycroft(name, lambda message: said(message.msg_type))
        client.emit(RING)
        (sent,) = hub.wait_for("3rdparty")
        assert sent["prepared"] is True
        said.wait(1)
    assert said.wait(2) == ["timer", "end"]


def test_a_wrapper_that_blocks_keeps_its_own_type_alone_waiting(
    hub: EmbeddedHub, make: Make, gate: Gate
) -> None:
    """BUS is wrapped where it arrives: who sends BUS has nothing to do with that."""
    spoken, rung = Log(), Log()

    def receive(context: Context, message: HiveMessage, next: Any) -> Any:
        gate()
        return next(message)

    door = Door(receive, "bus", wraps=True)
    with make(hub, plugins=[door]) as client:
        client.on_mycroft("speak", lambda message: spoken(message.data["utterance"]))
        client.on("3rdparty", rung)
        hub.broadcast(Message("speak", {"utterance": "x"}))
        assert gate.reached.wait(PATIENCE)
        assert seconds_of(lambda: client.emit(Message("meanwhile"))) < QUICK
        assert hub.wait_for("bus")
        gate.open.set()
        assert spoken.wait(1) == ["x"]
        client.emit(Message("again"))
        assert hub.wait_for("bus", count=2)


@pytest.mark.usefixtures("_short_stall")
def test_others_go_on_after_a_while_and_the_log_names_it(
    hub: EmbeddedHub, make: Make, gate: Gate, caplog: pytest.LogCaptureFixture
) -> None:
    spoken, rung = Log(), Log()
    with make(hub, plugins=[Door(blocking(gate))]) as client:
        client.on_mycroft("speak", lambda message: spoken(message.data["utterance"]))
        client.on_mycroft("bell", lambda message: rung(message.data["rings"]))
        for number in range(5):
            hub.broadcast(HiveMessage("3rdparty", {"rings": number}))
        hub.broadcast(Message("speak", {"utterance": "x"}))
        assert spoken.wait(1) == ["x"]
        assert "plugin Door has been running for 0.2 s" in caplog.text
        assert rung.calls == []
        gate.open.set()
        assert rung.wait(5) == [0, 1, 2, 3, 4]
    assert client.metrics.dropped == 0


@pytest.mark.usefixtures("_short_stall")
def test_what_is_too_much_for_it_is_dropped_and_counted(
    hub: EmbeddedHub,
    make: Make,
    gate: Gate,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr("hivemind_core_client.shell.lanes.MOST_WAITING", 3)
    rung, spoken = Log(), Log()
    with make(hub, plugins=[Door(blocking(gate))]) as client:
        client.on_mycroft("bell", lambda message: rung(message.data["rings"]))
        client.on_mycroft("speak", spoken)
        for number in range(10):
            hub.broadcast(HiveMessage("3rdparty", {"rings": number}))
        hub.broadcast(Message("speak"))
        spoken.wait(1)
        assert client.metrics.dropped == 6
        assert "too much waits for plugin Door" in caplog.text
        gate.open.set()
        assert rung.wait(4) == [0, 1, 2, 3]


@pytest.mark.usefixtures("_short_stall")
def test_what_waits_for_it_when_its_client_is_closed_is_counted(
    hub: EmbeddedHub, make: Make, gate: Gate
) -> None:
    spoken = Log()
    client = make(hub, plugins=[Door(blocking(gate))], deadlines=Deadlines(close=0.3))
    client.connect()
    client.on_mycroft("speak", spoken)
    for number in range(3):
        hub.broadcast(HiveMessage("3rdparty", {"rings": number}))
    hub.broadcast(Message("speak"))
    spoken.wait(1)
    client.close()
    assert client.metrics.dropped == 2
    gate.open.set()
    assert until(lambda: gate.inside == 0)
    assert gate.passed == 1


class Failing:
    @hookimpl
    def hivemind_message_handlers(self) -> list[MessageHandler]:
        return [MessageHandler("3rdparty", "bell", self.receive)]

    def receive(self, context: Context, message: HiveMessage) -> None:
        raise SystemExit("on purpose")


def test_one_that_fails_in_its_lane_is_counted_and_the_next_message_is_heard(
    hub: EmbeddedHub, make: Make
) -> None:
    with make(hub, plugins=[Failing()]) as client:
        for _ in range(3):
            hub.broadcast(RING)
        assert until(lambda: client.plugin_report()[-1].failures == 3)
        info = client.plugin_report()[-1]
        assert (info.name, info.last_error) == (
            "Failing",
            "receive of 3rdparty raised SystemExit: on purpose",
        )


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt()], ids=repr)
def test_a_sender_is_told_at_once_where_a_plugin_exits(
    error: BaseException, hub: EmbeddedHub, make: Make
) -> None:
    def fail(context: Context, message: HiveMessage) -> HiveMessage:
        raise error

    with make(hub, plugins=[Door(lambda *_: [], prepare=fail)]) as client:

        def send() -> None:
            with pytest.raises(PluginError, match=f"raised {type(error).__name__}: the message was not sent"):
                client.emit(RING)

        assert seconds_of(send) < QUICK


def test_one_that_interrupts_holds_nobody_up(hub: EmbeddedHub, make: Make) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    heard = Log()
    with make(hub, plugins=[Door(interrupt)]) as client:
        client.on_mycroft("after", heard)

        def ring() -> None:
            for _ in range(3):
                hub.broadcast(RING)
            hub.broadcast(Message("after"))
            heard.wait(1)

        assert seconds_of(ring) < QUICK


@pytest.mark.otherwise(
    "asyncio", why="a handler is not called on its loop, and so can call none of its verbs"
)
def test_a_handler_that_sends_what_would_wait_for_itself_is_told_at_once(
    hub: EmbeddedHub, make: Make
) -> None:
    errors: list[Exception] = []

    def send(context: Context, message: HiveMessage) -> HiveMessage:
        if message["rings"] == 1:
            try:
                client.emit(HiveMessage("3rdparty", {"rings": 2}))
            except PluginError as error:
                errors.append(error)
        return message

    with make(hub, plugins=[Door(lambda *_: [], prepare=send)]) as client:
        assert seconds_of(lambda: client.emit(RING)) < QUICK
        assert [message["rings"] for message in hub.wait_for("3rdparty")] == [1]
    assert "plugin Door sends within its own handler" in str(errors)


def test_who_waits_for_a_handler_learns_that_its_client_is_closed(
    hub: EmbeddedHub, make: Make, gate: Gate
) -> None:
    def prepare(context: Context, message: HiveMessage) -> HiveMessage:
        gate()
        return message

    errors: list[HiveMindError] = []
    begun, patient = threading.Event(), Deadlines(send=PATIENCE)

    def send() -> None:
        begun.set()
        try:
            client.emit(RING)
        except HiveMindError as error:
            errors.append(error)

    senders = [threading.Thread(target=send) for _ in range(2)]
    with make(hub, plugins=[Door(lambda *_: [], prepare=prepare)], deadlines=patient) as client:
        senders[0].start()
        assert gate.reached.wait(PATIENCE)
        begun.clear()
        senders[1].start()
        assert begun.wait(PATIENCE)
    assert until(lambda: errors, PATIENCE / 2)
    gate.open.set()
    for sender in senders:
        sender.join(PATIENCE)
    assert isinstance(errors[0], ClientClosed)


@pytest.mark.skipif(sys.version_info < (3, 10), reason="the client for asyncio needs it")
def test_a_loop_runs_on_while_a_handler_blocks(hub: EmbeddedHub, gate: Gate) -> None:
    from tests.unit import aio_support

    async def main() -> None:
        async with aio_support.make(hub, plugins=[Door(blocking(gate))]) as client:
            hub.broadcast(RING)
            await aio_support.until(gate.reached.is_set)
            await aio_support.turns()
            assert gate.passed == 0
            await client.emit(Message("meanwhile"))
            assert await aio_support.off_loop(hub.wait_for, "bus")
            gate.open.set()

    aio_support.run(main())


@pytest.mark.skipif(sys.version_info < (3, 10), reason="the client for asyncio needs it")
def test_a_call_that_is_over_wakes_nobody_but_who_waits_for_it(
    hub: EmbeddedHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.unit import aio_support

    looks, is_over = [0], Call.is_over

    def look(call: Call) -> bool:
        looks[0] += 1
        return is_over(call)

    async def main() -> None:
        door = Door(lambda *_: [], prepare=lambda context, message: message)
        async with aio_support.make(hub, plugins=[door]) as client:
            await asyncio.gather(*(client.emit(RING) for _ in range(200)))

    monkeypatch.setattr(Call, "is_over", look)
    aio_support.run(main())
    assert 200 <= looks[0] <= 1000


def test_fakes_count_too() -> None:
    client = FakeHiveMessageBus(plugins=[Failing()])
    client.connect()
    client.receive(RING)
    assert client.plugin_report()[-1].failures == 1
    client.close()


def test_a_report_is_a_copy() -> None:
    client = FakeHiveMessageBus(plugins=[Failing()])
    client.plugin_report()[-1].failures = 7
    last: Optional[Any] = client.plugin_report()[-1]
    assert last is not None and last.failures == 0


def test_what_is_prepared_while_the_session_ends_goes_in_the_next_one(
    hub: EmbeddedHub, make: Make, gate: Gate
) -> None:
    def prepare(context: Context, message: HiveMessage) -> HiveMessage:
        gate()
        return message

    door = Door(lambda context, message: [], prepare=prepare)
    patient = Deadlines(send=PATIENCE, close=0.3)
    with make(hub, plugins=[door], deadlines=patient) as client, ThreadPoolExecutor(1) as pool:
        closed = Log()
        client.on("close", closed)
        sent = pool.submit(client.emit, RING)
        assert gate.reached.wait(PATIENCE)
        hub.drop()
        closed.wait(1)
        assert until(lambda: client.state == "connected")
        gate.open.set()
        sent.result(PATIENCE)
        hub.wait_for("3rdparty")
        settled(hub, client)
        assert len(hub.wait_for("3rdparty")) == 1
        assert gate.passed == 2, "it is prepared for the session that it goes in"
