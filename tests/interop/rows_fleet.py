"""Rows about many clients in one process: what a fleet on one event loop does when its hub dies."""

from __future__ import annotations

import asyncio
import random
import statistics
import time
from collections import Counter
from collections.abc import Callable, Sequence
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .answerer import SILENT
from .hubs import HubOptions, RealHub
from .processes import wait_until
from .rows_client import utterance
from .satellite import Satellite
from .table import FLEET, behaviour

if TYPE_CHECKING:
    from hivemind_core_client.async_client import AsyncHiveMessageBusClient

#: A hub of its own: what the fleet says would make the record of a shared one slow to read.
FLEETS = HubOptions(name="fleet")

_MEMBERS = 200
_AT_ONCE = 20
#: Seconds between two messages of one member, beyond the time they take.
_PAUSE = 2.0
#: Seconds that a busy hub may take for a round trip.
_PATIENCE = 30.0
#: Seconds that each step of connecting may take: a hub answers two hundred one after the other, and one that gives up
#: and comes again makes it do the work twice.
_QUEUE = 60.0
_STEADY_SECONDS = 4.0
#: Long enough for most to have tried twice, so that how they come is not decided by one first step.
_DEAD_SECONDS = 4.0
_COMEBACK_SECONDS = 110.0
_ARRIVAL_SECONDS = 15.0
#: Seconds over which at least the middle eight tenths of the fleet knock.
_LEAST_SPREAD = 1.0


class Fate(Enum):
    """What the sender of a message knows of it.

    A hub acknowledges nothing, but it answers a WebSocket ping, and reads what came before the ping first. So what
    was sent is confirmed by a round trip on the same connection, and in doubt if the connection ended before that.
    """

    RAISED = "raised"
    CONFIRMED = "confirmed"
    IN_DOUBT = "in doubt"


class Account:
    """What one or more members log in with."""

    def __init__(self, hub: RealHub, number: int) -> None:
        self.hub = hub
        self.key = f"key-of-account{number}"
        self.password = f"Correct-Horse-{number}-Battery-Staple"
        hub.add_client(f"account{number}", self.key, self.password)


class Member:
    """One client of the fleet, the fate of each message that it sent, and when it knocked and got connected."""

    def __init__(self, account: Account, folder: Path, number: int) -> None:
        from hivemind_core_client import NodeIdentity
        from hivemind_core_client.async_client import AsyncHiveMessageBusClient
        from hivemind_core_client.kernel.policy import Deadlines

        self.name = f"member{number}"
        self.fates: dict[str, Fate] = {}
        self.knocked_at: list[float] = []
        self.connected_at: list[float] = []
        self.failures: list[str] = []
        self.client: AsyncHiveMessageBusClient = AsyncHiveMessageBusClient(
            key=account.key,
            password=account.password,
            host=account.hub.host,
            port=account.hub.port,
            identity=NodeIdentity(str(folder / f"{self.name}.json")),
            deadlines=Deadlines(upgrade=_QUEUE, first_frame=_QUEUE, handshake=_QUEUE),
        )
        self._dial = self.client._worker._new_transport
        self.client._worker._new_transport = self._knock
        self.client.on("error", lambda error: self.failures.append(type(error).__name__))
        self.client.on("open", lambda: self.connected_at.append(time.monotonic()))

    def _knock(self) -> Any:
        self.knocked_at.append(time.monotonic())
        return self._dial()

    @property
    def came_at(self) -> float:
        """When it knocked for the connection that came after the hub's restart."""
        return max(moment for moment in self.knocked_at if moment <= self.connected_at[1])

    async def talk(self, stop: asyncio.Event) -> None:
        """Send numbered messages, one after the other, until `stop`; members begin at different moments."""
        await asyncio.sleep(random.random() * _PAUSE)
        while not stop.is_set():
            text = f"{SILENT} {self.name} {len(self.fates)}"
            self.fates[text] = await self._say(text)
            await asyncio.sleep(_PAUSE)

    async def _say(self, text: str) -> Fate:
        from hivemind_core_client.errors import ConnectionLost, HubTimeout, NotConnected

        try:
            await self.client.emit(utterance(text))
        except (NotConnected, ConnectionLost):
            return Fate.RAISED
        session = self.client.protocol
        try:
            await self.client.round_trip(_PATIENCE)
        except (NotConnected, ConnectionLost, HubTimeout):
            return Fate.IN_DOUBT
        # A round trip waits for a session: that of the next connection tells nothing of the one before.
        return Fate.CONFIRMED if self.client.protocol is session else Fate.IN_DOUBT


class Ledger:
    """Both sides of the account: what the members know of their messages, and what reached the hub's OVOS bus."""

    def __init__(self, members: Sequence[Member], arrived: Counter[str]) -> None:
        self.fates = {text: fate for member in members for text, fate in member.fates.items()}
        self.arrived = arrived

    def of(self, fate: Fate) -> list[str]:
        """The messages of one fate."""
        return [text for text, known in self.fates.items() if known is fate]

    def missing(self, fate: Fate) -> list[str]:
        """Those that did not arrive."""
        return [text for text in self.of(fate) if text not in self.arrived]

    def twice(self) -> list[str]:
        """What arrived more than once."""
        return [text for text, count in self.arrived.items() if count > 1]

    def __str__(self) -> str:
        raised, doubted = self.of(Fate.RAISED), self.of(Fate.IN_DOUBT)
        return (
            f"{len(self.fates)} messages: {len(self.of(Fate.CONFIRMED))} confirmed, of which "
            f"{len(self.missing(Fate.CONFIRMED))} did not arrive; {len(raised)} raised, of which "
            f"{len(raised) - len(self.missing(Fate.RAISED))} arrived all the same; {len(doubted)} in doubt, of which "
            f"{len(self.missing(Fate.IN_DOUBT))} did not arrive; {len(self.twice())} arrived twice"
        )


