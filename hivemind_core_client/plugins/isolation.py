"""Isolation: each implementation of a hook is guarded where its plugin is registered.

So a hook is called as pluggy calls it, `manager.hook.name(…)`, by anybody: wrappers, `firstresult`, `tryfirst` and
`trylast`, call monitoring and tracing work, and what a plugin raises is counted for it and stops nobody.
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any, Callable

import pluggy
from attrs import frozen

from hivemind_core_client.plugins import hookspecs
from hivemind_core_client.plugins.accounts import Accounts
from hivemind_core_client.plugins.states import PluginStates
from hivemind_core_client.wire.text import described

#: With any value but 0, each call of a hook is written to stderr.
TRACE_VARIABLE = "HIVEMIND_CLIENT_PLUGINS_TRACE"

Function = Callable[..., Any]


class HookRefused(pluggy.PluginValidationError):
    """A plugin implements a hook in a way that the hook does not support; its text says which and why."""


class NoList(TypeError):
    """A hook that fills a table returned what is no list; the text says what, and what to do."""


def listed(returned: Any) -> Iterable[Any]:
    """What a hook that fills a table returned, None included. Raises NoList, for one thing without its list too."""
    if returned is not None and not isinstance(returned, Iterable):
        kind = type(returned).__name__
        raise NoList(f"returned a {kind}: return a list")
    return returned or ()


class Items(list[Any]):
    """What one plugin returned of a hook that fills a table: a list that knows its plugin."""

    def __init__(self, plugin: str, returned: Any) -> None:
        super().__init__(listed(returned))
        self.plugin = plugin


class IsolatingManager(pluggy.PluginManager):
    """A pluggy manager that knows our hooks, and whose plugins can be broken.

    `states` is what became of each plugin, `accounts` what its calls came to. `register` raises HookRefused for what a
    hook does not support. With `trace` each call is written to stderr: hook and plugin, never what is passed.
    """

    def __init__(self, trace: bool = False) -> None:
        super().__init__(hookspecs.PROJECT)
        self.states, self.accounts = PluginStates(), Accounts()
        self._traces = trace
        self.add_hookspecs(hookspecs)
        self.hook.hivemind_addhooks.call_historic(kwargs={"pluginmanager": self})

    def register(self, plugin: Any, name: str | None = None) -> str | None:
        """Register a plugin and guard its hooks; one that is refused leaves nothing behind."""
        name = name or self.get_canonical_name(plugin)
        if not _compares_as_itself(plugin):
            if self.get_name(plugin) is not None:
                raise ValueError(f"plugin {name} is registered under a different name")
            plugin = _StandIn(plugin, self._hooks_of(plugin))
        try:
            taken = self.has_plugin(name)
            registered = super().register(plugin, name)
        except BaseException:
            if not taken and self.has_plugin(name):
                super().unregister(name=name)
            raise
        for caller in self.get_hookcallers(plugin) or ():
            for implementation in caller.get_hookimpls():
                if implementation.plugin is plugin:
                    self._guard(caller.name, implementation)
        return registered

    def parse_hookimpl_opts(self, plugin: Any, name: str) -> Any:
        """The options of a hook, as pluggy has them. Raises HookRefused where the hook cannot be such a function."""
        options = super().parse_hookimpl_opts(plugin, name)
        if options is not None:
            hook: str = options.get("specname") or name
            reason = _misfit(hook, getattr(plugin, name), options, self._arguments_of(hook))
            if reason:
                raise HookRefused(plugin, reason)
        return options

    def add_hookspecs(self, module_or_class: Any) -> None:
        """Add hooks. A plugin that is there and implements one with other arguments is taken out, and it alone."""
        for hook in dir(module_or_class):
            if self.parse_hookspec_opts(module_or_class, hook) is not None:
                self._take_out(hook, _parameters(getattr(module_or_class, hook)))
        super().add_hookspecs(module_or_class)

    def add_hookcall_monitoring(self, before: Function, after: Function) -> Callable[[], None]:
        """Have all calls of hooks monitored; what a monitor raises is counted nowhere and stops nobody."""
        return super().add_hookcall_monitoring(self._harmless(before), self._harmless(after))

    def get_name(self, plugin: Any) -> str | None:
        """The name of a plugin, None of one that is not registered."""
        return super().get_name(self._registered(plugin))

    def get_hookcallers(self, plugin: Any) -> list[Any] | None:
        """The hooks of a plugin, None of one that is not registered."""
        return super().get_hookcallers(self._registered(plugin))

    def is_registered(self, plugin: Any) -> bool:
        """Whether this very object is a plugin here."""
        return super().is_registered(self._registered(plugin))

    def unregister(self, plugin: Any = None, name: str | None = None) -> Any:
        """Take a plugin out, by itself or by its name."""
        return super().unregister(None if plugin is None else self._registered(plugin), name)

    def _registered(self, plugin: Any) -> Any:
        """What pluggy knows a plugin as; of one with a comparison of its own, which it must not be asked for."""
        if _compares_as_itself(plugin):
            return plugin
        stand_ins = (each for _, each in self.list_name_plugin() if isinstance(each, _StandIn))
        return next((each for each in stand_ins if each.plugin is plugin), object())

    def _hooks_of(self, plugin: Any) -> dict[str, Function]:
        names = [name for name in dir(plugin) if self.parse_hookimpl_opts(plugin, name) is not None]
        return {name: getattr(plugin, name) for name in names}

    def _arguments_of(self, hook: str) -> list[str] | None:
        caller = getattr(self.hook, hook, None)
        if caller is None or caller.spec is None:
            return None
        return [*caller.spec.argnames, *caller.spec.kwargnames]

    def _take_out(self, hook: str, arguments: Mapping[str, Any]) -> None:
        caller = getattr(self.hook, hook, None)
        for implementation in [] if caller is None or caller.has_spec() else caller.get_hookimpls():
            reason = _unknown(hook, implementation.argnames, [name for name in arguments if name != "self"])
            if reason:
                self.unregister(name=implementation.plugin_name)
                self.states.fail(implementation.plugin_name, reason)

    def _guard(self, hook: str, implementation: Any) -> None:
        owner = _Owner(self, implementation.plugin_name, hook, hook in _OBSERVING)
        guarded = _guards_of(hook, implementation)(owner, implementation.function)
        implementation.function = _traced(owner, guarded) if self._traces else guarded

    def _harmless(self, monitor: Function) -> Function:
        owner = str(getattr(monitor, "__module__", None))
        return _observing(_Owner(self, owner, "a monitor of hook calls"), monitor)


@frozen
class _Owner:
    """Whose function is guarded, of which hook, and whether it is `timed`: what is called once may take its time."""

    manager: IsolatingManager
    plugin: str
    hook: str
    timed: bool = False

    def run(self, function: Callable[[], Any]) -> Any:
        """Call a part of the hook; what it raises is counted."""
        if self.timed:
            return self.manager.accounts.call(self.plugin, self.hook, function)
        try:
            return function()
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # a plugin may even exit
            self.manager.accounts.note_failure(self.plugin, self.hook, error)
            raise

    def call(self, function: Callable[[], Any]) -> Any:
        """Call a part of the hook; what it raises is counted and logged, and the result is None then."""
        try:
            return self.run(function)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # as above
            self.manager.states.raised(self.plugin, self.hook, error)
            return None


class _StandIn:
    """What is registered in the place of an object that compares or hashes in its own way: pluggy compares plugins.

    Two that are equal are two all the same.
    """

    def __init__(self, plugin: Any, hooks: Mapping[str, Function]) -> None:
        self.plugin = plugin
        self.__module__ = type(plugin).__module__
        self.__dict__.update(hooks)


def _compares_as_itself(plugin: Any) -> bool:
    kind: Any = type(plugin)
    return (kind.__eq__, kind.__ne__, kind.__hash__) == (object.__eq__, object.__ne__, object.__hash__)


def _parameters(function: Function) -> Mapping[str, inspect.Parameter]:
    try:
        return inspect.signature(function).parameters
    except (TypeError, ValueError):  # of what is not written in Python
        return {}


def _misfit(hook: str, function: Function, options: Mapping[str, Any], arguments: list[str] | None) -> str:
    """Why a hook cannot be this function, or an empty text."""
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        return f"its {hook} is async, and hooks are called, not awaited: use def, without async"
    wraps, yields = (
        options.get("wrapper") or options.get("hookwrapper"),
        inspect.isgeneratorfunction(function),
    )
    if wraps and hook.startswith(hookspecs.OURS) and hook not in _OBSERVING:
        return (
            f"its {hook} wraps, and only hooks that observe can be wrapped: {', '.join(sorted(_OBSERVING))}"
        )
    if wraps and not yields:
        return f"its {hook} is marked as a wrapper, and has no yield"
    if yields and not wraps and hook in _OBSERVING:
        return f"its {hook} has a yield, and so would never run: mark it @hookimpl(wrapper=True)"
    wanted = [
        each.name
        for each in _parameters(function).values()
        if each.default is each.empty and each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)
    ]
    return "" if arguments is None else _unknown(hook, wanted, arguments)


def _unknown(hook: str, wanted: Iterable[str], arguments: Iterable[str]) -> str:
    """Why a hook cannot take what this function wants, or an empty text."""
    unknown = [name for name in wanted if name not in arguments]
    if unknown == ["self"]:
        return f"its {hook} takes self: pass an object, not its class"
    given = ", ".join(arguments) or "none"
    return (
        f"its {hook} has arguments that the hook lacks: {', '.join(unknown)} (it has: {given})"
        if unknown
        else ""
    )


def _observing_hooks() -> Iterator[str]:
    """Hooks of ours that return nothing; but for that which is called for each plugin when it is registered."""
    for name, spec in vars(hookspecs).items():
        if name.startswith(hookspecs.OURS) and spec.__annotations__["return"] in (None, "None"):
            historic = getattr(spec, f"{hookspecs.PROJECT}_spec")["historic"]
            yield from () if historic else (name,)


_OBSERVING = frozenset(_observing_hooks())
#: Those that return lists.
_TABLES = (
    frozenset(name for name in vars(hookspecs) if name.startswith(hookspecs.OURS))
    - _OBSERVING
    - {"hivemind_addhooks"}
)


def _guards_of(hook: str, implementation: Any) -> Callable[[_Owner, Function], Function]:
    if implementation.wrapper or implementation.hookwrapper:
        return _wrapping
    # Whoever calls these calls one plugin after the other, says which of them failed, and takes back what it did.
    if hook.startswith(hookspecs.OF_COMMAND_LINE):
        return _counting
    return _offering if hook in _TABLES else _observing


def _counting(owner: _Owner, function: Function) -> Function:
    @functools.wraps(function)
    def guarded(*arguments: Any, **options: Any) -> Any:
        return owner.run(lambda: function(*arguments, **options))

    return guarded


def _offering(owner: _Owner, function: Function) -> Function:
    @functools.wraps(function)
    def guarded(*arguments: Any, **options: Any) -> Items | None:
        try:
            items: Items = owner.run(lambda: Items(owner.plugin, function(*arguments, **options)))
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # as above
            reason = str(error) if isinstance(error, NoList) else f"raised {described(error)}"
            owner.manager.states.fail(owner.plugin, f"{owner.hook} {reason}")
            return None
        return items

    return guarded


def _observing(owner: _Owner, function: Function) -> Function:
    """Of any hook that is not ours too: None is what a plugin returns that has nothing to say."""

    @functools.wraps(function)
    def guarded(*arguments: Any, **options: Any) -> Any:
        return owner.call(lambda: function(*arguments, **options))

    return guarded


def _wrapping(owner: _Owner, function: Function) -> Function:
    """A wrapper that fails changes nothing: the result is that of what it wraps. It may be of the old style too."""

    @functools.wraps(function)
    def guarded(*arguments: Any, **options: Any) -> Any:
        wrapper = owner.call(lambda: _begun(function(*arguments, **options)))
        try:
            result = yield
        except BaseException as error:  # not of a plugin: Ctrl-C, or a call that lacks an argument
            if wrapper is not None:
                with suppress(StopIteration):
                    wrapper.throw(error)
            raise
        if isinstance(result, pluggy.Result):  # of the old style: it changes that in place
            _unchanged_by_failure(owner, wrapper, result)
            return result
        ended = None if wrapper is None else owner.call(lambda: _ended(wrapper, result))
        return result if ended is None else ended[0]

    return guarded


def _unchanged_by_failure(owner: _Owner, wrapper: Any, outcome: pluggy.Result[Any]) -> None:
    """Let a wrapper of the old style see and change the outcome; one that makes an error of it has failed."""
    result, error = (
        (None, outcome.exception) if outcome.exception is not None else (outcome.get_result(), None)
    )

    def end() -> bool:
        _ended(wrapper, outcome)
        if error is None and outcome.exception is not None:
            raise outcome.exception
        return True

    if wrapper is None or owner.call(end):
        return
    outcome.force_result(result) if error is None else outcome.force_exception(error)


def _begun(wrapper: Any) -> Any:
    """A wrapper that has come to its yield."""
    for _ in wrapper:
        return wrapper
    raise RuntimeError("the wrapper did not yield")


def _ended(wrapper: Any, result: Any) -> tuple[Any]:
    """What a wrapper makes of the result."""
    try:
        wrapper.send(result)
    except StopIteration as end:
        return (end.value,)
    wrapper.close()
    raise RuntimeError("the wrapper has a second yield")


def _traced(owner: _Owner, function: Function) -> Function:
    def write() -> None:
        with suppress(Exception):  # there may be no stderr
            sys.stderr.write(f"hivemind plugins: {owner.hook} of {owner.plugin}\n")

    @functools.wraps(function)
    def traced(*arguments: Any, **options: Any) -> Any:
        write()
        return function(*arguments, **options)

    @functools.wraps(function)
    def traced_wrapper(*arguments: Any, **options: Any) -> Any:
        write()
        return (yield from function(*arguments, **options))

    return traced_wrapper if inspect.isgeneratorfunction(function) else traced
