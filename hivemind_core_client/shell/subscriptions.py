"""Handlers by name, and calling them so that one that raises costs nobody else anything."""

from __future__ import annotations

import logging
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, Any

from hivemind_core_client.wire.errors import InvalidOption

if TYPE_CHECKING:
    from hivemind_core_client.shell.protocols import Handler

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
