"""Wrappers: handlers that stand around the one handler of their type (docs/plugins-wrappers.md has the contract).

A chain is resolved once, when the tables are built. What runs is one handler for each type, as without wrappers: its
functions are those of the plain handler where nobody wraps, and else the outermost steps of a chain. So the kernel
does not know of chains, and a message that nobody wraps takes not one call more.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import wraps
from inspect import isasyncgenfunction, iscoroutinefunction
from typing import TYPE_CHECKING, Any, Callable, Generic, Optional, TypeVar

from attrs import define, evolve, field, frozen

from hivemind_core_client.plugins.contract import Action, BinaryHandler, Context, MessageHandler
from hivemind_core_client.plugins.functions import FUNCTIONS, functions
from hivemind_core_client.plugins.next_checks import Check, check_of
from hivemind_core_client.plugins.warned import warn_once
from hivemind_core_client.wire.errors import HiveMindError, PluginError, ProtocolError
from hivemind_core_client.wire.message import AnyBinaryType, AnyMessageType, HiveMessage, HiveMessageType

if TYPE_CHECKING:
    from hivemind_core_client.plugins.accounts import Accounts
    from hivemind_core_client.plugins.registry import Conflict, Offered, Table

log = logging.getLogger(__name__)

Handler = TypeVar("Handler", MessageHandler, BinaryHandler)
#: A context and arguments in; actions out, or with `prepare` a message.
Step = Callable[..., Any]

#: Built-in handlers that write one hive map: where one of them is wrapped, so that its calls have a lane of their own,
#: all of them run one at a time.
SHARING = frozenset({HiveMessageType.PING, HiveMessageType.PROPAGATE})


@frozen
class Chains(Generic[Handler]):
    """The handlers of one kind, resolved.

    `running` has what runs for each type; `members` who stands in it, the outermost first and the plain handler last;
    `plain` the plain handlers that are wrapped; `idle` wrappers of what no plain handler serves, which never run.
    """

    running: Mapping[Any, Handler]
    members: Mapping[Any, tuple[Offered[Any], ...]]
    plain: Mapping[Any, Handler]
    idle: tuple[Offered[Handler], ...]


def make_chains(
    offers: Iterable[Offered[Handler]],
    table: Table[Handler],
    places: Mapping[str, int],
    accounts: Accounts,
    builtin: Collection[str] = (),
) -> Chains[Handler]:
    """Put the wrappers of each type around its plain handler, which is that of `table`.

    `places` says by plugin where its wrappers stand: a lower number is further out, and by name among equals. What the
    calls of plugins come to stands in `accounts`, but for plain handlers that are `builtin` and that nobody wraps.
    """

    def place(offered: Offered[Any]) -> tuple[int, str]:
        return places.get(offered.plugin, 0), offered.plugin

    owners: dict[Any, Offered[Handler]] = {}
    around: dict[Any, list[Offered[Any]]] = {}
    for each in sorted(offers, key=place):
        if each.item.wraps:
            around.setdefault(key_of(each.item), []).append(each)
        elif table.winners[key_of(each.item)] is each:  # not by its item, which two plugins may share
            owners[key_of(each.item)] = each
    shares = any(served in SHARING for served in around)
    running: dict[Any, Handler] = {}
    for served, owner in owners.items():
        if around.get(served) or owner.plugin not in builtin or (shares and served in SHARING):
            running[served] = _resolved(owner, around.get(served, ()), accounts, owner.plugin in builtin)
        else:
            running[served] = owner.item
    members = {served: _with_plain(around.get(served, []), owner) for served, owner in owners.items()}
    plain = {name: owners[name].item for name in around if name in owners}
    idle = [each for name in around if name not in owners for each in around[name]]
    return Chains(running, members, plain, tuple(idle))


def _with_plain(around: list[Offered[Any]], plain: Offered[Any]) -> tuple[Offered[Any], ...]:
    return (*around, plain)


def remarks(
    chains: Chains[Handler], conflicts: Iterable[Conflict], builtin: Collection[str]
) -> Iterator[tuple[str, str, str, int]]:
    """What nobody would find out: which plugin, what is wrong, its state by that, and how to log it."""
    yield from contests(conflicts, builtin)
    for each in chains.idle:
        reason = f"its wrapper {each.item.name} never runs: no plugin handles {name_of(each.item)}"
        yield each.plugin, reason, "", logging.WARNING


def contests(conflicts: Iterable[Conflict], builtin: Collection[str]) -> Iterator[tuple[str, str, str, int]]:
    """Like `remarks`, of what several third parties offer: it is told of both, and logged for one.

    Plugins that are `builtin` are there to be beaten.
    """
    for conflict in conflicts:
        if conflict.winner in conflict.losers and conflict.winner not in builtin:
            twice = f"it brings more than one {conflict.kind} of {conflict.name}: the first is used"
            yield conflict.winner, twice, "conflict", logging.WARNING
        beaten = [name for name in conflict.losers if name not in builtin and name != conflict.winner]
        if conflict.winner in builtin or not beaten:
            continue
        what = f"its {conflict.kind} of {conflict.name}"
        used = f"{what} is used, and that of {', '.join(beaten)} is not"
        yield conflict.winner, used, "conflict", logging.WARNING
        for name in beaten:
            yield name, f"{what} is not used: that of {conflict.winner} is", "conflict", logging.DEBUG


def key_of(handler: MessageHandler | BinaryHandler) -> AnyMessageType | AnyBinaryType:
    """What a handler serves: its message type or its bin type."""
    return handler.bin_type if isinstance(handler, BinaryHandler) else handler.msg_type


def name_of(handler: MessageHandler | BinaryHandler) -> str:
    """The text for what a handler serves: the wire name of its message type, or the name of its bin type."""
    return handler.bin_type.name if isinstance(handler, BinaryHandler) else str(handler.msg_type)


def kind_of(handler: MessageHandler | BinaryHandler) -> str:
    """What a handler is called in a report."""
    kind = "wrapper" if handler.wraps else "handler"
    return f"binary {kind}" if isinstance(handler, BinaryHandler) else kind


def places(implementations: Iterable[Any]) -> dict[str, int]:
    """Where pluggy's implementations of a hook stand, by plugin: -1 for `tryfirst`, 1 for `trylast`, else 0."""
    return {each.plugin_name: bool(each.trylast) - bool(each.tryfirst) for each in implementations}


