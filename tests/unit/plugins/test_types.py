"""hivemind_message_types: which types a selection has, and who is told where two mean different things."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest

from hivemind_core_client.plugins.contract import Actions, BinaryType, Context, MessageHandler, MessageType
from hivemind_core_client.plugins.manager import forget_plugins
from hivemind_core_client.wire.message import HiveMessage
from tests.unit.support import plugin, plugins_of


@pytest.fixture(autouse=True)
def what_a_name_means_is_forgotten() -> Iterator[None]:
    yield
    forget_plugins()


def bringing(name: str, *types: Any, **hooks: Any) -> Any:
    return plugin(name, hivemind_message_types=lambda: list(types), **hooks)


def test_a_type_is_in_the_tables_with_a_handler_that_takes_note() -> None:
    kind, graph = MessageType("plugins.tide"), BinaryType(7, "PLUGINS_GRAPH")
    loaded = plugins_of(bringing("tides", kind, graph))
    registry = loaded.registry()
    assert dict(registry.message_types) == {"plugins.tide": kind}
    assert dict(registry.binary_types) == {7: graph}
    assert not registry.handlers[kind].receive(None, HiveMessage(kind, {}))
    assert loaded.report[-1].provides == (
        "message type plugins.tide",
        "bin type PLUGINS_GRAPH",
    )


def test_a_handler_of_any_plugin_takes_the_place_of_that() -> None:
    def receive(context: Context, message: HiveMessage) -> Actions:
        return []

    kind = MessageType("plugins.tide")
    handling = plugin(
        "handling", hivemind_message_handlers=lambda: [MessageHandler("plugins.tide", "own", receive)]
    )
    registry = plugins_of(bringing("tides", kind), handling).registry()
    assert registry.handlers[kind].name == "own"


def test_a_wrapper_of_a_type_that_nobody_handles_runs() -> None:
    def receive(context: Context, message: HiveMessage, next: Any) -> Actions:
        return next(message)  # type: ignore[no-any-return]  # as wrappers do

    kind = MessageType("plugins.tide")
    wrapping = bringing(
        "tides",
        kind,
        hivemind_message_handlers=lambda: [MessageHandler(kind, "around", receive, wraps=True)],
    )
    loaded = plugins_of(wrapping)
    assert list(loaded.registry().handlers[kind].receive(None, HiveMessage(kind, {})) or ()) == []
    assert [each.item.name for each in loaded.chains()[kind]] == ["around", "plugins.tide"]


def test_two_that_mean_the_same_are_no_conflict() -> None:
    loaded = plugins_of(
        bringing("one", MessageType("plugins.tide")), bringing("two", MessageType("plugins.tide"))
    )
    assert loaded.registry().message_types == {"plugins.tide": "plugins.tide"}
    assert {info.state for info in loaded.report} == {"loaded"}


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (MessageType("plugins.tide"), MessageType("plugins.tide", "text")),
        (BinaryType(7, "PLUGINS_GRAPH"), BinaryType(7, "PLUGINS_POINTS")),
    ],
)
def test_of_two_that_differ_the_first_counts_and_both_are_told(
    caplog: pytest.LogCaptureFixture, first: Any, second: Any
) -> None:
    loaded = plugins_of(bringing("beaten", second), bringing("winner", first))  # the last one is called first
    registry = loaded.registry()
    assert [*registry.message_types.values(), *registry.binary_types.values()] == [first]
    states = {info.name: info for info in loaded.report}
    assert states["winner"].state == states["beaten"].state == "conflict"
    assert states["beaten"].error == f"its {second!r} is not used: that of winner is, {first!r}"
    assert states["winner"].error == f"its {first!r} is used, and that of beaten is not"
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert warnings == [f"plugin beaten: {states['beaten'].error}"]


def test_a_name_means_one_thing_in_a_process_until_plugins_are_forgotten() -> None:
    objects, texts = MessageType("plugins.tide"), MessageType("plugins.tide", "text")
    assert plugins_of(bringing("one", objects)).registry().message_types
    second = plugins_of(bringing("two", texts))
    assert second.registry().message_types == {}
    assert second.report[-1].state == "conflict"
    assert "that of another client in this process is" in second.report[-1].error
    forget_plugins()
    assert plugins_of(bringing("two", texts)).registry().message_types
    assert HiveMessage("plugins.tide", "now a text").payload == "now a text"


def test_the_name_of_a_bin_type_is_that_of_the_client() -> None:
    graph, points = BinaryType(7, "PLUGINS_GRAPH"), BinaryType(7, "PLUGINS_POINTS")
    for kind in (graph, points):
        loaded = plugins_of(bringing("one", kind))
        assert loaded.registry().binary_types[7].name == kind.name
        assert loaded.report[-1].state == "loaded"


def test_a_built_in_type_cannot_be_brought() -> None:
    loaded = plugins_of(plugin("thief", hivemind_message_types=lambda: [MessageType("bus")]))
    assert "bus" not in loaded.registry().message_types
    assert loaded.report[-1].state == "failed" and "built-in message type" in loaded.report[-1].error


def test_what_is_no_type_is_left_out() -> None:
    loaded = plugins_of(bringing("odd", "weather", MessageType("plugins.tide")))
    assert list(loaded.registry().message_types) == ["plugins.tide"]
    assert loaded.report[-1].error == (
        "hivemind_message_types returned a str, not a MessageType or a BinaryType"
    )
