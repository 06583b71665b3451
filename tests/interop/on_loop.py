"""The asyncio client as the rows want it: on an event loop in a thread of its own, its verbs as calls that block."""

from __future__ import annotations

import asyncio
import importlib
import threading
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import TimeoutError as TookTooLong
from functools import partial
from typing import Any

_VERB_SECONDS = 90.0
_END_SECONDS = 10.0
#: Attributes of a client that are themselves bound to its loop.
_BOUND = frozenset({"internal_bus", "sound"})
#: What tells that an object belongs to a loop: it can be iterated over there, or entered.
_ON_A_LOOP = ("__aiter__", "__aenter__")


class EventLoop:
    """An event loop that runs in a thread until `close`."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="event loop", daemon=True)
        self._beside: set[asyncio.Future[Any]] = set()
        self._thread.start()

    def run(self, function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        """Call a function or coroutine function on the loop, and return what it returns.

        On the loop itself, within a handler, where nothing can be awaited, a coroutine goes on beside the handler.
        Raises what it raises, and AssertionError when it takes longer than any row has time.
        """
        if threading.current_thread() is self._thread:
            return self._on_the_loop(function(*arguments, **named))

        async def work() -> Any:
            result = function(*arguments, **named)
            return await result if isinstance(result, Awaitable) else result

        running = asyncio.run_coroutine_threadsafe(work(), self._loop)
        try:
            return running.result(_VERB_SECONDS)
        except TookTooLong:
            if running.done():
                raise
            running.cancel()
            raise AssertionError(f"{function} took longer than {_VERB_SECONDS:.0f} s") from None

    @property
    def is_closed(self) -> bool:
        """True once it has ended."""
        return self._loop.is_closed()

    def close(self) -> None:
        """End the loop. Raises AssertionError for tasks that were left on it."""
        left = self.run(self._others)
        for end in (self._loop.shutdown_asyncgens, self._loop.shutdown_default_executor):
            self.run(end)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=_END_SECONDS)
        assert not self._thread.is_alive(), "the event loop does not end"
        self._loop.close()
        assert not left, f"the client left tasks behind: {left}"

    async def _others(self) -> list[str]:
        return [repr(task) for task in asyncio.all_tasks() if task is not asyncio.current_task()]

    def _on_the_loop(self, result: Any) -> Any:
        if isinstance(result, Awaitable):
            result = asyncio.ensure_future(result)
            self._beside.add(result)
            result.add_done_callback(self._beside.discard)
        return result


class Blocking:
    """Stands for an object that belongs to an event loop: its methods block, its attributes are passed through.

    What can be iterated with `async for` can be with `for`, and entered with `async with` by `with`; so can what a
    method returns.
    """

    def __init__(self, loop: EventLoop, target: Any) -> None:
        self.__dict__.update(_loop=loop, _target=target)

    def __getattr__(self, name: str) -> Any:
        value = self._loop.run(getattr, self._target, name)
        if callable(value):
            return partial(self._call, value)
        return Blocking(self._loop, value) if name in _BOUND else value

    def __setattr__(self, name: str, value: Any) -> None:
        self._loop.run(setattr, self._target, name, value)

    def __enter__(self) -> Blocking:
        self._loop.run(self._target.__aenter__)
        return self

    def __exit__(self, *exception: object) -> None:
        self._loop.run(self._target.__aexit__, *exception)

    def __iter__(self) -> Iterator[Any]:
        items = self._loop.run(self._target.__aiter__)
        while True:
            try:
                yield self._loop.run(items.__anext__)
            except StopAsyncIteration:
                return

    def _call(self, method: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        result = self._loop.run(method, *arguments, **named)
        belongs = any(hasattr(result, name) for name in _ON_A_LOOP)
        return Blocking(self._loop, result) if belongs else result


class OnLoop(Blocking):
    """An AsyncHiveMessageBusClient of `package` on a loop of its own; `close` ends the client and its loop."""

    def __init__(self, package: str = "hivemind_core_client", **options: Any) -> None:
        # The harness's own tests run without the library.
        module = importlib.import_module(f"{package}.async_client")
        loop = EventLoop()
        super().__init__(loop, loop.run(module.AsyncHiveMessageBusClient, **options))

    def made(self, kind: Callable[..., Any], *arguments: Any) -> Blocking:
        """What `kind(client, …)` makes on the loop; its methods block too."""
        return Blocking(self._loop, self._loop.run(kind, self._target, *arguments))

    def run_in_thread(self) -> None:
        """Connect in the background. The task that it runs in is not waited for, which any other result is."""
        self._loop.run(lambda: bool(self._target.run_in_thread()))

    def end_client(self) -> None:
        """Close the client, and leave its loop."""
        self._loop.run(self._target.close, timeout=1)

    def close(self) -> None:
        """Close the client, and end the loop, on which it must have left nothing. Idempotent."""
        if not self._loop.is_closed:
            try:
                self._loop.run(self._target.close)
            finally:
                self._loop.close()