@behaviour(
    f"hub killed and started again under {_MEMBERS} asyncio clients that send all the time: all come back, spread over "
    "time; nothing is lost that its sender was not told of",
    FLEET,
    FLEETS,
)
def hub_restarts_under_fleet(hub: RealHub, satellite: Satellite) -> None:
    folder = satellite.folder("fleet")
    folder.mkdir()
    accounts = [Account(hub, number) for number in range(hub.spec.keys or _MEMBERS)]
    members = [Member(accounts[number % len(accounts)], folder, number) for number in range(_MEMBERS)]
    asyncio.run(_live_through_restart(hub, members, satellite.figures))
    confirmed = {text for member in members for text, fate in member.fates.items() if fate is Fate.CONFIRMED}
    wait_until(lambda: confirmed <= set(_arrived(hub)), _ARRIVAL_SECONDS)
    ledger = Ledger(members, _arrived(hub))
    satellite.figures.append(str(ledger))
    if hub.mended:
        satellite.figures.append("the kill broke the hub's own file of clients, which was put back")
    assert not ledger.missing(Fate.CONFIRMED), ledger
    assert not ledger.twice(), ledger
    # Whoever sends one after the other can be left in doubt about the last one only.
    assert len(ledger.of(Fate.IN_DOUBT)) <= _MEMBERS, ledger
    assert set(ledger.arrived) <= set(ledger.fates)


async def _live_through_restart(hub: RealHub, members: Sequence[Member], figures: list[str]) -> None:
    began = time.monotonic()
    await _connect(members)
    keys = len({member.client.key for member in members})
    figures.append(
        f"{len(members)} clients with {keys} keys connected in {time.monotonic() - began:.1f} s, {_AT_ONCE} at once"
    )
    stop = asyncio.Event()
    talks = [asyncio.create_task(member.talk(stop)) for member in members]
    try:
        await asyncio.sleep(_STEADY_SECONDS)
        await asyncio.to_thread(hub.kill)
        await asyncio.sleep(_DEAD_SECONDS)
        await asyncio.to_thread(hub.start_again)
        listening = time.monotonic()
        back = await _reached(lambda: all(len(member.connected_at) > 1 for member in members), talks)
        figures.append(_comeback(members, listening))
        assert back, "not all came back"
        await asyncio.sleep(_STEADY_SECONDS)
    finally:
        stop.set()
        await asyncio.gather(*talks)
        await asyncio.gather(*(member.client.close() for member in members))
    assert asyncio.all_tasks() == {asyncio.current_task()}
    _check_spread([member.came_at for member in members], figures)
    assert all(len(member.connected_at) == 2 for member in members)


async def _connect(members: Sequence[Member]) -> None:
    # A hub has one thread for all handshakes: two hundred at once would wait beyond their deadline.
    turns = asyncio.Semaphore(_AT_ONCE)

    async def connect(member: Member) -> None:
        async with turns:
            await member.client.connect()

    await asyncio.gather(*(connect(member) for member in members))


async def _reached(condition: Callable[[], bool], talks: Sequence[asyncio.Task[None]]) -> bool:
    """True once `condition()` holds; a talk that ended before its time, by an error, ends the wait too."""
    deadline = time.monotonic() + _COMEBACK_SECONDS
    while not condition() and time.monotonic() < deadline and not any(talk.done() for talk in talks):
        await asyncio.sleep(0.05)
    return condition()


def _comeback(members: Sequence[Member], listening: float) -> str:
    times = sorted(member.connected_at[1] - listening for member in members if len(member.connected_at) > 1)
    if not times:
        return "nobody came back"
    failures = Counter(kind for member in members for kind in member.failures)
    return (
        f"{len(times)} clients back after the hub listened again: min {times[0]:.1f} s, median "
        f"{statistics.median(times):.1f} s, max {times[-1]:.1f} s; at most {_crowd(times)} within 0.1 s; failed "
        f"attempts: {dict(failures) or 'none'}"
    )


def _crowd(times: Sequence[float]) -> int:
    """How many of these moments are within one tenth of a second, at most."""
    return max(sum(start <= moment < start + 0.1 for moment in times) for start in times)


def _check_spread(times: Sequence[float], figures: list[str]) -> None:
    """How the clients come is theirs; when they are let in is the hub's, which serves none while it starts."""
    tenths = statistics.quantiles(times, n=10)
    figures.append(
        f"they knocked over {max(times) - min(times):.1f} s, the middle eight tenths over "
        f"{tenths[-1] - tenths[0]:.1f} s; {_crowd(times)} at most within 0.1 s"
    )
    assert tenths[-1] - tenths[0] > _LEAST_SPREAD, f"the fleet came back at once: {tenths}"


def _arrived(hub: RealHub) -> Counter[str]:
    spoken = (message["data"]["utterances"][0] for message in hub.seen("recognizer_loop:utterance"))
    return Counter(text for text in spoken if text.startswith(f"{SILENT} member"))
