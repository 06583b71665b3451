"""What of a plugin is called in a lane, and what built-in handlers do beside it."""

from __future__ import annotations

from typing import Any

from hivemind_core_client.message import HiveMessage, HiveMessageType
from hivemind_core_client.plugins.contract import Context, MessageHandler
from hivemind_core_client.plugins.registry import Lanes
from tests.unit.support import new_context, plugin, plugins_of

T = HiveMessageType
BUS = HiveMessage("bus", {"type": "speak", "data": {}, "context": {}})


def lanes(*plugins: Any) -> Lanes:
    return plugins_of(*plugins).registry().lanes


def quiet(*arguments: Any) -> None:
    """Do nothing."""


def offering(name: str, *kinds: HiveMessageType, wraps: bool = False, **functions: Any) -> Any:
    handlers = [MessageHandler(kind, name, quiet, wraps=wraps, **functions) for kind in kinds]
    return plugin(name, hivemind_message_handlers=lambda: handlers)


def test_built_in_handlers_have_no_lane() -> None:
    assert not any(lanes().values())


def test_a_function_has_a_lane_only_where_a_plugin_takes_part_in_it() -> None:
    found = lanes(offering("log", T.BUS, wraps=True, on_send=quiet))
    assert found["receive"] == found["on_send"] == {T.BUS: "log"}
    assert not (found["prepare"] or found["on_timer"] or found["on_end"])


def test_plugins_that_meet_in_a_chain_share_one_lane_and_so_do_all_handlers_of_one() -> None:
    found = lanes(
        offering("a", T.BUS, T.THIRDPRTY, wraps=True),
        offering("b", T.THIRDPRTY),
        offering("c", T.SHARED_BUS, T.ESCALATE),
        offering("d", T.RENDEZVOUS),
    )["receive"]
    assert found == {
        T.BUS: "a, b",
        T.THIRDPRTY: "a, b",
        T.SHARED_BUS: "c",
        T.ESCALATE: "c",
        T.RENDEZVOUS: "d",
    }


class Alone:
    """Counts who holds it."""

    def __init__(self) -> None:
        self.holds = self.taken = 0

    def __enter__(self) -> None:
        self.holds += 1
        self.taken += 1

    def __exit__(self, *exception: object) -> None:
        self.holds -= 1


def test_a_wrapped_built_in_handler_runs_alone_and_its_wrapper_does_not() -> None:
    alone, held = Alone(), []

    def receive(context: Context, message: HiveMessage, next: Any) -> Any:
        held.append(alone.holds)
        return next(message)

    wrapper = MessageHandler(T.BUS, "log", receive, wraps=True)
    registry = plugins_of(plugin("log", hivemind_message_handlers=lambda: [wrapper])).registry()
    context = new_context(alone=alone)
    assert len(list(registry.handlers[T.BUS].receive(context, BUS) or ())) == 1
    assert (held, alone.taken) == ([0], 1)
    assert registry.handlers[T.BUS].prepare is not None
    registry.handlers[T.BUS].prepare(context.within(None), BUS)  # nobody wraps that, and it has no lane
    assert alone.taken == 2


def test_those_who_write_the_hive_map_run_alone_where_one_of_them_is_wrapped() -> None:
    registry = plugins_of(offering("log", T.PING, wraps=True)).registry()
    alone = Alone()
    on_send = registry.handlers[T.PROPAGATE].on_send
    assert on_send is not None
    on_send(new_context(alone=alone), HiveMessage("propagate", BUS))
    assert alone.taken == 1
