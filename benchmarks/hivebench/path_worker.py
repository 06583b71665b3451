"""What the workers of the group `path` share: the talk with the runner, and the stopwatch.

A worker connects one client to the peer, prints a line, and answers one JSON line on stdout for each on stdin.
Times are those that this process computed, all its threads included, for one message.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from hivebench.worker import Json, check, take_stdout

#: The OVOS types of the talk with the peer; by_hand.py has them too, and needs more than the reference has.
COUNT, COUNTED, POUR, SPOKEN = "bench.count", "bench.counted", "bench.pour", "speak"
#: The longest that one answer of the peer may take, in seconds.
_PATIENCE_S = 100.0

Handler = Callable[[Any], None]


class ThreadsClient(ABC):
    """A client with threads, connected."""

    @abstractmethod
    def up(self, messages: list[Any], ask: Any) -> int:
        """Send all, then `ask`, and return how many the peer says it has."""

    @abstractmethod
    def down(self, ask: Any, count: int, hear: Handler) -> None:
        """Send `ask`, and return when `hear` was called with `count` messages."""


class ListeningClient(ThreadsClient):
    """One whose handlers are called by threads of its own."""

    def __init__(self) -> None:
        self._count = self._missing = 0
        self._hear: Handler = id
        self._done = threading.Event()

    @abstractmethod
    def emit(self, message: Any) -> None:
        """Send an OVOS Message."""

    def listen(self, on: Callable[[str, Handler], None]) -> None:
        on(COUNTED, self._counted)
        on(SPOKEN, self._spoken)

    def up(self, messages: list[Any], ask: Any) -> int:
        self._done.clear()
        for message in messages:
            self.emit(message)
        self._wait_after(ask)
        return self._count

    def down(self, ask: Any, count: int, hear: Handler) -> None:
        self._missing, self._hear = count, hear
        self._done.clear()
        self._wait_after(ask)

    def _wait_after(self, ask: Any) -> None:
        self.emit(ask)
        if not self._done.wait(_PATIENCE_S):
            raise RuntimeError("the peer did not answer in time")

    def _counted(self, message: Any) -> None:
        self._count = message.data["count"]
        self._done.set()

    def _spoken(self, message: Any) -> None:
        self._hear(message)
        self._missing -= 1
        if not self._missing:
            self._done.set()


class AsyncioClient(ABC):
    """A client on an event loop, connected."""

    @abstractmethod
    async def up(self, messages: list[Any], ask: Any) -> int:
        """Send all, then `ask`, and return how many the peer says it has."""

    @abstractmethod
    async def down(self, ask: Any, count: int, hear: Handler) -> None:
        """Send `ask`, and return when `hear` was called with `count` messages."""


class ListeningAsyncioClient(AsyncioClient):
    """One whose handlers are called by tasks of its own."""

    def __init__(self) -> None:
        self._count = self._missing = 0
        self._hear: Handler = id
        self._done = asyncio.Event()

    @abstractmethod
    async def emit(self, message: Any) -> None:
        """Send an OVOS Message."""

    def listen(self, on: Callable[[str, Handler], None]) -> None:
        on(COUNTED, self._counted)
        on(SPOKEN, self._spoken)

    async def up(self, messages: list[Any], ask: Any) -> int:
        self._done.clear()
        for message in messages:
            await self.emit(message)
        await self._wait_after(ask)
        return self._count

    async def down(self, ask: Any, count: int, hear: Handler) -> None:
        self._missing, self._hear = count, hear
        self._done.clear()
        await self._wait_after(ask)

    async def _wait_after(self, ask: Any) -> None:
        await self.emit(ask)
        await asyncio.wait_for(self._done.wait(), _PATIENCE_S)

    def _counted(self, message: Any) -> None:
        self._count = message.data["count"]
        self._done.set()

    def _spoken(self, message: Any) -> None:
        self._hear(message)
        self._missing -= 1
        if not self._missing:
            self._done.set()


def utterance() -> Any:
    """The message that goes up."""
    data = {"utterances": ["what will the weather be like in Lisbon tomorrow"], "lang": "en-us"}
    return _message("recognizer_loop:utterance", data)


def pour(count: int, pause: float = 0.0) -> Any:
    """Asks the peer for messages."""
    return _message(POUR, {"count": count, "pause": pause})


def _message(msg_type: str, data: Json) -> Any:
    from ovos_bus_client.message import Message

    return Message(msg_type, data)


def _ignore(_message: Any) -> None:
    """The user's handler."""


def _measured_up(client: ThreadsClient, count: int) -> float:
    messages = [utterance() for _ in range(count)]
    gc.collect()
    began = time.process_time()
    counted = client.up(messages, _message(COUNT, {}))
    spent = time.process_time() - began
    check(count + 1, counted, "messages up")
    return spent / count


def _measured_down(client: ThreadsClient, count: int) -> float:
    gc.collect()
    began = time.process_time()
    client.down(pour(count), count, _ignore)
    return (time.process_time() - began) / count


async def _measured_up_asyncio(client: AsyncioClient, count: int) -> float:
    messages = [utterance() for _ in range(count)]
    gc.collect()
    began = time.process_time()
    counted = await client.up(messages, _message(COUNT, {}))
    spent = time.process_time() - began
    check(count + 1, counted, "messages up")
    return spent / count


async def _measured_down_asyncio(client: AsyncioClient, count: int) -> float:
    gc.collect()
    began = time.process_time()
    await client.down(pour(count), count, _ignore)
    return (time.process_time() - began) / count


def serve_threads(connect: Callable[[Json], ThreadsClient], target: Json) -> None:
    """Connect, and answer until stdin ends. The process ends with it."""
    answers = take_stdout()

    def answer(content: Json) -> None:
        answers.write(json.dumps(content) + "\n")
        answers.flush()

    try:
        client = connect(target)
        answer({"connected": True})
        for line in sys.stdin:
            question = json.loads(line)
            measure = _measured_up if question["way"] == "up" else _measured_down
            answer({"per_call": measure(client, question["count"])})
    except Exception as error:  # the report shows which worker failed and why
        answer({"error": f"{type(error).__name__}: {error}"[:300]})
    os._exit(0)


def serve_asyncio(connect: Any, target: Json) -> None:
    """The same on an event loop; `connect` is a coroutine function."""
    asyncio.run(_serve_asyncio(connect, target))


async def _serve_asyncio(connect: Any, target: Json) -> None:
    answers = take_stdout()
    loop = asyncio.get_running_loop()

    def answer(content: Json) -> None:
        answers.write(json.dumps(content) + "\n")
        answers.flush()

    try:
        client = await connect(target)
        answer({"connected": True})
        while True:
            line = await loop.run_in_executor(None, sys.stdin.readline)
            if not line:
                break
            question = json.loads(line)
            measure = _measured_up_asyncio if question["way"] == "up" else _measured_down_asyncio
            answer({"per_call": await measure(client, question["count"])})
    except Exception as error:  # as above
        answer({"error": f"{type(error).__name__}: {error}"[:300]})
    os._exit(0)