def named(function: str, handler: MessageHandler | BinaryHandler) -> str:
    """What a function of a handler is called in a log: `receive of 3rdparty`."""
    return f"{function} of {name_of(handler)}"


def handler_fault(handler: MessageHandler | BinaryHandler) -> str:
    """Why a handler cannot be used: a function that nobody can call, or that nobody would await. Empty where it can."""
    for name in functions(handler):
        function = getattr(handler, name)
        if not callable(function):
            return f"{named(name, handler)} is no function but a {type(function).__name__}"
        if iscoroutinefunction(function) or isasyncgenfunction(function):
            return f"{named(name, handler)} is async; nobody awaits it: make it a plain function"
    return ""


def _resolved(
    plain: Offered[Handler], around: Sequence[Offered[Handler]], accounts: Accounts, is_builtin: bool
) -> Handler:
    """One handler that does what the wrappers `around` the plain one do, and counts what the calls come to."""
    resolved: dict[str, Step] = {}
    for name in functions(plain.item):
        resolved[name] = _plain_step(name, plain, accounts, is_builtin)
    for name in FUNCTIONS:
        wrappers = [each for each in around if getattr(each.item, name, None) is not None]
        if wrappers:
            resolved[name] = _outermost(name, plain, resolved.get(name), wrappers, accounts)
    found: Any = plain.item
    handler: Handler = evolve(found, **resolved)
    return handler


def _plain_step(name: str, plain: Offered[Any], accounts: Accounts, is_builtin: bool) -> Step:
    """A function of a plain handler, counted. One that is built in runs alone among those of its kind."""
    function, what = getattr(plain.item, name), named(name, plain.item)

    def run(context: Context, *arguments: Any) -> Any:
        done = function(context, *arguments)
        return done if name == "prepare" else list(done or ())  # a generator runs now

    def run_alone(context: Context, *arguments: Any) -> Any:
        with context.alone:
            return run(context, *arguments)

    chosen = run_alone if is_builtin else run
    return wraps(function)(lambda *arguments: accounts.call(plain.plugin, what, lambda: chosen(*arguments)))


def _outermost(
    name: str,
    plain: Offered[Any],
    function: Optional[Step],
    wrappers: Sequence[Offered[Any]],
    accounts: Accounts,
) -> Step:
    check = check_of(name, plain.item)
    if name == "prepare":
        step = _preparing(function, plain.item.name) if function is not None else _as_it_is
        for each in reversed(wrappers):
            step = _preparing_around(each, step, check, accounts)
        return step
    step = _acting(function, plain.item.name) if function is not None else _nothing
    for each in reversed(wrappers):
        step = _acting_around(each, name, step, check, accounts)
    return step


def _nothing(context: Context, *arguments: Any) -> list[Action]:
    return []


def _as_it_is(context: Context, message: HiveMessage) -> HiveMessage:
    return message


