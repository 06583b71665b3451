"""Many asyncio clients in one process: how fast they connect, what they carry, and what each weighs."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import resource
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from hivebench.worker import Json, memory, take_stdout

T = TypeVar("T")

#: The longest that carrying all messages in one direction may take, in seconds.
_CARRY_BUDGET = 120.0
_IDLE_SECONDS = 0.5
#: The fewest messages that each client carries in one direction.
_LEAST_SHARE = 5
#: Descriptors beyond one for each client.
_SPARE_FILES = 200


class Crowd(ABC):
    """The asyncio client of one side. `abreast` is how many of them connect at a time."""

    abreast = 32

    @abstractmethod
    def load(self) -> None:
        """Import the client."""

    @abstractmethod
    def make(self, target: Json, number: int, hear: Callable[[str], None]) -> Any:
        """A client that is not connected yet; `hear` is called with each sentence that the hub speaks."""

    @abstractmethod
    async def connect(self, client: Any) -> None:
        """Return when the session stands; raise otherwise."""

    @abstractmethod
    def say(self, client: Any, utterance: str) -> Awaitable[Any]:
        """Send an utterance."""


class Member:
    """One client of the crowd, and how many sentences it still waits for."""

    def __init__(self, crowd: Crowd, target: Json, number: int) -> None:
        self._crowd = crowd
        self._missing = 0
        self._heard = asyncio.Event()
        self.client = crowd.make(target, number, self._hear)

    async def connect(self) -> None:
        await self._crowd.connect(self.client)

    async def send(self, count: int) -> None:
        """Send `count` messages. The answer to one more tells that the hub has them all."""
        for _ in range(count):
            await self._crowd.say(self.client, "pour 0")
        await self._converse("over", 1)

    async def pour(self, count: int) -> None:
        """Let the hub send `count` messages, and return when all were heard."""
        await self._converse(f"pour {count}", count)

    async def _converse(self, utterance: str, answers: int) -> None:
        self._missing = answers
        self._heard.clear()
        await self._crowd.say(self.client, utterance)
        await self._heard.wait()

    def _hear(self, _sentence: str) -> None:
        self._missing -= 1
        if self._missing == 0:
            self._heard.set()


def gather(crowd: Crowd, question: Json) -> Json:
    """Measure one crowd: `target`, `count` clients, `messages` in each direction, shared among them.

    Connecting stops after `budget` seconds: then `connected` tells how many there are, and they carry nothing.
    """
    allow_files(question["count"] + _SPARE_FILES)
    bare = memory()
    crowd.load()
    return asyncio.run(_measure(crowd, question, bare))


async def _measure(crowd: Crowd, question: Json, bare: Json) -> Json:
    count, members = question["count"], []
    _, connecting = await timed(connect_all(crowd, question, members))
    await asyncio.sleep(_IDLE_SECONDS)
    gc.collect()
    answer: Json = {"connected": len(members), "connecting": connecting, "bare": bare, "idle": memory()}
    if len(members) < count:
        return answer
    share = max(_LEAST_SHARE, question["messages"] // count)
    # Each sends one more to hear that all have arrived, or to ask for what it wants to hear.
    answer["messages"] = (share + 1) * count
    for name, verb in (("up", Member.send), ("down", Member.pour)):
        work = asyncio.gather(*(verb(member, share) for member in members))
        _, answer[name] = await timed(asyncio.wait_for(work, _CARRY_BUDGET))
    return answer


async def connect_all(crowd: Crowd, question: Json, members: list[Member]) -> None:
    """Add to `members` until there are `count` of them, for `budget` seconds."""
    numbers = iter(range(len(members), question["count"]))
    loop = asyncio.get_running_loop()
    end = loop.time() + question["budget"]

    async def some() -> None:
        for number in numbers:
            if loop.time() > end:
                return
            member = Member(crowd, question["target"], number)
            await member.connect()
            members.append(member)

    await asyncio.gather(*(some() for _ in range(crowd.abreast)))


async def timed(work: Awaitable[T]) -> tuple[T, Json]:
    """The result, with the seconds that passed, and those that this process computed."""
    started, used = time.perf_counter(), time.process_time()
    result = await work
    return result, {"seconds": time.perf_counter() - started, "cpu": time.process_time() - used}


def allow_files(wanted: int) -> None:
    """Let this process have so many descriptors, as far as the system does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def main(crowd: Crowd) -> int:
    """Answer the question that stdin asks; what fails is said, too."""
    answers = take_stdout()
    question = json.loads(sys.stdin.readline())
    try:
        content = gather(crowd, question)
    except Exception as error:  # the report shows why a crowd failed; the others go on
        content = {"error": f"{type(error).__name__}: {error}"[:300]}
    answers.write(json.dumps(content) + "\n")
    answers.flush()
    os._exit(0)  # saying farewell a thousand times is not measured
