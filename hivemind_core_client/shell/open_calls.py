"""The collect-calls of OVOS that one client has made, and that are open."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Callable

from hivemind_core_client.kernel.collect_calls import Collecting, Collection
from hivemind_core_client.wire.errors import InvalidOption, Mend

if TYPE_CHECKING:
    from ovos_bus_client.message import Message

    from hivemind_core_client.kernel.collect_calls import Enough
    from hivemind_core_client.shell.handlers import Handlers


class OpenCalls:
    """Sees to it that each call gets the responses that belong to it."""

    def __init__(self, handlers: Handlers) -> None:
        self._handlers = handlers
        self._calls = Collecting()

    @contextmanager
    def open(
        self,
        message: Message,
        min_seconds: float,
        max_seconds: float,
        enough: Enough,
        wake: Callable[[], None],
    ) -> Iterator[Collection]:
        """A call that gets its responses within the block. `wake` is called when nobody need be waited for.

        Raises InvalidOption for an `enough` that would have to be awaited.
        """
        if inspect.iscoroutinefunction(enough):
            raise InvalidOption(
                "direct_return_func is asked on the spot",
                Mend("pass a function, no coroutine function", joint=": "),
            )
        collection = Collection(message, min_seconds, max_seconds, enough)
        collection.wake = wake
        self._calls.begin(collection)
        try:
            for name in collection.names:
                self._handlers.add(name, self._calls.take)
            yield collection
        finally:
            for name in self._calls.end(collection):
                self._handlers.remove(name, self._calls.take)
