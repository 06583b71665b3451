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
        #: By name: each handler, and whether it is for one call only. What stands under a name is never changed, but
        #: put in its place, so that whoever looks meanwhile sees the old or the new.
        self._handlers: dict[str, dict[Handler, bool]] = {}

    def add(self, name: str, handler: Handler, once: bool = False) -> None:
        """Call `handler` for what is published under `name`; with `once`, for the first of it only."""
        check_callable(name, handler)
        with self._lock:
            self._handlers[name] = {**self._handlers.get(name, {}), handler: once}

    def remove(self, name: str, handler: Handler) -> bool:
        """False when it was not registered."""
        with self._lock:
            return self._forget(name, handler)

    def clear(self, name: str) -> None:
        """Forget every handler of `name`."""
        with self._lock:
            self._handlers.pop(name, None)

    def take(self, name: str) -> list[Handler]:
        """The handlers to call now for `name`; those for one call only are removed by this."""
        found = self._handlers.get(name)
        if found is None:
            return []
        if True not in found.values():
            return list(found)
        return [handler for handler, once in found.items() if not once or self._take_only_call(name, handler)]

    def has(self, name: str) -> bool:
        """Whether there is a handler for `name`."""
        return name in self._handlers

    def of(self, name: str) -> list[Handler]:
        """The handlers of `name`, in the order they came."""
        return list(self._handlers.get(name, ()))

    def all(self) -> list[tuple[str, Handler, bool]]:
        """Every registration: name, handler, and whether it is for one call only."""
        with self._lock:
            by_name = list(self._handlers.items())
        return [(name, handler, once) for name, some in by_name for handler, once in some.items()]

    def _take_only_call(self, name: str, handler: Handler) -> bool:
        """Whether nobody else has taken the one call of this handler; it may have been given more meanwhile."""
        with self._lock:
            once = self._handlers.get(name, {}).get(handler)
            return once is False or self._forget(name, handler)

    def _forget(self, name: str, handler: Handler) -> bool:
        remaining = dict(self._handlers.get(name, {}))
        found = remaining.pop(handler, None) is not None
        if remaining:
            self._handlers[name] = remaining
        else:
            self._handlers.pop(name, None)
        return found
