"""Wrappers stand around the handler of their type; who wins over whom is said."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any, Callable

import pytest

from hivemind_core_client.builtins import bus
from hivemind_core_client.errors import FrameError, InvalidMessage, PluginError
from hivemind_core_client.message import HiveMessage, HiveMessageType, HiveMindBinaryPayloadType
from hivemind_core_client.plugins.contract import BinaryHandler, CallBack, Context, Deliver, MessageHandler
from hivemind_core_client.plugins.functions import functions
from hivemind_core_client.plugins.hookspecs import hookimpl
from hivemind_core_client.plugins.manager import Plugins, forget_plugins
from tests.unit.support import explode, new_context, plugin, plugins_of

T = HiveMessageType
FILE = HiveMindBinaryPayloadType.FILE
RING = HiveMessage("3rdparty", {"rings": 1})
Hook = Callable[[], list[Any]]


def offering(name: str, *handlers: Any, **marks: bool) -> Any:
    """A plugin that brings these handlers, its hook marked so."""
    hook = (
        "hivemind_binary_handlers" if isinstance(handlers[0], BinaryHandler) else "hivemind_message_handlers"
    )
    made = plugin(name)
    setattr(made, hook, hookimpl(**marks)(lambda: list(handlers)))
    return made


def plain(name: str, **functions: Any) -> Any:
    found = {"receive": lambda context, message: [Deliver({"by": name, **message.raw_payload})], **functions}
    return offering(name, MessageHandler(T.THIRDPRTY, f"{name} handler", **found))


def wrapper(name: str, receive: Any = None, marks: dict[str, bool] | None = None, **functions: Any) -> Any:
    handler = MessageHandler(T.THIRDPRTY, f"{name} handler", receive or pass_on, wraps=True, **functions)
    return offering(name, handler, **(marks or {}))


def pass_on(context: Context, message: HiveMessage, next: Any) -> Any:
    return next(message)


def marking(name: str) -> Callable[..., Any]:
    """Leaves its name in the message on its way in, and in the actions on their way out."""

    def receive(context: Context, message: HiveMessage, next: Any) -> list[Any]:
        seen = message.raw_payload.get("in", ())
        return [
            *next(message.copy(payload={**message.raw_payload, "in": [*seen, name]})),
            Deliver({"out": name}),
        ]

    return receive


def received(plugins: Plugins, message: HiveMessage = RING) -> list[Any]:
    return list(plugins.registry().handlers[message.msg_type].receive(new_context(), message) or ())


def state_of(plugins: Plugins, name: str) -> tuple[str, str]:
    return next((info.state, info.error) for info in plugins.report if info.name == name)


def test_all_wrappers_run_and_a_plain_handler_replaces() -> None:
    plugins = plugins_of(plain("bell"), wrapper("a", marking("a")), wrapper("b", marking("b")))
    deliver, *out = received(plugins)
    assert deliver == Deliver({"by": "bell", "rings": 1, "in": ["a", "b"]})
    assert out == [Deliver({"out": "b"}), Deliver({"out": "a"})]
    assert [state_of(plugins, name)[0] for name in ("a", "b", "bell")] == ["loaded"] * 3
    (info,) = [info for info in plugins.report if info.name == "a"]
    assert info.provides == ("wrapper 3rdparty",)


FIRST, LAST = {"tryfirst": True}, {"trylast": True}
ORDERS: list[tuple[dict[str, dict[str, bool]], str]] = [
    ({"c": {}, "a": {}, "b": {}}, "abc"),
    ({"a": {}, "b": {}, "c": {}}, "abc"),
    ({"a": LAST, "b": {}, "c": FIRST}, "cba"),
    ({"a": LAST, "b": LAST, "c": FIRST, "d": FIRST}, "cdab"),
    ({"d": FIRST, "c": FIRST, "b": LAST, "a": LAST}, "cdab"),
]


@pytest.mark.parametrize(("registered", "order"), ORDERS)
def test_the_order_is_that_of_the_marks_and_then_of_the_names(
    registered: dict[str, dict[str, bool]], order: str
) -> None:
    plugins = plugins_of(*(wrapper(name, marking(name), marks) for name, marks in registered.items()))
    assert [each.plugin for each in plugins.chains()[T.THIRDPRTY]] == [*order, "thirdparty"]
    assert [action.message["out"] for action in received(plugins) if "out" in action.message] == [
        *order[::-1]
    ]


def test_wrappers_of_one_plugin_stand_in_the_order_of_its_list() -> None:
    both = [MessageHandler(T.THIRDPRTY, name, marking(name), wraps=True) for name in ("x", "b")]
    plugins = plugins_of(plain("bell"), offering("acme", *both))
    assert received(plugins)[0].message["in"] == ["x", "b"]


def test_where_nobody_wraps_the_handler_itself_runs() -> None:
    builtins = plugins_of().registry()
    assert builtins.handlers[T.BUS].receive is bus.receive and builtins.handlers[T.BUS] is builtins.plain(
        T.BUS
    )
    handler = MessageHandler(T.THIRDPRTY, "bell", lambda context, message: None)
    plugins = plugins_of(offering("bell", handler))
    assert plugins.registry().handlers[T.THIRDPRTY] is plugins.registry().plain(T.THIRDPRTY)
    wrapping = plugins_of(offering("bell", handler), wrapper("a", on_send=explode))
    resolved = wrapping.registry().handlers[T.THIRDPRTY]
    assert resolved is not handler is wrapping.registry().plain(T.THIRDPRTY)
    assert (resolved.name, resolved.prepare, resolved.on_end) == ("bell", None, None)
    assert wrapping.registry().plain(T.INTERCOM) is None


def late(context: Context, message: HiveMessage, next: Any) -> Iterator[Any]:
    yield from next(message)
    yield Deliver({"lost": True})
    raise RuntimeError("too late")


def spoiling(context: Context, message: HiveMessage, next: Any) -> Any:
    next(message).clear()
    raise SystemExit("done")


def twice(context: Context, message: HiveMessage, next: Any) -> Any:
    return [*next(message), *next(message)]


FAULTS: list[Callable[..., Any]] = [
    explode,
    late,
    spoiling,
    twice,
    lambda context, message, next: next(),
    lambda context, message, next: next("text"),
    lambda context, message, next: next(HiveMessage("ping", {})),
    lambda context, message, next: 5,
    lambda context, message: [],
]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_wrapper_that_fails_is_named_and_the_message_goes_on_once(
    fault: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    runs: list[HiveMessage] = []

    def receive(context: Context, message: HiveMessage) -> list[Any]:
        runs.append(message)
        return [Deliver({"rings": 1})]

    plugins = plugins_of(plain("bell", receive=receive), wrapper("a", marking("a")), wrapper("bad", fault))
    assert received(plugins) == [Deliver({"rings": 1}), Deliver({"out": "a"})]
    assert len(runs) == 1
    assert "wrapper bad handler of plugin bad raised; its message went on without it" in caplog.text
    assert "handler bell handler raised" not in caplog.text


def test_a_wrapper_that_does_not_call_next_drops_the_message() -> None:
    runs: list[Any] = []
    plugins = plugins_of(
        plain("bell", receive=lambda *given: runs.append(given)), wrapper("a", lambda *given: None)
    )
    assert received(plugins) == runs == []


FORGETTING: list[Callable[..., Any]] = [
    lambda context, message, next: None if next(message) else [],
    lambda context, message, next: next(message).append(5),
]


@pytest.mark.parametrize("forgets", FORGETTING)
def test_a_wrapper_that_forgets_to_return_is_warned_of_once(
    forgets: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    forget_plugins()
    plugins = plugins_of(plain("bell"), wrapper("a", forgets, on_send=pass_on))
    for _ in range(3):
        assert received(plugins) == []
    (warned,) = [record.getMessage() for record in caplog.records if "`return`" in record.getMessage()]
    assert warned == (
        "plugin a: its wrapper a handler returned None where next had returned actions, in receive of 3rdparty,"
        " so they are lost: is a `return` missing? To drop them, return []"
    )


def drop(context: Context, message: HiveMessage, next: Any) -> Any:
    next(message)
    return []


@pytest.mark.parametrize("around", [drop, lambda context, message, next: None])
def test_a_wrapper_that_drops_as_it_should_is_not_warned_of(
    around: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    forget_plugins()
    assert received(plugins_of(plain("bell"), wrapper("a", around))) == []
    quiet = plain("bell", receive=lambda context, message: None)
    assert received(plugins_of(quiet, wrapper("a", lambda *given: given[-1](given[1]) or None))) == []
    assert "`return`" not in caplog.text  # a machine that is busy has other warnings


def test_next_cannot_be_called_after_its_wrapper_is_done() -> None:
    kept: list[Any] = []
    plugins = plugins_of(plain("bell"), wrapper("a", lambda context, message, next: kept.append(next)))
    assert received(plugins) == []
    with pytest.raises(RuntimeError, match="once"):
        kept[0](RING)


def test_the_plain_handler_that_raises_is_named_and_no_wrapper_is(caplog: pytest.LogCaptureFixture) -> None:
    plugins = plugins_of(plain("bell", receive=explode), wrapper("a", marking("a")))
    assert received(plugins) == [Deliver({"out": "a"})]
    assert "handler bell handler raised; its message was dropped" in caplog.text
    assert "wrapper" not in caplog.text


def refuse(context: Context, message: HiveMessage, *rest: Any) -> Any:
    raise FrameError("makes no sense")


def change_the_error(context: Context, message: HiveMessage, next: Any) -> Any:
    try:
        return next(message)
    except FrameError as error:
        raise ValueError("mine") from error


@pytest.mark.parametrize("around", [pass_on, refuse, change_the_error])
def test_a_message_that_makes_no_sense_is_rejected_through_the_wrappers(around: Callable[..., Any]) -> None:
    plugins = plugins_of(plain("bell", receive=refuse), wrapper("a", around))
    with pytest.raises(FrameError, match="makes no sense"):
        received(plugins)


def test_ctrl_c_is_no_fault_of_a_wrapper() -> None:
    def interrupted(*given: Any) -> None:
        raise KeyboardInterrupt

    for plugins in (
        plugins_of(plain("bell"), wrapper("a", interrupted)),
        plugins_of(plain("bell", receive=interrupted), wrapper("a")),
    ):
        with pytest.raises(KeyboardInterrupt):
            received(plugins)


# what leaves


def prepared(plugins: Plugins) -> HiveMessage:
    function = plugins.registry().handlers[T.THIRDPRTY].prepare
    assert function is not None
    return function(new_context(), RING)


def signed(name: str) -> Callable[..., HiveMessage]:
    def prepare(context: Context, message: HiveMessage, *rest: Any) -> HiveMessage:
        done = message.copy(metadata={"by": [*message.metadata.get("by", ()), name]})
        return rest[0](done) if rest else done  # type: ignore[no-any-return]  # what next returns

    return prepare


def test_what_leaves_is_prepared_by_all() -> None:
    around = [wrapper("b", prepare=signed("b")), wrapper("a", prepare=signed("a"))]
    assert prepared(plugins_of(*around, plain("bell", prepare=signed("bell")))).metadata["by"] == [
        "a",
        "b",
        "bell",
    ]
    assert prepared(plugins_of(*around, plain("bell"))).metadata["by"] == ["a", "b"]


def refuse_to_send(context: Context, message: HiveMessage, *rest: Any) -> HiveMessage:
    raise InvalidMessage("not this one")


UNSENT: list[tuple[Any, Any, type[Exception], str]] = [
    (explode, signed("bell"), PluginError, "wrapper a handler of plugin a raised RuntimeError"),
    (refuse_to_send, signed("bell"), InvalidMessage, "not this one"),
    (lambda *given: RING, signed("bell"), PluginError, "a handler of plugin a did not call next"),
    (lambda c, m, next: [next(m)], signed("bell"), PluginError, "plugin a raised TypeError"),
    (lambda c, m, next: next(next(m)), signed("bell"), PluginError, "plugin a raised RuntimeError"),
    (signed("a"), explode, PluginError, "handler bell handler raised RuntimeError"),
    (signed("a"), refuse_to_send, InvalidMessage, "not this one"),
]


@pytest.mark.parametrize(("around", "inner", "error", "text"), UNSENT)
def test_what_cannot_be_prepared_is_not_sent(
    around: Any, inner: Any, error: type[Exception], text: str
) -> None:
    plugins = plugins_of(plain("bell", prepare=inner), wrapper("a", prepare=around))
    with pytest.raises(error, match=text):
        prepared(plugins)


def test_wrappers_do_not_count_as_what_seals() -> None:
    """A message to one key alone must not leave unsealed because somebody only wraps INTERCOM."""
    handlers = [MessageHandler(T.INTERCOM, "log", pass_on, prepare=pass_on, wraps=True)]
    assert T.INTERCOM not in plugins_of(offering("a", *handlers)).registry().handlers
    deaf = MessageHandler(T.INTERCOM, "deaf", lambda context, message: None)
    found = plugins_of(offering("a", *handlers), offering("b", deaf)).registry().plain(T.INTERCOM)
    assert found is deaf and found.prepare is None


def test_the_other_functions_are_wrapped_too() -> None:
    def tell(name: str) -> Callable[..., Any]:
        return lambda context, *rest: [Deliver({"by": name, "got": [*map(str, rest)]})]

    def around(context: Context, *rest: Any) -> Any:
        return [*rest[-1](*rest[:-1]), Deliver({"by": "a"})]

    mine = plain("bell", on_send=tell("sent"), on_timer=tell("timer"), on_end=tell("end"))
    plugins = plugins_of(mine, wrapper("a", on_send=around, on_timer=around, on_end=around))
    handler, context = plugins.registry().handlers[T.THIRDPRTY], new_context()
    assert functions(handler) == ("receive", "on_send", "on_timer", "on_end")
    assert handler.on_send and handler.on_timer and handler.on_end
    assert handler.on_send(context, RING) == [
        Deliver({"by": "sent", "got": [str(RING)]}),
        Deliver({"by": "a"}),
    ]
    assert handler.on_timer(context, "key") == [
        Deliver({"by": "timer", "got": ["key"]}),
        Deliver({"by": "a"}),
    ]
    assert handler.on_end(context) == [Deliver({"by": "end", "got": []}), Deliver({"by": "a"})]


def test_a_wrapper_may_have_what_the_plain_handler_has_not(caplog: pytest.LogCaptureFixture) -> None:
    plugins = plugins_of(
        plain("bell"),
        wrapper(
            "a", on_send=pass_on, on_timer=lambda context, key, next: next(5), on_end=lambda c, next: next()
        ),
    )
    handler, context = plugins.registry().handlers[T.THIRDPRTY], new_context()
    assert handler.on_send and handler.on_timer and handler.on_end
    assert handler.on_send(context, RING) == handler.on_end(context) == []
    assert caplog.text == ""
    assert handler.on_timer(context, "key") == []
    assert "next takes the key of the timer" in caplog.text


# bytes


def binary(name: str, receive: Any, wraps: bool = False) -> Any:
    return offering(name, BinaryHandler(FILE, name, receive, wraps=wraps))


@pytest.mark.parametrize(
    ("around", "expected"),
    [
        (lambda context, data, metadata, next: next(data.upper(), {"n": 1}), {"data": b"X", "n": 1}),
        (lambda context, data, metadata, next: next(data), {"data": b"x"}),
        (lambda context, data, metadata, next: next("text", metadata), {"data": b"x"}),
        (lambda context, data, metadata, next: next(data, None), {"data": b"x"}),
        (explode, {"data": b"x"}),
    ],
)
def test_handlers_of_bytes_are_wrapped(around: Any, expected: dict[str, Any]) -> None:
    keep = binary("keep", lambda context, data, metadata: [CallBack("m", {"data": data, **metadata})])
    plugins = plugins_of(keep, binary("a", around, wraps=True))
    assert plugins.registry().binary_handlers[FILE].receive(new_context(), b"x", {}) == [
        CallBack("m", expected)
    ]
    assert [each.plugin for each in plugins.chains()[FILE]] == ["a", "keep"]
    assert next(info.provides for info in plugins.report if info.name == "a") == ("binary wrapper FILE",)


# who is not heard


def test_one_third_party_that_beats_another_is_warned_of_once(caplog: pytest.LogCaptureFixture) -> None:
    plugins = plugins_of(plain("bell_b"), plain("bell_a"))
    for _ in range(3):
        plugins.registry()
    warned = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert warned == ["plugin bell_a: its handler of 3rdparty is used, and that of bell_b is not"]
    assert state_of(plugins, "bell_a") == (
        "conflict",
        "its handler of 3rdparty is used, and that of bell_b is not",
    )
    assert state_of(plugins, "bell_b") == (
        "conflict",
        "its handler of 3rdparty is not used: that of bell_a is",
    )


def test_a_third_party_that_beats_a_built_in_one_is_no_conflict(caplog: pytest.LogCaptureFixture) -> None:
    plugins = plugins_of(plain("bell"))
    assert {info.state for info in plugins.report} == {"loaded"} and caplog.text == ""


def test_a_plugin_that_failed_stays_failed() -> None:
    broken = plain("bell_a")
    broken.hivemind_ciphers = hookimpl(explode)
    plugins = plugins_of(plain("bell_b"), broken)
    assert (
        state_of(plugins, "bell_a")[0] == "failed"
        and "that of bell_b is not" in state_of(plugins, "bell_a")[1]
    )


def test_a_wrapper_of_what_nobody_handles_never_runs_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    lonely = MessageHandler(T.INTERCOM, "log", explode, wraps=True)
    plugins = plugins_of(offering("a", lonely))
    assert T.INTERCOM not in plugins.chains() and T.INTERCOM not in plugins.registry().handlers
    assert state_of(plugins, "a") == ("loaded", "its wrapper log never runs: no plugin handles intercom")
    assert "plugin a: its wrapper log never runs" in caplog.text


@pytest.mark.parametrize("made", [MessageHandler, BinaryHandler])
def test_wraps_is_true_or_false(made: Any) -> None:
    with pytest.raises(TypeError):
        made(T.BUS if made is MessageHandler else FILE, "x", explode, wraps="false")


@pytest.mark.parametrize("raising", [RuntimeError("broken"), SystemExit(3)])
def test_what_a_wrapper_changed_in_place_before_it_raised_is_not_left(raising: BaseException) -> None:
    def receive(context: Context, message: HiveMessage, next: Any) -> Any:
        message["rings"] = 99
        message.raw_payload["deep"]["list"].append("changed")
        message.metadata["seen"] = True
        raise raising

    ring = HiveMessage("3rdparty", {"rings": 1, "deep": {"list": ["as it came"]}}, metadata={"a": 1})
    plugins = plugins_of(plain("bell"), wrapper("odd", receive))
    assert received(plugins, ring) == [Deliver({"by": "bell", "rings": 1, "deep": {"list": ["as it came"]}})]


def test_binary_metadata_that_a_wrapper_changed_before_it_raised_is_not_left() -> None:
    def receive(context: Context, data: bytes, metadata: dict[str, Any], next: Any) -> Any:
        metadata["name"] = "changed"
        raise RuntimeError

    inner = BinaryHandler(
        FILE, "inner", lambda context, data, metadata: [CallBack("x", {**metadata, "data": data})]
    )
    plugins = plugins_of(
        offering("inner", inner), offering("odd", BinaryHandler(FILE, "odd", receive, wraps=True))
    )
    data = memoryview(b"data")
    (call,) = (
        plugins.registry().binary_handlers[FILE].receive(new_context(), data, {"name": "as it came"}) or ()
    )
    assert call == CallBack("x", {"name": "as it came", "data": data})


def test_a_handler_that_two_plugins_share_is_that_of_the_first() -> None:
    shared = MessageHandler(T.THIRDPRTY, "shared", lambda context, message: [])
    plugins = plugins_of(offering("zeta", shared), offering("alpha", shared), wrapper("around"))
    (conflict,) = [each for each in plugins.conflicts() if each.name == "3rdparty"]
    (_, owner) = plugins.chains()[T.THIRDPRTY]
    assert owner.plugin == conflict.winner == "alpha" and conflict.losers[0] == "zeta"
    shared_by_first = plugins_of(offering("alpha", shared), offering("zeta", shared))
    (owner,) = shared_by_first.chains()[T.THIRDPRTY]
    assert owner.plugin == "zeta"


def test_a_second_handler_of_one_type_in_one_plugin_is_not_lost_in_silence(
    caplog: pytest.LogCaptureFixture,
) -> None:
    first = MessageHandler(T.THIRDPRTY, "first", lambda context, message: [Deliver({"by": "first"})])
    second = MessageHandler(T.THIRDPRTY, "second", lambda context, message: [Deliver({"by": "second"})])
    plugins = plugins_of(offering("bell", first, second))
    assert received(plugins) == [Deliver({"by": "first"})]
    state, error = state_of(plugins, "bell")
    assert state == "conflict" and error == "it brings more than one handler of 3rdparty: the first is used"
    assert [record.levelname for record in caplog.records if "more than one handler" in record.message] == [
        "WARNING"
    ]
