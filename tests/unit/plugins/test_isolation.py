"""Hooks are called as pluggy calls them, and a plugin that misbehaves in one stops nobody."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, Callable

import pytest

from hivemind_core_client import FakeHiveMessageBus, HiveMessage
from hivemind_core_client.plugins.hookspecs import hookimpl, hookspec
from hivemind_core_client.plugins.isolation import TRACE_VARIABLE, HookRefused, IsolatingManager
from hivemind_core_client.plugins.manager import Plugins, load_plugins
from tests.unit.support import explode, plugin

CONNECTED = "hivemind_connected"


def wrapper(function: Callable[..., Any], **options: Any) -> Any:
    """A plugin that wraps `hivemind_connected`."""
    return SimpleNamespace(hivemind_connected=hookimpl(**(options or {"wrapper": True}))(function))


def noting(seen: list[Any], name: str, **options: Any) -> Any:
    return SimpleNamespace(hivemind_connected=hookimpl(**options)(lambda client: seen.append(name)))


# wrappers


@pytest.mark.parametrize("options", [{"wrapper": True}, {"hookwrapper": True}], ids=str)
def test_an_observing_hook_may_be_wrapped(options: dict[str, bool]) -> None:
    seen: list[Any] = []

    def around(client: Any) -> Any:
        seen.append(f"before {client}")
        result = yield
        seen.append("after")
        return result

    plugins = Plugins.of(one=noting(seen, "one"), around=wrapper(around, **options), two=noting(seen, "two"))
    plugins.observe(CONNECTED, client="c")
    assert seen == ["before c", "two", "one", "after"]
    assert plugins.observes(CONNECTED) and not plugins.observes("hivemind_disconnected")


def never(client: Any) -> Any:
    if client is None:
        yield


def at_first(client: Any) -> Any:
    raise SystemExit(3)
    yield


def at_last(client: Any) -> Any:
    yield
    raise RuntimeError("broken")


def twice(client: Any) -> Any:
    yield
    yield


@pytest.mark.parametrize("options", [{"wrapper": True}, {"hookwrapper": True}], ids=str)
@pytest.mark.parametrize("around", [never, at_first, at_last, twice])
def test_a_broken_wrapper_stops_nobody(
    around: Callable[..., Any], options: dict[str, bool], caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[Any] = []
    plugins = Plugins.of(one=noting(seen, "one"), around=wrapper(around, **options))
    plugins.observe(CONNECTED, client="c")
    assert seen == ["one"]
    assert {info.name: info.failures for info in plugins.report} == {"one": 0, "around": 1}
    assert "plugin around raised in hivemind_connected" in caplog.text


def test_a_wrapper_of_the_old_style_makes_no_error_for_who_calls(caplog: pytest.LogCaptureFixture) -> None:
    seen: list[Any] = []

    def around(client: Any) -> Any:
        outcome = yield
        outcome.force_exception(RuntimeError("made up"))

    plugins = Plugins.of(one=noting(seen, "one"), around=wrapper(around, hookwrapper=True))
    plugins.observe(CONNECTED, client="c")
    assert seen == ["one"]
    assert "plugin around raised in hivemind_connected" in caplog.text
    assert plugins.accounts.of("around").last_error == "hivemind_connected raised RuntimeError: made up"


def test_a_wrapper_of_the_old_style_that_fails_changes_nothing() -> None:
    def around() -> Any:
        outcome = yield
        outcome.force_result("mine")
        raise RuntimeError("broken")

    class Hooks:
        @hookspec(firstresult=True)
        def answer(self) -> Any:
            """A hook of somebody else."""

    plugins = Plugins.of(
        one=SimpleNamespace(answer=hookimpl(lambda: 42)),
        around=SimpleNamespace(answer=hookimpl(hookwrapper=True)(around)),
    )
    plugins.pm.add_hookspecs(Hooks)
    assert plugins.hook.answer() == 42
    assert plugins.accounts.of("around").failures == 1


def test_a_wrapper_sees_what_stops_the_call() -> None:
    seen: list[Any] = []

    def around(client: Any) -> Any:
        try:
            yield
        except KeyboardInterrupt:
            seen.append("stopped")

    def stop(client: Any) -> None:
        raise KeyboardInterrupt

    plugins = Plugins.of(stop=plugin("stop", hivemind_connected=stop), around=wrapper(around))
    with pytest.raises(KeyboardInterrupt):
        plugins.observe(CONNECTED, client="c")
    assert seen == ["stopped"]


# order, hooks of others, monitoring


def test_tryfirst_and_trylast_count() -> None:
    seen: list[Any] = []
    plugins = Plugins.of(
        last=noting(seen, "last", trylast=True),
        first=noting(seen, "first", tryfirst=True),
        mid=noting(seen, "mid"),
    )
    plugins.hook.hivemind_connected(client="c")
    assert seen == ["first", "mid", "last"]


class Greetings:
    """Hooks of a third party."""

    @hookspec(firstresult=True)
    def acme_greeting(self, name: str) -> Any:
        """Return a greeting."""

    @hookspec
    def acme_words(self) -> Any:
        """Return a word."""


def greeting(**hooks: Callable[..., Any]) -> Any:
    return SimpleNamespace(**{name: hookimpl(function) for name, function in hooks.items()})


def test_hooks_of_a_third_party_are_isolated_and_its_first_result_counts() -> None:
    def add(pluginmanager: Any) -> None:
        pluginmanager.add_hookspecs(Greetings)

    def around(name: str) -> Any:
        return f"<{(yield)}>"

    plugins = Plugins.of(
        early=greeting(acme_greeting=lambda name: f"bye {name}", acme_words=lambda: "bye"),
        acme=greeting(hivemind_addhooks=add),
        polite=greeting(acme_greeting=lambda name: f"hello {name}", acme_words=lambda: "hello"),
        broken=greeting(acme_greeting=lambda name: explode(), acme_words=explode),
        around=SimpleNamespace(acme_greeting=hookimpl(wrapper=True)(around)),
    )
    assert plugins.hook.acme_greeting(name="Ann") == "<hello Ann>"
    assert plugins.hook.acme_words() == ["hello", "bye"]
    assert {info.name: info.failures for info in plugins.report if info.failures} == {"broken": 2}


def test_who_brings_a_hook_is_not_taken_down_by_one_with_other_arguments() -> None:
    wrong = greeting(acme_greeting=lambda surname: surname, acme_words=lambda: "wrong")
    plugins = Plugins.of(wrong=wrong, acme=greeting(hivemind_addhooks=lambda pluginmanager: None))
    plugins.pm.add_hookspecs(Greetings)
    plugins.pm.register(greeting(acme_words=lambda: "right"))
    assert plugins.hook.acme_words() == ["right"]
    (failed,) = [info for info in plugins.report if info.state == "failed"]
    assert failed.name == "wrong"
    assert failed.error == "its acme_greeting has arguments that the hook lacks: surname (it has: name)"


def test_calls_can_be_monitored_and_a_broken_monitor_stops_nobody(caplog: pytest.LogCaptureFixture) -> None:
    calls: list[Any] = []
    plugins = Plugins.of(one=plugin("one", hivemind_connected=explode, hivemind_ciphers=lambda: None))

    def before(hook_name: str, hook_impls: Any, kwargs: Any) -> None:
        calls.append((hook_name, [each.plugin_name for each in hook_impls], dict(kwargs)))

    def after(outcome: Any, hook_name: str, hook_impls: Any, kwargs: Any) -> None:
        calls.append(outcome.get_result())

    undo = plugins.pm.add_hookcall_monitoring(before, after)
    plugins.pm.add_hookcall_monitoring(lambda *facts: explode(), lambda *facts: explode())
    plugins.observe(CONNECTED, client="c")
    assert calls == [(CONNECTED, ["one"], {"client": "c"}), []]
    plugins.registry()
    assert calls[2] == ("hivemind_ciphers", ["one"], {})
    noted = len(calls)
    undo()
    plugins.observe(CONNECTED, client="c")
    assert len(calls) == noted
    assert "raised in a monitor of hook calls" in caplog.text


def test_pluggys_own_tracing_works() -> None:
    plugins, lines = Plugins.of(one=noting([], "one")), []
    plugins.pm.trace.root.setwriter(lines.append)
    plugins.pm.enable_tracing()
    plugins.observe(CONNECTED, client="c")
    assert any("hivemind_connected" in line for line in lines)


def test_a_table_hook_called_by_anybody_gives_what_it_says() -> None:
    one = plugin("one", hivemind_ciphers=lambda: iter("ab"))
    plugins = Plugins.of(one=one, two=plugin("two", hivemind_ciphers=lambda: explode()))
    assert plugins.hook.hivemind_ciphers() == [["a", "b"]]
    (two,) = [info for info in plugins.infos if info.state == "failed"]
    assert (two.name, two.error) == ("two", "hivemind_ciphers raised RuntimeError: broken")
    assert plugins.accounts.of("two").failures == 1


# what is refused


async def asynchronous(client: Any) -> None: ...


async def asynchronous_generator(client: Any) -> Any:
    yield


def generator() -> Callable[..., Any]:
    """A new one each time: a mark stays with its function."""

    def generate(client: Any) -> Any:
        yield

    return generate


class Unmade:
    @hookimpl
    def hivemind_connected(self, client: Any) -> None: ...


REFUSED: list[tuple[Any, str]] = [
    (plugin("odd", hivemind_connected=asynchronous), "hivemind_connected is async"),
    (plugin("odd", hivemind_ciphers=asynchronous_generator), "hivemind_ciphers is async"),
    (plugin("odd", words_of_others=asynchronous), "words_of_others is async"),
    (
        SimpleNamespace(hivemind_ciphers=hookimpl(wrapper=True)(generator())),
        "hivemind_ciphers wraps, and only",
    ),
    (
        SimpleNamespace(hivemind_cli_commands=hookimpl(hookwrapper=True)(generator())),
        "cli_commands wraps, and only",
    ),
    (
        SimpleNamespace(hivemind_addhooks=hookimpl(wrapper=True)(generator())),
        "hivemind_addhooks wraps, and only",
    ),
    (wrapper(lambda client: None), "marked as a wrapper, and has no yield"),
    (plugin("odd", hivemind_connected=generator()), "has a yield, and so would never run"),
    (plugin("odd", hivemind_connected=lambda nonsense: None), "lacks: nonsense (it has: client)"),
    (Unmade, "takes self: pass an object, not its class"),
]


@pytest.mark.parametrize(("odd", "reason"), REFUSED, ids=[reason for _, reason in REFUSED])
def test_what_a_hook_does_not_support_is_refused_with_the_reason(odd: Any, reason: str) -> None:
    manager = IsolatingManager()
    with pytest.raises(HookRefused, match=reason.replace("(", r"\(").replace(")", r"\)")):
        manager.register(odd, name="odd")
    assert not manager.has_plugin("odd") and not manager.hook.hivemind_connected.get_hookimpls()
    (info,) = [info for info in load_plugins([odd]).report if info.source == "given"]
    assert info.state == "failed" and reason in info.error and "HookRefused" not in info.error


# plugins that compare in their own way


class Alike:
    """Equal to everything of its kind, and not hashable."""

    def __init__(self, seen: list[Any]) -> None:
        self.seen = seen

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Alike)

    @hookimpl
    def hivemind_connected(self) -> None:
        self.seen.append(self)


class Incomparable(Alike):
    def __eq__(self, other: object) -> bool:
        raise RuntimeError("compared")

    def __ne__(self, other: object) -> bool:
        raise RuntimeError("compared")

    def __hash__(self) -> int:
        raise RuntimeError("hashed")


@pytest.mark.parametrize("kind", [Alike, Incomparable])
def test_plugins_are_told_apart_by_what_they_are_and_not_by_what_they_say(kind: type[Alike]) -> None:
    seen: list[Any] = []
    one, two = kind(seen), kind(seen)
    plugins = load_plugins([one, two])
    assert [info.state for info in plugins.report if info.source == "given"] == ["loaded", "loaded"]
    plugins.observe(CONNECTED, client="c")
    assert [each is expected for each, expected in zip(seen, (one, two))] == [True, True]
    manager = plugins.pm
    assert manager.get_name(two) == f"{kind.__name__}@given" and manager.is_registered(one)
    assert manager.get_plugins() and [caller.name for caller in manager.get_hookcallers(one) or ()] == [
        CONNECTED
    ]
    with pytest.raises(ValueError, match="different name"):
        manager.register(one, name="again")
    manager.unregister(two)
    assert manager.get_name(two) is None and manager.get_hookcallers(two) is None
    plugins.observe(CONNECTED, client="c")
    assert len(seen) == 3 and seen[2] is one


def test_a_name_that_is_taken_stays_with_its_plugin() -> None:
    manager, seen = IsolatingManager(), []
    manager.register(noting(seen, "one"), name="x")
    with pytest.raises(ValueError, match="already registered"):
        manager.register(noting(seen, "two"), name="x")
    manager.hook.hivemind_connected(client="c")
    assert seen == ["one"]


# trace


@pytest.mark.parametrize(("value", "traced"), [("1", True), ("0", False), ("", False)])
def test_each_call_is_written_where_that_is_asked_for(
    value: str, traced: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def around(client: Any, message: HiveMessage) -> Any:
        return (yield)

    acme = plugin("acme", hivemind_ciphers=lambda: None, hivemind_message_sent=lambda message: None)
    wrapping = plugin("wrapping")
    wrapping.hivemind_message_sent = hookimpl(wrapper=True)(around)
    monkeypatch.setenv(TRACE_VARIABLE, value)
    bus = FakeHiveMessageBus(plugins=[acme, wrapping])
    with bus:
        bus.emit(HiveMessage("3rdparty", {"pin": "1234"}))
    written = capsys.readouterr().err
    calls = ("ciphers of acme", "message_sent of wrapping", "message_sent of acme")
    lines = [f"hivemind plugins: hivemind_{call}\n" for call in calls]
    assert all((line in written) is traced for line in lines)
    assert "1234" not in written
