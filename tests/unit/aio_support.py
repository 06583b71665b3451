"""The asyncio client under test: run to the end with nothing left behind, and driven from threads like the other."""

from __future__ import annotations

import asyncio
import gc
import inspect
import threading
import warnings
from collections.abc import Coroutine, Iterator
from typing import Any, Callable, ClassVar, TypeVar

from hivemind_core_client.aio.answers import AsyncAnswerStream
from hivemind_core_client.async_client import AsyncHiveMessageBusClient
from tests.unit.client_support import PATIENCE, login, utterance

T = TypeVar("T")


def make(hub: Any, **options: Any) -> AsyncHiveMessageBusClient:
    return AsyncHiveMessageBusClient(**login(hub.url, **options))


async def ask(client: AsyncHiveMessageBusClient, text: str = "hello") -> str:
    answer = await client.wait_for_response(utterance(text), "speak", PATIENCE)
    assert answer is not None
    return str(answer.payload.data["utterance"])


def run(work: Coroutine[Any, Any, T], tidy: bool = True) -> T:
    """asyncio.run, after which no task, socket or complaint of the loop is left; `tidy` looks before the loop ends."""
    complaints: list[dict[str, Any]] = []

    async def main() -> T:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
        result = await asyncio.wait_for(work, 50)
        if tidy:
            await asyncio.sleep(0)
            left = asyncio.all_tasks() - {asyncio.current_task()}
            assert left == set(), "tasks are left behind"
        return result

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = asyncio.run(main())
        gc.collect()
    assert complaints == []
    return result


async def until(reached: Callable[[], bool]) -> None:
    """Return once this is so, looking often: for what tells nobody."""
    end = asyncio.get_running_loop().time() + PATIENCE
    while not reached():
        assert asyncio.get_running_loop().time() < end
        await asyncio.sleep(0.002)


async def turns(count: int = 10) -> None:
    """Let the loop go round, so that what is ready happens."""
    for _ in range(count):
        await asyncio.sleep(0)


async def off_loop(work: Callable[..., T], *arguments: Any, **options: Any) -> T:
    """What blocks, such as the hub's verbs, away from the loop."""
    return await asyncio.get_running_loop().run_in_executor(None, lambda: work(*arguments, **options))


class OnLoop:
    """An AsyncHiveMessageBusClient with the verbs of the client for threads: what is awaited there waits here."""

    _open: ClassVar[set[OnLoop]] = set()

    def __init__(self, *arguments: Any, **options: Any) -> None:
        client = AsyncHiveMessageBusClient(*arguments, **options)
        loop = asyncio.new_event_loop()
        self.__dict__.update(client=client, loop=loop, complaints=[])
        loop.set_exception_handler(lambda _, context: self.complaints.append(context))
        self.__dict__["thread"] = threading.Thread(target=loop.run_forever, daemon=True)
        self.thread.start()
        self._open.add(self)

    @classmethod
    def end_all(cls) -> None:
        """Close every client and its loop; nothing may be left."""
        while cls._open:
            cls._open.pop().end()

    def wait(self, work: Coroutine[Any, Any, T]) -> Any:
        if threading.current_thread() is self.thread:  # a handler, which must not wait
            return self.loop.create_task(work)
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(50)

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.client, name)
        if name == "sound":
            return Verbs(self, found)
        if not inspect.iscoroutinefunction(found):
            return found
        return lambda *arguments, **options: self._plain(self.wait(found(*arguments, **options)))

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self.client, name, value)

    def __enter__(self) -> OnLoop:
        self.wait(self.client.__aenter__())
        return self

    def __exit__(self, *exception: object) -> None:
        self.wait(self.client.__aexit__(*exception))

    def __repr__(self) -> str:
        return repr(self.client)

    def run_in_thread(self) -> Any:
        async def start() -> Any:
            return self.client.run_in_thread()

        return self.wait(start())

    def _plain(self, result: Any) -> Any:
        return Stream(self, result) if isinstance(result, AsyncAnswerStream) else result

    def end(self) -> None:
        async def end() -> set[Any]:
            await self.client.close()
            running = asyncio.all_tasks() - {asyncio.current_task()}
            return (await asyncio.wait(running, timeout=2))[1] if running else running

        left = self.wait(end())
        self.wait(self.loop.shutdown_default_executor())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(PATIENCE)
        self.loop.close()
        assert left == set()
        assert self.complaints == []


class Verbs:
    """What a client has verbs in, `sound` and what that makes: what is awaited there waits here."""

    def __init__(self, client: OnLoop, target: Any) -> None:
        self._client = client
        self._target = target

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._target, name)
        if not inspect.ismethod(found):
            return found
        return lambda *arguments, **options: self._call(found, *arguments, **options)

    def __enter__(self) -> Verbs:
        self._client.wait(self._target.__aenter__())
        return self

    def __exit__(self, *exception: object) -> None:
        self._client.wait(self._target.__aexit__(*exception))

    def _call(self, method: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        async def call() -> Any:
            result = method(*arguments, **options)
            return await result if inspect.isawaitable(result) else result

        result = self._client.wait(call())
        return Verbs(self._client, result) if hasattr(result, "__aenter__") else result


class Stream:
    """An AsyncAnswerStream, iterated over by a thread."""

    def __init__(self, client: OnLoop, stream: AsyncAnswerStream) -> None:
        self._client = client
        self._stream = stream

    @property
    def first(self) -> Any:
        return self._stream.first

    def __iter__(self) -> Iterator[Any]:
        answers: Any = self._stream.__aiter__()
        while True:
            try:
                yield self._client.wait(_next(answers))
            except LookupError:
                return


async def _next(answers: Any) -> Any:
    """Like anext; StopAsyncIteration does not pass through a future."""
    try:
        return await answers.__anext__()
    except StopAsyncIteration:
        raise LookupError from None
