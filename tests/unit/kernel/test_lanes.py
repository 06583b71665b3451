"""In a Link that calls handlers in turn, those of plugins come as RunInTurn; the built-in ones run at once."""

from __future__ import annotations

from typing import Any

import pytest

from hivemind_core_client.errors import InvalidMessage, PluginError
from hivemind_core_client.kernel.dispatch import Dispatcher
from hivemind_core_client.kernel.events import Arrived, Event, Rejected, RunInTurn
from hivemind_core_client.kernel.leaving import Later
from hivemind_core_client.kernel.link import Link
from hivemind_core_client.kernel.options import Credentials, LinkOptions
from hivemind_core_client.message import HiveMessage, HiveMessageType, HiveMindBinaryPayloadType
from hivemind_core_client.plugins.contract import (
    BinaryHandler,
    Context,
    Deliver,
    Dispatch,
    MessageHandler,
)
from hivemind_core_client.wire.weighing import weight_of
from tests.unit.support import KEY, WHERE, Hub, explode, new_context, plugin, plugins_of

T = HiveMessageType
FILE = HiveMindBinaryPayloadType.FILE
RING = HiveMessage("3rdparty", {"rings": 1})


def deliver(context: Context, message: HiveMessage) -> list[Any]:
    return [Deliver({"data": message.raw_payload})]


class Calls:
    """A dispatcher with lanes, and what followed."""

    def __init__(self, *plugins: Any) -> None:
        self.followed: list[Any] = []
        registry = plugins_of(*plugins).registry()
        self.dispatcher = Dispatcher(registry, new_context(), self._follow)
        self.in_turn = self.dispatcher.use_lanes(registry.lanes)

    def _follow(self, outcomes: Any) -> list[Event]:
        self.followed += outcomes
        return list(self.followed)

    def leave(self, message: HiveMessage, run: bool = True) -> tuple[HiveMessage, Any, list[str]]:
        """What `leaving` returns, and the lanes that were used."""
        steps, lanes = self.dispatcher.leaving(message), []
        try:
            turn = next(steps)
            while True:
                lanes.append(turn.lane)
                turn = steps.send(turn.work() if run else list)
        except StopIteration as stop:
            prepared, told = stop.value
            return prepared, told, lanes


def bell(receive: Any = deliver, **functions: Any) -> Any:
    handler = MessageHandler(T.THIRDPRTY, "bell", receive, **functions)
    return plugin("door", hivemind_message_handlers=lambda: [handler])


def only(outcomes: Any) -> RunInTurn:
    (turn,) = outcomes
    assert isinstance(turn, RunInTurn) and turn.lane == "door"
    return turn


def test_a_handler_of_a_plugin_is_not_run_but_handed_out() -> None:
    calls = Calls(bell())
    turn = only(calls.dispatcher.receive(RING))
    assert turn.weight == weight_of(RING) > 0 and calls.followed == []
    follow = turn.work()
    assert calls.followed == []
    assert follow() == calls.followed == [Deliver({"data": {"rings": 1}})]


def test_built_in_handlers_run_at_once_and_so_does_everything_without_lanes() -> None:
    calls = Calls(bell())
    message = HiveMessage("bus", {"type": "speak", "data": {}, "context": {}})
    assert [type(each) for each in calls.dispatcher.receive(message)] == [Deliver]
    assert Dispatcher(plugins_of(bell()).registry(), new_context()).receive(RING) != []


def test_binary_data_has_its_lane_by_its_bin_type() -> None:
    handler = BinaryHandler(FILE, "files", lambda context, data, metadata: [Deliver({"size": len(data)})])
    calls = Calls(plugin("door", hivemind_binary_handlers=lambda: [handler]))
    assert only(calls.dispatcher.receive(HiveMessage("bin", b"abc", bin_type=FILE))).work()() == [
        Deliver({"size": 3})
    ]


def test_a_message_inside_is_handled_after_the_turn_and_has_one_itself() -> None:
    def unwrap(context: Context, message: HiveMessage, next: Any) -> list[Any]:
        return [Dispatch(message.payload), Dispatch(RING)]

    wrapper = MessageHandler(T.BROADCAST, "unwrap", unwrap, wraps=True)
    made = plugin(
        "door", hivemind_message_handlers=lambda: [wrapper, MessageHandler(T.THIRDPRTY, "bell", deliver)]
    )
    calls = Calls(made)
    inner = HiveMessage("bus", {"type": "speak", "data": {}, "context": {}})
    only(calls.dispatcher.receive(HiveMessage("broadcast", inner))).work()()
    spoken, turn = calls.followed
    assert isinstance(spoken, Deliver) and only([turn]).weight == weight_of(RING)


