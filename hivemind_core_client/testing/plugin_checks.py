"""The conformance kit for a whole plugin: every hook of it is called, and everything that it offers is checked."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import Any, Callable, Optional

import pluggy
from attrs import frozen

from hivemind_core_client.plugins import hookspecs
from hivemind_core_client.plugins.chains import kind_of, name_of
from hivemind_core_client.plugins.contract import Transport
from hivemind_core_client.plugins.isolation import NoList, listed
from hivemind_core_client.plugins.manager import load_plugins
from hivemind_core_client.plugins.proving import sample_messages
from hivemind_core_client.plugins.settings import settings_fault
from hivemind_core_client.testing.conformance import (
    check_cipher,
    check_encoding,
    check_handler,
    check_handshake,
    check_serializer,
)
from hivemind_core_client.wire.errors import ConnectionLost
from hivemind_core_client.wire.message import BinaryType, HiveMessageType, MessageType
from hivemind_core_client.wire.message_types import define, same
from hivemind_core_client.wire.text import described


@frozen
class PluginCheck:
    """One check: what was tried, and what was wrong. If `tried` is False, it has neither passed nor failed."""

    name: str
    fault: str = ""
    tried: bool = True

    @property
    def passed(self) -> bool:
        """Whether it was tried and nothing was wrong."""
        return self.tried and not self.fault


#: What tries an implementation of a hook, by the hook's name.
Trial = Callable[[str, pluggy.HookImpl], Iterable[PluginCheck]]


def check_plugin(plugin: Any) -> None:
    """Assert that a plugin, a module or an object, keeps the contract: it loads, and all that it offers passes the kit.

    AssertionError has a line for each fault.
    """
    faults = [f"{check.name}: {check.fault}" for check in checks_of(plugin) if check.fault]
    if faults:
        raise AssertionError("\n".join(faults))


def checks_of(
    plugin: Any, more: Optional[Mapping[str, Trial]] = None, fault: Optional[str] = None
) -> Iterator[PluginCheck]:
    """Each check of a plugin, a module or an object, as it is made. `more` tries hooks that other plugins brought.

    `fault` is why it was not loaded, or an empty text, where that is known already.
    """
    yield PluginCheck("loads", _load_fault(plugin) if fault is None else fault)
    trials = {**TRIALS, **(more or {})}
    for hook, implementation in _implementations(plugin):
        trial = trials.get(hook)
        if inspect.iscoroutinefunction(implementation.function):
            yield PluginCheck(f"hook {hook}", "is async; nobody awaits it: make it a plain function")
        elif trial is None or implementation.wrapper or implementation.hookwrapper:
            yield PluginCheck(f"hook {hook}", tried=False)
        else:
            yield from trial(hook, implementation)


def called(hook: str, call: Callable[[], Any]) -> PluginCheck:
    """The check that a call of a hook raises nothing."""
    try:
        call()
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a plugin may even exit
        fault = str(error) if isinstance(error, NoList) else f"raises {described(error)}"
        return PluginCheck(f"hook {hook}", fault)
    return PluginCheck(f"hook {hook}")


def table(name: Callable[[Any], str], check: Callable[[Any], None]) -> Trial:
    """What tries a hook that returns a list of items: each of them by `check`, under what `name` says of it."""

    def trial(hook: str, implementation: pluggy.HookImpl) -> Iterator[PluginCheck]:
        items: list[Any] = []
        yield called(hook, lambda: items.extend(listed(implementation.function())))
        for item in items:
            try:
                named = name(item)
            except Exception:  # it is no such item, which the check says
                named = f"item of {hook}"
            yield _checked(named, check, item)

    return trial


def _checked(name: str, check: Callable[[Any], None], item: Any) -> PluginCheck:
    try:
        check(item)
    except AssertionError as error:
        return PluginCheck(name, str(error))
    return PluginCheck(name)


def _load_fault(plugin: Any) -> str:
    (info,) = [info for info in load_plugins([plugin], ()).report if info.source == "given"]
    return "" if info.state == "loaded" else f"{info.state}: {info.error}"


def _implementations(plugin: Any) -> list[tuple[str, pluggy.HookImpl]]:
    """What implements which hook, without the specifications: arguments may be wrong, or the hook another plugin's."""
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.register(plugin)
    callers = manager.get_hookcallers(plugin) or []
    found = [(caller.name, each) for caller in callers for each in caller.get_hookimpls()]
    return sorted(found, key=lambda pair: pair[0])


