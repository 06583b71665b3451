"""Fifty clients that send all the time, while the broker dies, the hub, and both: what becomes of each message."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .answerer import SILENT
from .hubs import RealHub
from .processes import wait_until
from .rows_client import utterance

if TYPE_CHECKING:
    from hivemind_core_client.kernel.delivery import Metrics

_MEMBERS = 50
_AT_ONCE = 10
#: Seconds between two messages of one member, on average.
_PAUSE = 0.3
_STEADY_SECONDS = 2.0
_DEAD_SECONDS = 0.5
_COMEBACK_SECONDS = 60.0
_ARRIVAL_SECONDS = 15.0
#: One for all: a hub derives one key from it, and not fifty, which would take most of the time.
_PASSWORD = "Correct-Storm-Battery-Staple-50"


class Member:
    """One client, and what it knows of each message that it sent."""

    def __init__(self, hub: RealHub, folder: Path, number: int) -> None:
        from hivemind_core_client import Backoff, NodeIdentity
        from hivemind_core_client.async_client import AsyncHiveMessageBusClient

        self.name = f"storm{number}"
        self.emitted: list[str] = []
        self.raised: list[str] = []
        self.doubted: list[str] = []
        self.sessions = 0
        hub.add_client(self.name, f"key-of-{self.name}", _PASSWORD)
        self.client = AsyncHiveMessageBusClient(
            key=f"key-of-{self.name}",
            password=_PASSWORD,
            **hub.address,
            # The files of one node: the key that is derived from the password is kept there.
            identity=NodeIdentity(str(folder / "node.json")),
            backoff=Backoff(first=0.5, cap=2.0),
        )
        self.client.on("open", self._opened)
        self.client.on("doubt", self._doubt)

    def _opened(self) -> None:
        self.sessions += 1

    def _doubt(self, doubt: Any) -> None:
        assert not doubt.more
        self.doubted += [message.payload.data["utterances"][0] for message in doubt.messages]

    @property
    def metrics(self) -> Metrics:
        """The library's own books."""
        return self.client.metrics

    @property
    def confirmed(self) -> set[str]:
        """What the hub is known to have read."""
        return set(self.emitted) - set(self.doubted)

    async def talk(self, stop: asyncio.Event) -> None:
        """Send numbered messages until `stop`."""
        from hivemind_core_client.errors import HiveMindError

        while not stop.is_set():
            await asyncio.sleep(random.uniform(0.5, 1.5) * _PAUSE)
            text = f"{SILENT} {self.name} {len(self.emitted) + len(self.raised)}"
            try:
                await self.client.emit(utterance(text))
            except HiveMindError:
                self.raised.append(text)
            else:
                self.emitted.append(text)


def storm(hub: RealHub, folder: Path) -> list[str]:
    """Let the members live through it, and check the books. Returns what was measured, in lines of text."""
    folder.mkdir()
    figures: list[str] = []
    members = [Member(hub, folder, number) for number in range(_MEMBERS)]
    asyncio.run(_live_through(hub, members, figures))
    confirmed = set().union(*(member.confirmed for member in members))
    wait_until(lambda: confirmed <= set(_arrived(hub)), _ARRIVAL_SECONDS)
    figures.append(_checked(members, confirmed, _arrived(hub)))
    return figures


async def _live_through(hub: RealHub, members: Sequence[Member], figures: list[str]) -> None:
    assert hub.broker is not None
    began = time.monotonic()
    turns = asyncio.Semaphore(_AT_ONCE)

    async def connect(member: Member) -> None:
        async with turns:
            await member.client.connect()

    await connect(members[0])
    await asyncio.gather(*(connect(member) for member in members[1:]))
    figures.append(f"{len(members)} clients connected in {time.monotonic() - began:.1f} s")
    stop = asyncio.Event()
    talks = [asyncio.create_task(member.talk(stop)) for member in members]
    deaths: tuple[tuple[str, tuple[Callable[[], Any], ...], tuple[Callable[[], Any], ...]], ...] = (
        ("broker", (hub.broker.kill,), (hub.broker.start,)),
        ("hub", (hub.kill,), (hub.start_again,)),
        ("both", (hub.broker.kill, hub.kill), (hub.broker.start, hub.start_again)),
    )
    try:
        for what, ends, begins in deaths:
            await asyncio.sleep(_STEADY_SECONDS)
            figures.append(await _die(members, talks, what, ends, begins))
        await asyncio.sleep(_STEADY_SECONDS)
    finally:
        stop.set()
        await asyncio.gather(*talks)
        await asyncio.gather(*(member.client.close() for member in members))


async def _die(
    members: Sequence[Member],
    talks: Sequence[asyncio.Task[None]],
    what: str,
    ends: Sequence[Callable[[], Any]],
    begins: Sequence[Callable[[], Any]],
) -> str:
    before = [member.sessions for member in members]
    for end in ends:
        await asyncio.to_thread(end)
    await asyncio.sleep(_DEAD_SECONDS)
    for begin in begins:
        await asyncio.to_thread(begin)
    began = time.monotonic()

    def is_back(member: Member, had: int) -> bool:
        return member.sessions > had and member.client.state.value == "connected"

    while not all(map(is_back, members, before)):
        away = [member.name for member, had in zip(members, before) if not is_back(member, had)]
        assert time.monotonic() - began < _COMEBACK_SECONDS, f"after the death of {what} away: {away}"
        assert not any(talk.done() for talk in talks)
        await asyncio.sleep(0.05)
    return f"{what} killed and started again: all back {time.monotonic() - began:.1f} s after that"


def _checked(members: Sequence[Member], confirmed: set[str], arrived: Counter[str]) -> str:
    books = [member.metrics for member in members]
    texts = {text for member in members for text in (*member.emitted, *member.raised)}
    raised = {text for member in members for text in member.raised}
    doubted = {text for member in members for text in member.doubted}
    told = (
        f"{len(texts)} messages: {len(confirmed)} confirmed, of which {len(confirmed - set(arrived))} did not arrive; "
        f"{len(raised)} raised, of which {len(raised & set(arrived))} arrived all the same; {len(doubted)} in doubt, "
        f"of which {len(doubted & set(arrived))} arrived; "
        f"{sum(count > 1 for count in arrived.values())} arrived twice"
    )
    assert confirmed <= set(arrived), told
    assert max(arrived.values()) == 1, told
    assert set(arrived) <= texts, told
    assert sum(each.sent for each in books) == len(texts), told
    assert sum(each.confirmed for each in books) == len(confirmed), told
    assert sum(each.raised for each in books) == len(raised), told
    assert sum(each.in_doubt for each in books) == len(doubted), told
    assert not sum(each.unconfirmed for each in books), told
    assert doubted or raised, f"nothing was in flight: {told}"
    return told


def _arrived(hub: RealHub) -> Counter[str]:
    spoken = (message["data"]["utterances"][0] for message in hub.seen("recognizer_loop:utterance"))
    return Counter(text for text in spoken if text.startswith(f"{SILENT} storm"))