@define
class _Next:
    """What a wrapper calls to have the rest of its chain run: once, and before it returns."""

    _rest: Step
    _context: Context
    _check: Check
    called: bool = False
    _over: bool = False
    _result: Any = None
    _error: Optional[BaseException] = field(default=None)

    def __call__(self, *arguments: Any) -> Any:
        """What the rest of the chain makes of these arguments. TypeError and RuntimeError for a call that is wrong."""
        self._check(*arguments)
        if self.called or self._over:
            raise RuntimeError("next was called twice, or after its wrapper was done: it may be called once")
        self.called = True
        try:
            result = self._rest(self._context, *arguments)
        except BaseException as error:
            self._error = error
            raise
        self._result = tuple(result) if isinstance(result, list) else result
        return result

    @property
    def gave(self) -> bool:
        """Whether it was called and returned something: actions, which may be lost now."""
        return bool(self._result)

    def end(self) -> None:
        """The wrapper is done: whoever kept this may call it no more."""
        self._over = True

    def without_the_wrapper(self, *arguments: Any) -> Any:
        """What the rest of the chain made of it, or makes of it now where it was not called."""
        if self._error is not None:
            raise self._error
        return list(self._result) if self.called else self._rest(self._context, *arguments)


def next_of(part: str, plain: Any, rest: Step, context: Context) -> _Next:
    """What the function `part` of a wrapper gets as `next`: it leads to `rest`, and refuses what `plain` must not get.

    `called` says whether it was called; after `end()` it may be called no more.
    """
    return _Next(rest, context, check_of(part, plain))


def copied(value: Any) -> Any:
    """A message, or a part of one, of which nothing is shared that could be changed in place."""
    if isinstance(value, HiveMessage):
        return value.copy(payload=copied(value.raw_payload), metadata=copied(value.metadata))
    if isinstance(value, dict):
        return {key: copied(each) for key, each in value.items()}
    return [copied(each) for each in value] if isinstance(value, list) else value


def _acting(function: Step, name: str) -> Step:
    """The last step of a chain: a plain handler's function. What it raises is no fault of the wrappers."""

    def step(context: Context, *arguments: Any) -> list[Action]:
        try:
            return list(function(context, *arguments) or ())
        except (KeyboardInterrupt, ProtocolError):
            raise
        except BaseException:  # a handler is a plugin: it may fail or even exit, the connection may not
            context.note(log.exception, "handler %s raised; its message was dropped", name)
            return []

    return step


def _acting_around(wrapper: Offered[Any], name: str, rest: Step, check: Check, accounts: Accounts) -> Step:
    function, what = getattr(wrapper.item, name), named(name, wrapper.item)
    loss = (
        f"its wrapper {wrapper.item.name} returned None where next had returned actions, in {what}, so they are lost:"
        " is a `return` missing? To drop them, return []"
    )

    def step(context: Context, *arguments: Any) -> list[Action]:
        following = _Next(rest, context, check)
        kept = tuple(map(copied, arguments))  # a wrapper that raises may have changed its own half

        def act() -> list[Action]:
            returned = function(context, *arguments, following)
            if returned is None and following.gave:
                warn_once(wrapper.plugin, loss)
            return list(returned or ())

        try:
            return accounts.call(wrapper.plugin, what, act)
        except (KeyboardInterrupt, ProtocolError):
            raise
        except BaseException:  # as above; the message is not the wrapper's to lose
            context.note(
                log.exception,
                "wrapper %s of plugin %s raised; its message went on without it",
                wrapper.item.name,
                wrapper.plugin,
            )
        finally:
            following.end()
        return following.without_the_wrapper(*kept)  # type: ignore[no-any-return]  # of the rest of a chain

    return step


def _preparing(function: Step, name: str) -> Step:
    def step(context: Context, message: HiveMessage) -> HiveMessage:
        try:
            return function(context, message)  # type: ignore[no-any-return]  # whatever it is, it is sent or refused
        except (HiveMindError, KeyboardInterrupt):
            raise
        except BaseException as error:  # a handler is a plugin: it may even exit
            raise _unsent(f"handler {name}", error) from error

    return step


def _preparing_around(wrapper: Offered[Any], rest: Step, check: Check, accounts: Accounts) -> Step:
    """A wrapper of `prepare` that fails keeps the message from being sent: it may be there to hide what is in it."""
    who, what = f"wrapper {wrapper.item.name} of plugin {wrapper.plugin}", named("prepare", wrapper.item)

    def step(context: Context, message: HiveMessage) -> HiveMessage:
        following = _Next(rest, context, check)

        def prepare() -> HiveMessage:
            prepared = wrapper.item.prepare(context, message, following)
            if not isinstance(prepared, HiveMessage):
                raise TypeError(f"prepare returned a {type(prepared).__name__}, not a HiveMessage")
            return prepared

        try:
            prepared = accounts.call(wrapper.plugin, what, prepare)
        except (HiveMindError, KeyboardInterrupt):
            raise
        except BaseException as error:  # as above
            raise _unsent(who, error) from error
        finally:
            following.end()
        if not following.called:
            raise PluginError(f"{who} did not call next: the message was not sent")
        return prepared

    return step


def _unsent(named: str, error: BaseException) -> PluginError:
    return PluginError(f"{named} raised {type(error).__name__}: the message was not sent")
