"""The internal bus of a satellite that has no OVOS of its own: handlers by OVOS message type, in this process."""

from __future__ import annotations

import logging
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, Any, Callable

from hivemind_core_client.wire.errors import InvalidOption
from hivemind_core_client.wire.ovos import to_message

if TYPE_CHECKING:
    from hivemind_core_client.shell.protocols import Handler
    from hivemind_core_client.wire.json_text import Json

log = logging.getLogger(__name__)


def name_of(handler: Any) -> str:
    """What a log calls a user's handler: never by its repr, which may hold arguments."""
    inner = handler.func if isinstance(handler, partial) else handler
    return str(getattr(inner, "__qualname__", type(inner).__qualname__))


def check_callable(name: str, handler: Any) -> None:
    """Raises InvalidOption for a handler of `name` that cannot be called."""
    if not callable(handler):
        raise InvalidOption(f"the handler of {name!r} is a {type(handler).__name__}, which cannot be called")


def call_safely(handler: Handler, *arguments: Any) -> None:
    """Call a user's handler; one that raises is logged by name, and costs nobody else anything."""
    try:
        handler(*arguments)
    except (KeyboardInterrupt, GeneratorExit):
        raise
    except BaseException:  # a user's callback may fail, exit or be cancelled, the client may not
        log.exception("handler %s raised", name_of(handler))


class Subscriptions:
    """Handlers by name; safe to use from any thread.

    A handler that was registered twice under one name is called once: every message reaches each handler
    exactly once. One that cannot be called is refused when it is registered (InvalidOption).
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._handlers: dict[str, dict[Handler, bool]] = {}
        #: The names that have a handler for one call only.
        self._once: frozenset[str] = frozenset()

    def add(self, name: str, handler: Handler, once: bool = False) -> None:
        """Call `handler` for what is published under `name`; with `once`, for the first of it only."""
        check_callable(name, handler)
        with self._lock:
            self._set(name, {**self._handlers.get(name, {}), handler: once})

    def remove(self, name: str, handler: Handler) -> bool:
        """False when it was not registered."""
        with self._lock:
            remaining = dict(self._handlers.get(name, {}))
            found = remaining.pop(handler, None) is not None
            self._set(name, remaining)
            return found

    def clear(self, name: str) -> None:
        """Forget every handler of `name`."""
        with self._lock:
            self._set(name, {})

    def take(self, name: str) -> list[Handler]:
        """The handlers to call now for `name`; those for one call only are removed by this."""
        found = self._handlers.get(name)
        if found is None:
            return []
        if name not in self._once:
            return list(found)
        return [handler for handler, once in found.items() if not once or self.remove(name, handler)]

    def has(self, name: str) -> bool:
        """Whether there is a handler for `name`."""
        return name in self._handlers

    def all(self) -> list[tuple[str, Handler, bool]]:
        """Every registration: name, handler, and whether it is for one call only."""
        return [
            (name, handler, once) for name, some in self._handlers.items() for handler, once in some.items()
        ]

    def _set(self, name: str, handlers: dict[Handler, bool]) -> None:
        """Put others in their place: whoever looks meanwhile sees the old or the new ones."""
        others = {key: some for key, some in self._handlers.items() if key != name}
        self._handlers = {**others, name: handlers} if handlers else others
        self._once = frozenset(key for key, some in self._handlers.items() if any(some.values()))


class LocalBus:
    """The verbs of an OVOS bus over Subscriptions.

    `run` is when callbacks get called (at once by default) and `call(handler, message)` how; `tap` sees each message
    that is emitted here.
    """

    def __init__(
        self,
        run: Callable[[Callable[[], None]], None] = lambda job: job(),
        tap: Callable[[Any], None] = lambda message: None,
        call: Callable[..., None] = call_safely,
    ) -> None:
        self.subscriptions = Subscriptions()
        self._run = run
        self._tap = tap
        self._call = call

    def on(self, event_name: str, func: Handler) -> None:
        """Call `func(message)` for each message of this type; `message` is every one, as JSON text."""
        self.subscriptions.add(event_name, func)

    def once(self, event_name: str, func: Handler) -> None:
        """Call `func(message)` for the next message of this type only."""
        self.subscriptions.add(event_name, func, once=True)

    def remove(self, event_name: str, func: Handler) -> None:
        """Call `func` no more. One that was not registered is no error, but is logged."""
        if not self.subscriptions.remove(event_name, func):
            log.debug("no such handler of %s", event_name)

    def remove_all_listeners(self, event_name: str) -> None:
        """Forget every handler of this type."""
        self.subscriptions.clear(event_name)

    def emit(self, message: Any) -> None:
        """Say an OVOS Message on this bus: to its handlers, and to the hub if it is for the hub."""
        self.deliver(message)
        self._tap(message)

    def deliver(self, message: Any) -> None:
        """Hand an OVOS Message to its handlers, and to nobody else."""
        name = message.msg_type
        for handler, argument in self._calls(name, lambda: message):
            self._run(partial(self._call, handler, argument))

    def deliver_fields(self, fields: Json) -> None:
        """Like `deliver`, for the fields of a Message, which is made where somebody wants it."""
        for handler, argument in self._calls(fields["type"], lambda: to_message(fields)):
            self._run(partial(self._call, handler, argument))

    def deliver_now(self, fields: Json) -> None:
        """Like `deliver_fields`, on the thread that calls."""
        name, subscriptions = fields["type"], self.subscriptions
        if subscriptions.has("message"):
            for handler, argument in self._calls(name, lambda: to_message(fields)):
                self._call(handler, argument)
            return
        handlers = subscriptions.take(name)
        if handlers:
            message = to_message(fields)
            for handler in handlers:
                self._call(handler, message)

    def _calls(self, name: str, made: Callable[[], Any]) -> list[tuple[Handler, Any]]:
        """Who is to be called with what; `made()` is the Message, asked for where somebody wants it."""
        handlers, watchers = self.subscriptions.take(name), self.subscriptions.take("message")
        if not handlers and not watchers:
            return []
        message = made()
        calls = [(handler, message) for handler in handlers]
        if watchers:
            text = message.serialize()
            calls += [(handler, text) for handler in watchers]
        return calls
