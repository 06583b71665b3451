"""Collect-calls of OVOS: a message that many may answer, made and answered on the bus of the client."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from functools import wraps
from typing import TYPE_CHECKING, Any, Callable, Union

from hivemind_core_client.kernel.collect_calls import Collecting, Collection, Enough, promised
from hivemind_core_client.shell.handlers import ListenVerbs
from hivemind_core_client.shell.local_bus import Handler
from hivemind_core_client.shell.properties import bound
from hivemind_core_client.shell.waiters import Waiter, is_hive_type
from hivemind_core_client.sync.waiting import WaitVerbs
from hivemind_core_client.wire.errors import InvalidOption
from hivemind_core_client.wire.ovos import to_collection_message, to_message

if TYPE_CHECKING:
    from ovos_bus_client.message import CollectionMessage, Message

Seconds = Union[int, float]


class CollectListener(ListenVerbs):
    """What clients of every kind do alike for collect-calls."""

    wrapped_funcs: dict[Any, Any]
    _collecting: Collecting

    def on_collect(
        self, event_name: str, func: Callable[[CollectionMessage], Any], timeout: Seconds = 2
    ) -> None:
        """Answer the collect-calls of a type: `func(request)` then emits `request.success({…})`, or `failure()`.

        The caller is told at once to wait for that, `timeout` seconds at most. A second call for the same `func`
        takes the place of the first.
        """
        seconds = bound("timeout", timeout)
        if not callable(func):
            raise InvalidOption(
                f"the handler of {event_name!r} is a {type(func).__name__}, which cannot be called"
            )
        if is_hive_type(event_name):
            raise InvalidOption(
                f"{event_name!r} is the name of a hive type: a collect-call is an OVOS message"
            )
        self._uncollect(event_name, func)
        answering = self._answering(func, seconds)
        self.wrapped_funcs[event_name, func] = answering
        self.on(event_name, answering)

    def remove(self, event_name: str, func: Handler) -> None:
        """Call `func` no more for this type; one that was not registered is no error."""
        if not self._uncollect(event_name, func):
            super().remove(event_name, func)

    def remove_all_listeners(self, event_name: str) -> None:
        """Forget every handler of this type."""
        for key in [key for key in self.wrapped_funcs if key[0] == event_name]:
            del self.wrapped_funcs[key]
        super().remove_all_listeners(event_name)

    def _uncollect(self, event_name: str, func: Handler) -> bool:
        answering = self.wrapped_funcs.pop((event_name, func), None)
        if answering is not None:
            super().remove(event_name, answering)
        return answering is not None

    def _answering(self, func: Handler, seconds: float) -> Handler:
        """What is called for a collect-call in place of `func`."""
        raise TypeError("a client brings its own")

    @contextmanager
    def _open_call(
        self, message: Message, min_timeout: Seconds, max_timeout: Seconds, enough: Enough
    ) -> Iterator[Collection]:
        """A collect-call that gets its responses within the block."""
        if inspect.iscoroutinefunction(enough):
            raise InvalidOption(
                "direct_return_func is asked on the spot: pass a function, no coroutine function"
            )
        shortest, longest = bound("min_timeout", min_timeout), bound("max_timeout", max_timeout)
        collecting, collection = self._collecting, Collection(message, shortest, longest, enough)
        collecting.begin(collection)
        try:
            for name in collection.names:
                self.on(name, collecting.take)
            yield collection
        finally:
            for name in collecting.end(collection):
                super().remove(name, collecting.take)


class CollectVerbs(CollectListener, WaitVerbs):
    """Making and answering collect-calls, on the thread that calls."""

    def collect_responses(
        self,
        message: Message,
        min_timeout: Seconds = 0.2,
        max_timeout: Seconds = 3.0,
        direct_return_func: Enough = None,
    ) -> list[Message]:
        """Send an OVOS Message to many, and return the OVOS Messages of those who answer it by `on_collect`.

        Who wants to answer has `min_timeout` seconds to say so. All of them are waited for, `max_timeout` seconds at
        most, unless `direct_return_func(response)` is true, or the connection ends: then what has come is returned.
        Raises like `emit`.
        """
        waiter = Waiter(lambda _: False, request=True)
        with self._open_call(message, min_timeout, max_timeout, direct_return_func) as collection:
            collection.wake = waiter.give_up
            self.waiters.join(waiter)
            try:
                self.emit(to_message(collection.call))
                for seconds in collection.pauses():
                    self._wait(waiter, seconds)
                    self.waiters.join(waiter)
            finally:
                self.waiters.remove(waiter)
        return collection.responses

    def _answering(self, func: Handler, seconds: float) -> Handler:
        @wraps(func)
        def answering(message: Message) -> None:
            promise, ids = promised(message, seconds)
            self.emit(promise)
            func(to_collection_message(message, *ids))

        return answering
