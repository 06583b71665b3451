"""A satellite with an outbox in a file, as rows_outbox.py starts and kills it.

Arguments: `threads` or `asyncio`, the file of the outbox, and the numbers of the first message and of the one after
the last. What it connects with stands in the environment. Prints the number of each message that was accepted, and
goes on until it is ended.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from typing import Any

from ovos_bus_client.message import Message

from hivemind_core_client import HiveMessageBusClient, Outbox
from hivemind_core_client.async_client import AsyncHiveMessageBusClient

UTTERANCE = "recognizer_loop:utterance"


def numbered(name: str, number: int) -> Message:
    """The message with a number, which the hub of these tests records and does not answer."""
    return Message(UTTERANCE, {"utterances": [f"say nothing {name} {number}"]})


def tell(number: int) -> None:
    sys.stdout.write(f"{number}\n")
    sys.stdout.flush()


def on_threads(path: str, numbers: range) -> None:
    client = HiveMessageBusClient(outbox=Outbox(path=path))
    client.run_in_thread()
    for number in numbers:
        client.emit(numbered("threads", number))
        tell(number)
    threading.Event().wait()


async def on_a_loop(path: str, numbers: range) -> None:
    client = AsyncHiveMessageBusClient(outbox=Outbox(path=path))
    client.run_in_thread()
    for number in numbers:
        await client.emit(numbered("asyncio", number))
        tell(number)
    await asyncio.Event().wait()


def main(kind: str, path: str, first: str, end: str) -> Any:
    numbers = range(int(first), int(end))
    return asyncio.run(on_a_loop(path, numbers)) if kind == "asyncio" else on_threads(path, numbers)


if __name__ == "__main__":
    main(*sys.argv[1:])
