"""A program as the reference client's users write it: run by rows_readme.py, with the name of the package to import.

Arguments: the package, the form (`threads`, `identity` or `asyncio`), and for asyncio the key, the password and the
host. Prints what the hub says to one utterance.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from importlib import import_module
from typing import Any

from ovos_bus_client.message import Message

_ANSWER_SECONDS = 10.0
UTTERANCE = "a program was moved over"


def tell(text: str) -> None:
    sys.stdout.write(f"{text}\n")


def on_threads(package: str) -> None:
    """All that the client is made with stands in the identity file of the command line."""
    message = import_module(f"{package}.message")
    heard: list[str] = []
    arrived = threading.Event()

    def hear(spoken: Message) -> None:
        heard.append(spoken.data["utterance"])
        arrived.set()

    client = import_module(package).HiveMessageBusClient()
    client.connect()
    client.on_mycroft("speak", hear)
    inner = Message("recognizer_loop:utterance", {"utterances": [UTTERANCE]})
    client.emit(message.HiveMessage(message.HiveMessageType.BUS, inner))
    assert arrived.wait(_ANSWER_SECONDS), "nothing was said"
    client.close()
    tell(heard[0])


def with_an_identity(package: str) -> None:
    """A program of its own name, and nothing in its own folder: the shared file is read."""
    identity = import_module(f"{package}.identity").NodeIdentity(app_name="my-program")
    client = import_module(package).HiveMessageBusClient(identity=identity)
    client.connect()
    said = client.wait_for_response(
        Message("recognizer_loop:utterance", {"utterances": [UTTERANCE]}),
        reply_type="speak",
        timeout=_ANSWER_SECONDS,
    )
    client.close()
    tell(said.payload.data["utterance"])


async def on_a_loop(package: str, key: str, password: str, host: str) -> None:
    """The client for asyncio, by keywords; the port comes from the identity file."""
    arrived: asyncio.Queue[Any] = asyncio.Queue()
    client = import_module(package).AsyncHiveMessageBusClient(key=key, password=password, host=host)
    client.on_mycroft("speak", arrived.put_nowait)
    await client.connect()
    await client.emit(Message("recognizer_loop:utterance", {"utterances": [UTTERANCE]}))
    spoken = await asyncio.wait_for(arrived.get(), _ANSWER_SECONDS)
    await client.close()
    tell(spoken.data["utterance"])


def main(package: str, form: str, *rest: str) -> None:
    if form == "asyncio":
        asyncio.run(on_a_loop(package, *rest))
    elif form == "identity":
        with_an_identity(package)
    else:
        on_threads(package)


if __name__ == "__main__":
    main(*sys.argv[1:])
