"""Workers of the group `path` of this library: `path_ours.py threads|asyncio TARGET (JSON) [plain] [names] [calls]`.

With `plain`, what the extra `speed` brings cannot be imported. With `names` the client is imported by the names of the
reference client (compat/). With `calls` nothing is timed: the calls of our functions are counted, for one message each
way, and the answer is one line.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import threading
import time
from collections import Counter
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

from hivebench.path_worker import (
    Json,
    ListeningAsyncioClient,
    ListeningClient,
    pour,
    serve_asyncio,
    serve_threads,
    utterance,
)

#: What the client is imported from.
OWN, NAMES = "hivemind_core_client", "hivemind_bus_client"
#: Of the extra `speed`, what is not installed with the library anyway.
_SPEED = ("msgspec", "z85base91")
#: How many messages are looked at, after some that fill caches, and the seconds between them.
_WARM_UP, _COUNTED, _PAUSE_S = 5, 15, 0.02


class Threads(ListeningClient):
    """HiveMessageBusClient, as it comes."""

    def __init__(self, package: str, target: Json) -> None:
        super().__init__()
        self._client = import_module(package).HiveMessageBusClient(**target, identity=_identity(package))
        self.emit = self._client.emit  # type: ignore[method-assign]
        self._client.connect()
        self.listen(self._client.on_mycroft)

    def emit(self, message: Any) -> None:
        """Replaced by the client's."""


class Asyncio(ListeningAsyncioClient):
    """AsyncHiveMessageBusClient, as it comes."""

    def __init__(self, package: str, target: Json) -> None:
        super().__init__()
        self.client = import_module(package).AsyncHiveMessageBusClient(**target, identity=_identity(package))
        self.emit = self.client.emit  # type: ignore[method-assign]
        self.listen(self.client.on_mycroft)

    async def emit(self, message: Any) -> None:
        """Replaced by the client's."""


async def connected(package: str, target: Json) -> Asyncio:
    """The client, when its session stands."""
    made = Asyncio(package, target)
    await made.client.connect()
    return made


def _identity(package: str) -> Any:
    return import_module(f"{package}.identity").NodeIdentity({})


class Calls:
    """Notes each call of a function whose file lies in a package of ours, on every thread; a generator that goes on
    counts.

    `turns` has how many there were until each turn.
    """

    def __init__(self, package: str) -> None:
        found = (import_module(name).__file__ for name in {OWN, package})
        self._folders = tuple(str(Path(file).parent) for file in found if file)
        self._seen: list[str] = []
        self._turns: list[int] = []
        threading.setprofile(self._note)
        sys.setprofile(self._note)

    def turn(self, _message: Any = None) -> None:
        self._turns.append(len(self._seen))

    def result(self) -> Json:
        """The median of the calls between two turns, and where they were, in one such round. Begins anew."""
        rounds = list(zip(self._turns, self._turns[1:]))[_WARM_UP:]
        number = statistics.median_low(end - begin for begin, end in rounds)
        begin, end = next(found for found in rounds if found[1] - found[0] == number)
        where = self._seen[begin:end]
        self._seen.clear()
        self._turns.clear()
        return {"number": number, "where": where}

    def _note(self, frame: Any, event: str, _argument: Any) -> None:
        code = frame.f_code
        if event == "call" and code.co_filename.startswith(self._folders):
            name = getattr(code, "co_qualname", code.co_name)
            self._seen.append(f"{Path(code.co_filename).stem}.{name}")


def count_threads(package: str, target: Json) -> Json:
    """The calls of one message each way, with threads."""
    calls = Calls(package)
    client = Threads(package, target)
    time.sleep(0.2)
    for _ in range(_WARM_UP + _COUNTED):
        calls.turn()
        client.emit(utterance())
        time.sleep(_PAUSE_S)
    up = calls.result()
    client.down(pour(_WARM_UP + _COUNTED, _PAUSE_S), _WARM_UP + _COUNTED, calls.turn)
    return {"up": up, "down": calls.result()}


async def count_asyncio(package: str, target: Json) -> Json:
    """The calls of one message each way, with asyncio."""
    calls = Calls(package)
    client = await connected(package, target)
    await asyncio.sleep(0.2)
    for _ in range(_WARM_UP + _COUNTED):
        calls.turn()
        await client.emit(utterance())
        await asyncio.sleep(_PAUSE_S)
    up = calls.result()
    await client.down(pour(_WARM_UP + _COUNTED, _PAUSE_S), _WARM_UP + _COUNTED, calls.turn)
    return {"up": up, "down": calls.result()}


def main(kind: str, target: Json, *options: str) -> None:
    """Serve, or count."""
    if "plain" in options:
        sys.modules.update(dict.fromkeys(_SPEED))
    package = NAMES if "names" in options else OWN
    if "calls" in options:
        by_threads = kind == "threads"
        answer = count_threads(package, target) if by_threads else asyncio.run(count_asyncio(package, target))
        sys.setprofile(None)
        print(json.dumps(answer), flush=True)
        if "show" in options:
            for way, found in answer.items():
                print(way, found["number"], *Counter(found["where"]).items(), sep="\n  ")
    elif kind == "threads":
        serve_threads(partial(Threads, package), target)
    else:
        serve_asyncio(partial(connected, package), target)


if __name__ == "__main__":
    main(sys.argv[1], json.loads(sys.argv[2]), *sys.argv[3:])
