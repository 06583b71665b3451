"""Dispatcher: handlers are found in a table, and what one does costs nobody else anything."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Callable, Optional

import attrs
import pytest

from hivemind_core_client.errors import InvalidMessage, PluginError
from hivemind_core_client.kernel.dispatch import MAX_DEPTH, Dispatcher
from hivemind_core_client.kernel.events import Denied, Rejected
from hivemind_core_client.message import HiveMessage, HiveMessageType, HiveMindBinaryPayloadType
from hivemind_core_client.plugins.contract import (
    BinaryHandler,
    CallBack,
    Context,
    Deliver,
    Dispatch,
    MessageHandler,
)
from hivemind_core_client.plugins.registry import Registry
from tests.unit.support import SESSION, SITE, explode, new_context, only, plugin, plugins_of, registry

T = HiveMessageType
BIN = HiveMindBinaryPayloadType
BUS = HiveMessage("bus", {"type": "speak", "data": {}, "context": {}})


def unwrap(context: Context, message: HiveMessage) -> list[Any]:
    return [Dispatch(message.payload)]


def deliver(context: Context, message: HiveMessage) -> list[Any]:
    return [Deliver(message.raw_payload)]


def explode_late(context: Context, message: HiveMessage) -> Iterator[Any]:
    yield Deliver({})
    raise RuntimeError("broken late")


def dispatcher(*handlers: MessageHandler, binary: Optional[list[BinaryHandler]] = None) -> Dispatcher:
    return Dispatcher(
        Registry(
            handlers={handler.msg_type: handler for handler in handlers},
            binary_handlers={handler.bin_type: handler for handler in binary or []},
        ),
        new_context(),
    )


def wrapped(times: int) -> HiveMessage:
    message = BUS
    for _ in range(times):
        message = HiveMessage("broadcast", message)
    return message


BUS_HANDLER = MessageHandler(T.BUS, "bus", deliver)
BROADCAST_HANDLER = MessageHandler(T.BROADCAST, "broadcast", unwrap)


@pytest.mark.parametrize("times", range(MAX_DEPTH + 1))
def test_messages_inside_messages_are_treated_as_arrived(times: int) -> None:
    found = dispatcher(BUS_HANDLER, BROADCAST_HANDLER).receive(wrapped(times))
    assert list(found) == [Deliver(BUS.raw_payload)]


def test_another_handler_than_its_own_may_handle_a_message() -> None:
    """What is inside still goes to those of the table."""
    found = dispatcher(BUS_HANDLER, MessageHandler(T.BROADCAST, "silent", lambda *_: ()))
    message = wrapped(1)
    assert list(found.receive(message)) == []
    assert list(found.handled_by(BROADCAST_HANDLER, new_context(), message)) == [Deliver(BUS.raw_payload)]


@pytest.mark.parametrize("times", [MAX_DEPTH + 1, MAX_DEPTH + 50])
def test_messages_wrapped_too_deep_are_dropped(times: int, caplog: pytest.LogCaptureFixture) -> None:
    assert list(dispatcher(BUS_HANDLER, BROADCAST_HANDLER).receive(wrapped(times))) == []
    assert f"nested deeper than {MAX_DEPTH}" in caplog.text


@pytest.mark.parametrize("receive", [explode, explode_late])
def test_messages_a_handler_that_raises_is_named_and_costs_its_message(
    receive: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    """Row: one raising handler killed the receive loop."""
    broken = dispatcher(MessageHandler(T.PING, "acme-ping", receive), BUS_HANDLER)
    ping = HiveMessage("ping", {})
    assert list(broken.receive(ping)) == []
    assert ping.dropped == "handler acme-ping failed"
    assert "handler acme-ping raised" in caplog.text and "broken" in caplog.text
    assert list(broken.receive(BUS)) == [Deliver(BUS.raw_payload)]


def test_an_inner_handler_that_raises_leaves_the_outer_actions() -> None:
    def both(context: Context, message: HiveMessage) -> list[Any]:
        return [Deliver({"first": 1}), Dispatch(message.payload), Deliver({"last": 1})]

    found = dispatcher(MessageHandler(T.BUS, "bus", explode), MessageHandler(T.BROADCAST, "b", both))
    assert list(found.receive(wrapped(1))) == [Deliver({"first": 1}), Deliver({"last": 1})]


@pytest.mark.parametrize("nothing", [None, [], (), iter(())])
def test_a_handler_may_return_nothing(nothing: Any) -> None:
    quiet = dispatcher(MessageHandler(T.PING, "quiet", lambda context, message: nothing))
    assert list(quiet.receive(HiveMessage("ping", {}))) == []


def test_a_type_without_a_handler_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    message = HiveMessage("3rdparty", {"a": "secret"})
    assert list(dispatcher().receive(message)) == []
    assert message.dropped == "no plugin handles it"
    assert "no plugin handles that type" in caplog.text and "secret" not in caplog.text


def test_an_inner_type_that_is_unknown_costs_its_message_only(caplog: pytest.LogCaptureFixture) -> None:
    odd = HiveMessage("broadcast", {"msg_type": "unheard-of", "payload": {}})
    rejected = only(Rejected, list(dispatcher(BROADCAST_HANDLER).receive(odd)))
    assert "unheard-of" in str(rejected.error) and odd.dropped == str(rejected.error)
    assert "Traceback" not in caplog.text and "raised" not in caplog.text


def test_bytes_go_to_the_handler_of_their_bin_type(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    handlers = [
        BinaryHandler(
            BIN.FILE, "file", lambda context, data, metadata: [CallBack("m", {"d": data, **metadata})]
        ),
        BinaryHandler(BIN.TTS_AUDIO, "acme-tts", explode),
    ]
    some = dispatcher(binary=handlers)
    message = HiveMessage("bin", b"x", bin_type=BIN.FILE, metadata={"lang": "en"})
    assert list(some.receive(message)) == [CallBack("m", {"d": b"x", "lang": "en"})]
    assert list(some.receive(HiveMessage("bin", b"x", bin_type=BIN.TTS_AUDIO))) == []
    assert list(some.receive(HiveMessage("bin", b"x", bin_type=BIN.RAW_AUDIO))) == []
    assert "acme-tts raised" in caplog.text and "no plugin handles RAW_AUDIO" in caplog.text


def test_prepare_is_the_handlers_or_nothing() -> None:
    replacement = HiveMessage("ping", {"a": 1})
    some = dispatcher(
        MessageHandler(T.PING, "ping", deliver, prepare=lambda context, message: replacement),
        BUS_HANDLER,
        MessageHandler(T.HELLO, "strict", deliver, prepare=refuse),
    )
    assert some.prepare(HiveMessage("ping", {})) is replacement
    assert some.prepare(BUS) is BUS
    third = HiveMessage("3rdparty", {})
    assert some.prepare(third) is third
    with pytest.raises(InvalidMessage):
        some.prepare(HiveMessage("hello", {}))


def test_ctrl_c_within_a_handler_is_no_fault_of_the_handler() -> None:
    def interrupted(context: Context, message: HiveMessage) -> None:
        raise KeyboardInterrupt

    some = dispatcher(MessageHandler(T.PING, "ping", interrupted))
    with pytest.raises(KeyboardInterrupt):
        list(some.receive(HiveMessage("ping", {})))


def test_a_handler_that_cannot_prepare_a_message_is_named_to_its_sender() -> None:
    some = dispatcher(MessageHandler(T.PING, "acme ping", deliver, prepare=lambda context, message: 1 / 0))  # type: ignore[arg-type,return-value]
    with pytest.raises(PluginError, match="acme ping raised ZeroDivisionError"):
        some.prepare(HiveMessage("ping", {}))


def refuse(context: Context, message: HiveMessage) -> HiveMessage:
    raise InvalidMessage("no")


def test_timers_go_to_their_handler_and_their_messages_are_expanded(caplog: pytest.LogCaptureFixture) -> None:
    some = dispatcher(
        BUS_HANDLER,
        MessageHandler(T.QUERY, "query", deliver, on_timer=lambda context, key: [Dispatch(BUS)]),
        MessageHandler(T.PING, "acme-ping", deliver, on_timer=explode),
    )
    assert list(some.due(T.QUERY, "q")) == [Deliver(BUS.raw_payload)]
    assert list(some.due(T.BUS, "q")) == list(some.due(T.HELLO, "q")) == list(some.due(T.PING, "q")) == []
    assert "acme-ping raised" in caplog.text


def test_a_verified_source_is_for_the_very_message_it_comes_with() -> None:
    seen: list[Optional[str]] = []

    def look(context: Context, message: HiveMessage) -> None:
        seen.append(context.verified_source)

    def signed(context: Context, message: HiveMessage) -> list[Any]:
        return [
            Dispatch(BUS, verified_source="PEM"),
            Dispatch(wrapped(1), verified_source="PEM"),
            Dispatch(BUS),
        ]

    some = dispatcher(
        MessageHandler(T.BUS, "bus", look), BROADCAST_HANDLER, MessageHandler(T.INTERCOM, "intercom", signed)
    )
    assert list(some.receive(HiveMessage("intercom", {}))) == []
    assert seen == ["PEM", None, None] and some.context.verified_source is None


def test_the_context_of_a_verified_message_is_the_same_satellites() -> None:
    def look(context: Context, message: HiveMessage) -> list[Any]:
        context.recall("bus")["seen"] = True
        context.session.state = {"lang": "de"}
        return [Deliver({"same map": context.hive_map is some.context.hive_map})]

    some = dispatcher(MessageHandler(T.BUS, "bus", look))
    assert list(some.receive(BUS, 0, "PEM")) == [Deliver({"same map": True})]
    assert some.context.recall("bus") == {"seen": True} and some.context.session.state == {"lang": "de"}


def test_what_leaves_and_what_ends_is_told_to_handlers(caplog: pytest.LogCaptureFixture) -> None:
    some = dispatcher(
        BUS_HANDLER,
        MessageHandler(T.QUERY, "query", deliver, on_send=unwrap, on_end=lambda context: [Dispatch(BUS)]),
        MessageHandler(T.PING, "acme-ping", deliver, on_send=explode, on_end=explode),
    )
    assert list(some.sending(HiveMessage("query", BUS))) == [Deliver(BUS.raw_payload)]
    assert list(some.sending(BUS)) == list(some.sending(HiveMessage("hello", {}))) == []
    assert list(some.sending(HiveMessage("ping", {}))) == []
    assert list(some.ended()) == [Deliver(BUS.raw_payload)]
    assert caplog.text.count("acme-ping raised") == 2


def test_messages_inside_messages_are_prepared_from_the_inside_out() -> None:
    def mark(name: str) -> Callable[[Context, HiveMessage], HiveMessage]:
        return lambda context, message: message.copy(
            metadata={"by": name, "saw": str(message.raw_payload)[:400]}
        )

    some = dispatcher(
        MessageHandler(T.BUS, "bus", deliver, prepare=mark("bus")),
        MessageHandler(T.BROADCAST, "b", deliver, prepare=mark("broadcast")),
    )
    original = wrapped(1)
    before = original.serialize()
    sent = some.prepare(original)
    assert sent.metadata["by"] == "broadcast" and "'by': 'bus'" in sent.metadata["saw"]
    assert sent.payload.metadata["by"] == "bus"
    assert original.serialize() == before


@pytest.mark.parametrize(
    ("times", "fits"), [(MAX_DEPTH, True), (MAX_DEPTH + 1, False), (MAX_DEPTH + 40, False)]
)
def test_what_would_be_dropped_at_the_other_end_is_not_sent(times: int, fits: bool) -> None:
    some = dispatcher(BUS_HANDLER)
    if fits:
        assert some.prepare(wrapped(times)) == wrapped(times)
        return
    with pytest.raises(InvalidMessage, match="nested deeper"):
        some.prepare(wrapped(times))


@pytest.mark.parametrize(
    "payload", [{"msg_type": "nonsense"}, {"msg_type": "bus"}, {"msg_type": "bus", "payload": {}}]
)
def test_a_wrapper_of_what_is_no_message_is_not_sent(payload: dict[str, Any]) -> None:
    with pytest.raises(InvalidMessage, match="payload of BROADCAST"):
        dispatcher().prepare(HiveMessage("broadcast", payload))


def test_the_error_of_an_inner_handler_reaches_the_sender() -> None:
    some = dispatcher(MessageHandler(T.BUS, "strict", deliver, prepare=refuse))
    with pytest.raises(InvalidMessage, match="no"):
        some.prepare(wrapped(2))


@pytest.mark.parametrize("outer", ["broadcast", "propagate"])
def test_no_message_inside_another_tells_the_state_of_our_session(outer: str) -> None:
    context = new_context()
    inner = HiveMessage("bus", {"type": "a", "context": {"session": {"session_id": SESSION, "lang": "xx"}}})
    dispatcher = Dispatcher(registry(), context)
    (delivered,) = dispatcher.receive(HiveMessage(outer, inner, target_site_id=SITE))
    assert delivered.message["type"] == "a" and context.session.state == {}
    list(dispatcher.receive(inner))
    assert context.session.state["lang"] == "xx"


def test_the_context_within_a_message_differs_in_what_is_known_of_its_sender_only() -> None:
    outer = new_context(useragent="sat", query_timeout=3.0, now=lambda: 5.0)
    inner = outer.within("PEM")
    different = {"verified_source": "PEM", "wrapped": True}
    for attribute in attrs.fields(Context):
        expected = different.get(attribute.name, getattr(outer, attribute.name))
        assert getattr(inner, attribute.name) is expected


def test_wrapped_handlers_run_and_what_is_inside_a_message_is_wrapped_too(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def around(context: Context, message: HiveMessage, next: Any) -> list[Any]:
        return [*next(message), Deliver({"wrapped": context.wrapped})]

    def hook() -> list[MessageHandler]:
        return [
            MessageHandler(T.BUS, "broken", explode, wraps=True),
            MessageHandler(T.BUS, "around", around, wraps=True),
        ]

    tables = plugins_of(plugin("acme", hivemind_message_handlers=hook)).registry()
    outer = HiveMessage("broadcast", BUS, target_site_id=SITE)
    delivered, told = Dispatcher(tables, new_context()).receive(outer)
    assert delivered.message["type"] == "speak" and told == Deliver({"wrapped": True})
    assert "wrapper broken of plugin acme raised" in caplog.text


DENIAL = HiveMessage("bus", {"type": "hive.policy.denied", "data": {"denied_type": "speak", "reason": "no"}})


@pytest.mark.parametrize("handlers", [[MessageHandler(T.BUS, "bus", deliver)], []])
def test_a_denial_of_the_hub_is_told_before_its_handler_acts(handlers: list[MessageHandler]) -> None:
    first, *others = dispatcher(*handlers).receive(DENIAL)
    assert isinstance(first, Denied)
    assert (first.error.msg_type, first.error.reason) == ("speak", "no")
    assert others == [Deliver(DENIAL.raw_payload)] * len(handlers)


def test_a_denial_inside_another_message_may_be_the_word_of_any_node() -> None:
    within = dispatcher(
        MessageHandler(T.BROADCAST, "broadcast", unwrap), MessageHandler(T.BUS, "bus", deliver)
    )
    assert within.receive(HiveMessage("broadcast", DENIAL)) == [Deliver(DENIAL.raw_payload)]