@pytest.mark.parametrize(("error", "followed"), [(RuntimeError("broken"), 0), (InvalidMessage("no bell"), 1)])
def test_what_is_raised_in_a_turn_costs_its_message_only(error: Exception, followed: int) -> None:
    def fail(context: Context, message: HiveMessage) -> None:
        raise error

    calls = Calls(bell(fail))
    only(calls.dispatcher.receive(RING)).work()()
    assert len(calls.followed) in (0, followed)
    assert all(isinstance(each, Rejected) for each in calls.followed)


def test_timers_and_the_end_of_a_session_have_their_turn() -> None:
    calls = Calls(
        bell(
            on_timer=lambda context, key: [Deliver({"key": key})],
            on_end=lambda context: [Deliver({"end": True})],
        )
    )
    only(calls.dispatcher.due(T.THIRDPRTY, "soon")).work()()
    (end,) = [each for each in calls.dispatcher.ended() if isinstance(each, RunInTurn)]
    end.work()()
    assert calls.followed == [Deliver({"key": "soon"}), Deliver({"end": True})]


def ringing(context: Context, message: HiveMessage) -> HiveMessage:
    return message.copy(payload={**message.raw_payload, "prepared": True})


def test_what_is_sent_is_prepared_and_told_of_in_turn() -> None:
    calls = Calls(bell(prepare=ringing, on_send=deliver))
    assert T.THIRDPRTY in calls.in_turn and T.PROPAGATE in calls.in_turn and T.BUS not in calls.in_turn
    prepared, told, lanes = calls.leave(RING)
    assert (prepared["prepared"], lanes, calls.followed) == (True, ["door", "door"], [])
    assert told() == [Deliver({"data": {"rings": 1, "prepared": True}})]


def test_a_message_inside_one_that_is_sent_is_prepared_in_turn() -> None:
    prepared, told, lanes = Calls(bell(prepare=ringing)).leave(HiveMessage("broadcast", RING))
    assert (prepared.payload["prepared"], told, lanes) == (True, None, ["door"])


def test_where_no_plugin_prepares_nothing_is_sent_in_turn() -> None:
    calls = Calls(bell())
    assert calls.in_turn == frozenset()
    assert calls.leave(RING) == (RING, None, [])


def test_who_sends_gets_what_is_raised_in_its_turn() -> None:
    with pytest.raises(PluginError, match="handler bell raised RuntimeError"):
        Calls(bell(prepare=explode)).leave(RING)
    with pytest.raises(RuntimeError, match="was not run"):
        Calls(bell(prepare=ringing)).leave(RING, run=False)
    with pytest.raises(InvalidMessage, match="is no HiveMessage"):
        Calls(bell(prepare=ringing)).leave(HiveMessage("broadcast", {"no": "message"}))


@pytest.mark.parametrize("error", [SystemExit(3), GeneratorExit(), BaseException("odd")], ids=repr)
def test_who_sends_is_told_where_a_plugin_raises_what_is_no_exception(error: BaseException) -> None:
    def fail(context: Context, message: HiveMessage) -> HiveMessage:
        raise error

    with pytest.raises(PluginError, match=f"handler bell raised {type(error).__name__}"):
        Calls(bell(prepare=fail)).leave(RING)
    with pytest.raises(PluginError, match=f"handler bell raised {type(error).__name__}"):
        Dispatcher(plugins_of(bell(prepare=fail)).registry(), new_context()).prepare(RING)


def test_what_ctrl_c_raises_is_for_who_waits_and_elsewhere_an_error_of_the_plugin() -> None:
    def interrupt(*_: object) -> HiveMessage:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Dispatcher(plugins_of(bell(prepare=interrupt)).registry(), new_context()).prepare(RING)
    with pytest.raises(PluginError, match="a handler raised KeyboardInterrupt: the message was not sent"):
        Calls(bell(prepare=interrupt)).leave(RING)


@pytest.mark.parametrize("made", [None, 5, {"rings": 1}])
def test_a_handler_that_prepares_no_message_is_named(made: Any) -> None:
    with pytest.raises(PluginError, match=f"handler bell prepared a {type(made).__name__}, not a HiveM"):
        Calls(bell(prepare=lambda context, message: made)).leave(RING)


def test_a_step_gives_its_result_more_than_once() -> None:
    later = Later(lambda: 5)
    assert (later.run()(), later.result(), later.result()) == ([], 5, 5)


def test_a_link_hands_turns_out_once_there_is_a_key() -> None:
    tables = plugins_of(bell(prepare=ringing, on_send=deliver)).registry()
    options = LinkOptions(WHERE, credentials=Credentials(crypto_key=KEY))
    link = Link(tables, new_context(), options, in_turn=True)
    link.opened()
    hub = Hub(link)
    assert link.sent_in_turn == frozenset()
    hub.preshared()
    assert T.THIRDPRTY in link.sent_in_turn
    arrived, turn = hub.feed(hub.seal(RING.serialize()))
    assert isinstance(arrived, Arrived) and isinstance(turn, RunInTurn)
    assert turn.work()() == [Deliver({"data": {"rings": 1}})]
    assert isinstance(next(link.leaving(RING)), RunInTurn)
