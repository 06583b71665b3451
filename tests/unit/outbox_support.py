"""What tests of outboxes in files share: messages with numbers, files of one owner, and programs that use them."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Callable, Optional

from hivemind_core_client.config.outbox_clock import Clock
from hivemind_core_client.config.outbox_file import OutboxFile, Owner
from hivemind_core_client.kernel.outbox_store import StoredMessage
from hivemind_core_client.message import HiveMessage, HiveMessageType

OWNER = Owner("ws://hub:5678", "KEY")


def message(number: int, size: int = 0) -> bytes:
    """The text of a message with this number, and with about so many bytes more."""
    data = {"number": number, "x": "x" * size}
    return HiveMessage(HiveMessageType.BUS, {"type": "count", "data": data, "context": {}}).as_json.encode()


def opened(path: Path, owner: Optional[Owner] = OWNER, clock: Optional[Clock] = None) -> OutboxFile:
    """The file, open."""
    file = OutboxFile(str(path), None if owner is None else lambda: owner, clock)
    file.open()
    return file


def filled(path: Path, *what: int, clock: Optional[Clock] = None) -> OutboxFile:
    """The file, open, with messages of these numbers as the newest."""
    clock = clock or Clock()
    file = opened(path, clock=clock)
    for number in what:
        file.append(message(number), clock.steady())
    return file


def all_of(file: OutboxFile) -> Sequence[StoredMessage]:
    """What waits in it."""
    return file.after(0, 10_000)


def numbers(file: OutboxFile) -> list[int]:
    """The numbers of the messages that wait, by what they say themselves."""
    return [json.loads(each.data)["payload"]["data"]["number"] for each in all_of(file)]


def waiting(path: Path) -> list[int]:
    """The same for a file that nobody has."""
    file = opened(path)
    found = numbers(file)
    assert file.count == len(found)
    file.close()
    return found


def said_by_child(run: Callable[[Callable[[bytes], object]], None]) -> bytes:
    """What `run(tell)` told in a child of this process, until that ended or was killed."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            run(lambda said: os.write(writing, said))
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        said = pipe.read()
    os.waitpid(child, 0)
    return said
