"""Calls of plugins that fail or are slow are counted by name, and warned of."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from hivemind_core_client.errors import InvalidMessage, PluginError
from hivemind_core_client.kernel.dispatch import Dispatcher
from hivemind_core_client.message import HiveMessage, HiveMessageType, HiveMindBinaryPayloadType
from hivemind_core_client.plugins.accounts import SLOW_S, Account, Accounts
from hivemind_core_client.plugins.contract import BinaryHandler, Context, MessageHandler
from hivemind_core_client.plugins.hookspecs import hookimpl
from hivemind_core_client.plugins.manager import PluginInfo, Plugins
from tests.unit.support import explode, new_context, plugin, plugins_of

T = HiveMessageType
FILE = HiveMindBinaryPayloadType.FILE
RING = HiveMessage("3rdparty", {"rings": 1})


class Clock:
    """Shows what it is set to."""

    now = 100.0

    def __call__(self) -> float:
        return self.now

    def tick(self, seconds: float) -> None:
        self.now += seconds


def timed(clock: Clock, *extra: Any) -> Plugins:
    plugins = plugins_of(*extra)
    plugins.pm.accounts = Accounts(clock)
    return plugins


def handlers(name: str, *items: Any) -> Any:
    return plugin(name, hivemind_message_handlers=lambda: list(items))


def info_of(plugins: Plugins, name: str) -> PluginInfo:
    return next(info for info in plugins.report if info.name == name)


def counts(plugins: Plugins, name: str) -> tuple[int, int, float]:
    info = info_of(plugins, name)
    return info.failures, info.slow, round(info.slowest_s, 3)


def test_a_slow_call_is_counted_and_warned_of_with_the_name_of_its_plugin(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock = Clock()
    handler = MessageHandler(T.THIRDPRTY, "bell", lambda context, message: clock.tick(message["seconds"]))
    plugins = timed(clock, handlers("door", handler))
    dispatcher = Dispatcher(plugins.registry(), new_context())
    for seconds in (SLOW_S / 2, 0.25, 0.75):
        dispatcher.receive(HiveMessage("3rdparty", {"seconds": seconds}))
    assert counts(plugins, "door") == (0, 2, 0.75)
    assert "plugin door took 0.25 s in receive of 3rdparty" in caplog.text
    for _ in range(20):
        dispatcher.receive(HiveMessage("3rdparty", {"seconds": 0.2}))
    assert caplog.text.count("plugin door took") == 5  # the rest is counted
    assert counts(plugins, "door")[1] == 22


def test_a_call_that_runs_counts_before_it_is_over() -> None:
    clock, seen = Clock(), []

    def receive(context: Context, message: HiveMessage) -> None:
        seen.append(counts(plugins, "door"))
        clock.tick(30)
        seen.append(counts(plugins, "door"))

    plugins = timed(clock, handlers("door", MessageHandler(T.THIRDPRTY, "bell", receive)))
    Dispatcher(plugins.registry(), new_context()).receive(RING)
    assert seen == [(0, 0, 0.0), (0, 1, 30.0)]


def test_a_wrapper_is_not_charged_for_what_it_wraps() -> None:
    clock = Clock()

    def around(context: Context, message: HiveMessage, next: Any) -> Any:
        clock.tick(0.01)
        return next(message)

    bell = MessageHandler(T.THIRDPRTY, "bell", lambda context, message: clock.tick(0.5))
    wrapper = MessageHandler(T.THIRDPRTY, "log", around, wraps=True)
    plugins = timed(clock, handlers("door", bell), handlers("journal", wrapper))
    Dispatcher(plugins.registry(), new_context()).receive(RING)
    assert counts(plugins, "door") == (0, 1, 0.5)
    assert counts(plugins, "journal") == (0, 0, 0.0)


def failing(name: str, **kind: bool) -> Any:
    functions = {"prepare": explode, "on_send": explode, "on_timer": explode, "on_end": explode}
    return handlers(name, MessageHandler(T.THIRDPRTY, name, explode, **functions, **kind))


@pytest.mark.parametrize("name", ["door", "journal"])
def test_failures_are_counted_for_every_function_of_a_handler(name: str) -> None:
    wraps = name == "journal"
    plugins = plugins_of(failing(name, wraps=wraps))
    dispatcher = Dispatcher(plugins.registry(), new_context())
    dispatcher.receive(RING)
    dispatcher.sending(RING)
    dispatcher.due(T.THIRDPRTY, "key")
    list(dispatcher.ended())
    with pytest.raises(PluginError):
        dispatcher.prepare(RING)
    info = info_of(plugins, name)
    assert (info.failures, info.last_error) == (5, "prepare of 3rdparty raised RuntimeError: broken")
    assert info.state == "loaded"


def generates(context: Context, data: bytes, metadata: dict[str, Any]) -> Iterator[Any]:
    yield from ()
    raise RuntimeError("late")


def test_a_generator_that_fails_late_counts_and_so_does_a_binary_handler() -> None:
    made = plugin("files", hivemind_binary_handlers=lambda: [BinaryHandler(FILE, "files", generates)])
    plugins = plugins_of(made)
    message = HiveMessage("bin", b"x", bin_type=FILE)
    assert Dispatcher(plugins.registry(), new_context()).receive(message) == []
    assert info_of(plugins, "files").last_error == "receive of FILE raised RuntimeError: late"


def test_an_error_of_the_library_is_none_of_the_plugin() -> None:
    def refuse(context: Context, message: HiveMessage) -> HiveMessage:
        raise InvalidMessage("there is no bell")

    handler = MessageHandler(T.THIRDPRTY, "bell", lambda context, message: None, refuse)
    plugins = plugins_of(handlers("door", handler))
    with pytest.raises(InvalidMessage):
        Dispatcher(plugins.registry(), new_context()).prepare(RING)
    assert info_of(plugins, "door").failures == 0


def test_observers_count_too(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()

    class Observer:
        __name__ = "watch"

        @hookimpl
        def hivemind_connected(self) -> None:
            clock.tick(0.3)
            raise SystemExit("on purpose")

    plugins = timed(clock, Observer())
    plugins.observe("hivemind_connected", client=None)
    info = info_of(plugins, "watch")
    assert (info.failures, info.slow) == (1, 1)
    assert info.last_error == "hivemind_connected raised SystemExit: on purpose"
    assert [each.levelno for each in caplog.records] == [logging.WARNING, logging.ERROR]


def test_the_one_who_runs_is_the_innermost() -> None:
    accounts, seen = Accounts(), []

    def inner() -> None:
        seen.append(accounts.who_runs(threading.get_ident()))

    accounts.call("journal", "receive", lambda: accounts.call("door", "receive", inner))
    assert seen == ["door"] and accounts.who_runs(None) == ""
    assert accounts.of("door") == Account()


async def later(*arguments: Any) -> None:
    """What a handler cannot be: nobody would await it."""


@pytest.mark.parametrize("name", ["receive", "prepare", "on_send", "on_timer", "on_end", "binary"])
def test_a_handler_that_would_have_to_be_awaited_is_left_out_with_the_reason(name: str) -> None:
    functions: dict[str, Any] = {"receive": explode, name: later}
    offered: list[Any] = [BinaryHandler(FILE, "files", later)]  # type: ignore[arg-type]  # that is what is tried
    hook = "hivemind_binary_handlers"
    if name != "binary":
        offered, hook = [MessageHandler(T.THIRDPRTY, "bell", **functions)], "hivemind_message_handlers"
    plugins = plugins_of(plugin("door", **{hook: lambda: offered}))
    info = info_of(plugins, "door")
    function = "receive of FILE" if name == "binary" else f"{name} of 3rdparty"
    assert (info.state, info.provides) == ("failed", ())
    assert info.error == f"{function} is async; nobody awaits it: make it a plain function"
    assert plugins.chains()[T.THIRDPRTY][0].plugin == "thirdparty"


def test_what_cannot_be_called_is_left_out_too() -> None:
    handler = MessageHandler(T.THIRDPRTY, "bell", "ring")  # type: ignore[arg-type]  # that is what is tried
    plugins = plugins_of(handlers("door", handler))
    assert info_of(plugins, "door").error == "receive of 3rdparty is no function but a str"


def test_a_child_goes_on_with_the_call_in_which_it_was_forked() -> None:
    clock = Clock()
    accounts = Accounts(clock)

    def fork() -> None:
        accounts.renew()
        clock.tick(SLOW_S + 1)

    accounts.call("door", "receive", fork)
    assert accounts.of("door").slow == 1
