"""One process of a fleet: many asyncio clients, told what to do by lines of JSON on stdin, answered on stdout.

`{"do": "connect", "target", "keys", "count", "abreast", "budget"}` first, then `{"do": "rest", "seconds"}` and
`{"do": "ask", "each"}` as often as wanted. It ends when stdin closes.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from hivebench.crowd import Member, allow_files, connect_all, timed
from hivebench.worker import Json, memory, take_stdout
from our_crowd import Ours

#: Seconds that each step of connecting may take: a hub answers hundreds one after the other.
_QUEUE = 120.0
_SPARE_FILES = 200
#: Seconds after which an answer does not come any more.
_ANSWER_SECONDS = 30.0
_ATTEMPTS, _PAUSE = 5, 2.0


class Fleet(Ours):
    """AsyncHiveMessageBusClient with keys that take turns. `refused` counts the attempts that came to nothing."""

    def __init__(self, question: Json) -> None:
        self.abreast = question["abreast"]
        self.refused = 0
        self._keys: list[str] = question["keys"]

    def load(self) -> None:
        """Import the client, and give it time: what is measured is the fleet, not its first impatient member."""
        super().load()
        from hivemind_core_client import Deadlines

        self._patience = Deadlines(upgrade=_QUEUE, first_frame=_QUEUE, handshake=_QUEUE)

    def make(self, target: Json, number: int, hear: Callable[[str], None]) -> Any:
        """A client; all of them are one node."""
        key = self._keys[number % len(self._keys)]
        return super().make({**target, "key": key, "deadlines": self._patience}, number, hear)

    async def connect(self, client: Any) -> None:
        """Return when the session stands; a hub that is too busy to take it is asked again."""
        from hivemind_core_client.errors import HiveMindError

        for _ in range(_ATTEMPTS):
            try:
                return await super().connect(client)
            except HiveMindError:
                self.refused += 1
                await asyncio.sleep(_PAUSE)
        return await super().connect(client)


async def _connect(question: Json) -> tuple[list[Member], Json]:
    allow_files(question["count"] + _SPARE_FILES)
    fleet, members = Fleet(question), []
    fleet.load()
    # The first one pays for what is imported late.
    await connect_all(fleet, {**question, "count": 1}, members)
    first = memory()
    _, taken = await timed(connect_all(fleet, question, members))
    gc.collect()
    grown = memory()["uss"] - first["uss"]
    return members, {"connected": len(members), "refused": fleet.refused, **taken, "memory": grown}


async def _ask(members: list[Member], each: int) -> Json:
    waits: list[float] = []
    started = ended = time.perf_counter()

    async def some(member: Member) -> None:
        nonlocal ended
        for _ in range(each):
            began = time.perf_counter()
            with suppress(
                asyncio.TimeoutError
            ):  # an answer that gets lost at the hub is missing from the count
                await asyncio.wait_for(member.pour(1), _ANSWER_SECONDS)
                ended = time.perf_counter()
                waits.append(ended - began)

    _, taken = await timed(asyncio.gather(*(some(member) for member in members)))
    taken.update(missing=each * len(members) - len(waits), spent=ended - started)
    return {"answers": len(waits), **taken, "median": statistics.median(waits), "slowest": max(waits)}


async def _serve(answers: Any) -> None:
    members: list[Member] = []
    while line := await asyncio.to_thread(sys.stdin.readline):
        question = json.loads(line)
        try:
            if question["do"] == "connect":
                members, content = await _connect(question)
            elif question["do"] == "rest":
                _, content = await timed(asyncio.sleep(question["seconds"]))
            else:
                content = await _ask(members, question["each"])
        except Exception as error:  # the report shows what a process could not do
            content = {"error": f"{type(error).__name__}: {error}"[:300]}
        answers.write(json.dumps(content) + "\n")
        answers.flush()


if __name__ == "__main__":
    asyncio.run(_serve(take_stdout()))
    os._exit(0)  # saying farewell a thousand times is not measured