def _kind(kind: str) -> Callable[[Any], str]:
    return lambda item: f"{kind} {item.name}"


def _handler_name(handler: Any) -> str:
    return f"{kind_of(handler)} {handler.name} of {name_of(handler)}"


def _type_name(kind: Any) -> str:
    return f"{'bin' if isinstance(kind, BinaryType) else 'message'} type {kind.name}"


def _check_type(kind: Any) -> None:
    """Assert that this is a type, and that it means in this process what it says."""
    if not isinstance(kind, (MessageType, BinaryType)):
        raise AssertionError(f"a {type(kind).__name__} is returned, not a MessageType or a BinaryType")
    meant = define(kind) if isinstance(kind, MessageType) else kind
    if not same(meant, kind):
        raise AssertionError(f"{kind!r} is not used: another plugin in this process has {meant!r}")


def _settings_name(declared: Any) -> str:
    return f"settings {declared.__name__}"


def _check_settings(declared: Any) -> None:
    """Assert that this class can declare settings."""
    fault = settings_fault(declared)
    if fault:
        raise AssertionError(fault)


def _observed(hook: str, implementation: pluggy.HookImpl) -> Iterator[PluginCheck]:
    """Call an observer with a client that talks to no hub, and with messages of each type."""
    messages = [sample_messages(msg_type)[0] for msg_type in HiveMessageType]
    given = [
        {
            "client": _client(),
            "message": message,
            "size": None,
            "reason": ConnectionLost("the conformance kit has ended it"),
        }
        for message in (messages if "message" in implementation.argnames else messages[:1])
    ]

    def call() -> None:
        for facts in given:
            implementation.function(**{name: facts[name] for name in implementation.argnames})

    yield called(hook, call)


def _client() -> Any:
    """A client that is connected with a hub which does not exist."""
    from hivemind_core_client.testing.fake_client import FakeHiveMessageBus

    client = FakeHiveMessageBus(plugins=(), blocked_plugins=())
    client.connect()
    return client


def _added(hook: str, implementation: pluggy.HookImpl) -> Iterator[PluginCheck]:
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    yield called(
        "hivemind_addhooks", partial(implementation.function, *[manager][: len(implementation.argnames)])
    )


def _scheme(item: Any) -> str:
    return f"transport {', '.join(item.schemes)}"


def _check_offer(item: Any) -> None:
    """What can be seen without a peer: `check_transport` asks for more."""
    if not isinstance(item, Transport):
        raise AssertionError(f"a {type(item).__name__} is no Transport")


#: The hooks that the kit can try.
TRIALS: Mapping[str, Trial] = {
    "hivemind_addhooks": _added,
    "hivemind_binary_handlers": table(_handler_name, check_handler),
    "hivemind_ciphers": table(_kind("cipher"), check_cipher),
    "hivemind_connected": _observed,
    "hivemind_disconnected": _observed,
    "hivemind_encodings": table(_kind("encoding"), check_encoding),
    "hivemind_handshakes": table(_kind("handshake"), check_handshake),
    "hivemind_message_arrived": _observed,
    "hivemind_message_handlers": table(_handler_name, check_handler),
    "hivemind_message_sent": _observed,
    "hivemind_message_types": table(_type_name, _check_type),
    "hivemind_settings": table(_settings_name, _check_settings),
    "hivemind_serializers": table(_kind("serializer"), check_serializer),
    "hivemind_transports": table(_scheme, _check_offer),
}
