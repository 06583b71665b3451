"""Rows about outboxes: what satellites say while their hub is away."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from .hubs import HubOptions, Json, RealHub
from .outbox_program import UTTERANCE, numbered
from .processes import Process, wait_until
from .satellite import Satellite
from .table import OUTBOX, behaviour

if TYPE_CHECKING:
    from hivemind_core_client import HiveMessageBusClient

#: A hub of its own: what is sent here would make the record of a shared one slow to read.
OUTBOXES = HubOptions(name="outbox")
KINDS = ("threads", "asyncio")
_MANY = 10_000
#: How many of them each satellite sends.
_SHARES = {"threads": 7_500, "asyncio": 2_500}
#: A satellite is killed when it has accepted so many.
_FILED = 150
#: Seconds that a hub may take to read all of them.
_PATIENCE = 90.0
#: Seconds that a program may take to start, and to write what it sends.
_PROGRAM_SECONDS = 60.0


class Both:
    """A satellite with threads and one on a loop, each known to the hub by a key of its own."""

    def __init__(self, satellite: Satellite) -> None:
        self._of = {"threads": satellite, "asyncio": satellite.sibling()}
        satellite.client_kind, self._of["asyncio"].client_kind = "sync", "async"

    def file(self, kind: str) -> Path:
        """Where its outbox is."""
        return self._of[kind].folder("outbox.db")

    def client(self, kind: str, path: Path | None = None) -> HiveMessageBusClient:
        """A client with an outbox, in a file or in memory."""
        from hivemind_core_client import Outbox

        return self._of[kind].client(outbox=Outbox(path=path))

    def program(self, kind: str) -> tuple[Process, Path]:
        """A program that has begun to put messages into the file of its outbox, and its log."""
        satellite = self._of[kind]
        path = self.file(kind)
        path.parent.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "tests.interop.outbox_program", kind, str(path), "0", str(_MANY)]
        login = {
            "HIVEMIND_KEY": satellite.key,
            "HIVEMIND_PASSWORD": satellite.password,
            "HIVEMIND_HOST": f"ws://{satellite.hub.host}",
            "HIVEMIND_PORT": str(satellite.hub_port),
        }
        log = path.with_suffix(".log")
        running = Process(f"satellite with {kind}", command, {**satellite.env, **login}, log)
        running.start()
        return running, log


@behaviour(
    f"{_MANY:,} messages sent while the hub is away arrive in order and once, with threads and asyncio",
    OUTBOX,
    OUTBOXES,
    needs="many messages",
)
def hub_is_away(hub: RealHub, satellite: Satellite) -> None:
    both = Both(satellite)
    clients = {kind: both.client(kind) for kind in KINDS}
    for client in clients.values():
        client.connect()
    hub.kill()
    began = time.monotonic()
    for kind, client in clients.items():
        for number in range(_SHARES[kind]):
            client.emit(numbered(kind, number))
    satellite.figures.append(f"{_MANY} messages were kept in {time.monotonic() - began:.1f} s")
    with hub.overheard() as heard:
        hub.start_again()
        began = time.monotonic()
        assert wait_until(lambda: all(_is_sent(each) for each in clients.values()), _PATIENCE)
        satellite.figures.append(f"sent and confirmed in {time.monotonic() - began:.1f} s")
        for kind, client in clients.items():
            assert client.metrics.confirmed == _SHARES[kind], client.metrics
            _check_arrived(heard, kind, _SHARES[kind])


@behaviour(
    "a satellite that is killed while the hub is away, with its outbox in a file: what it accepted arrives in order "
    "and once, with threads and asyncio",
    OUTBOX,
    OUTBOXES,
)
def satellite_is_killed(hub: RealHub, satellite: Satellite) -> None:
    both = Both(satellite)
    hub.kill()
    accepted = _killed(both)
    with hub.overheard() as heard:
        hub.start_again()
        for kind in KINDS:
            client = both.client(kind, both.file(kind))
            client.connect()
            assert wait_until(lambda client=client: _is_sent(client), _PATIENCE)
            # What it was writing when it was killed may be there.
            confirmed = client.metrics.confirmed
            assert confirmed in (accepted[kind], accepted[kind] + 1), (confirmed, accepted)
            _check_arrived(heard, kind, confirmed)


def _killed(both: Both) -> dict[str, int]:
    """How many messages programs accepted that were killed by kill -9 over that, by their kind."""
    programs = {kind: both.program(kind) for kind in KINDS}
    for running, log in programs.values():
        running.wait_for(lambda log=log: _numbers_in(log) >= _FILED, _PROGRAM_SECONDS, "messages in its file")
        running.kill()
    return {kind: _numbers_in(log) for kind, (_, log) in programs.items()}


def _numbers_in(log: Path) -> int:
    """How many messages a program has accepted: whole lines with nothing but a number."""
    lines = log.read_text("utf-8", "replace").split("\n")[:-1]
    return sum(line.isdigit() for line in lines)


def _is_sent(client: HiveMessageBusClient) -> bool:
    metrics = client.metrics
    return not metrics.waiting and not metrics.unconfirmed and metrics.confirmed > 0


def _check_arrived(heard: list[Json], kind: str, count: int) -> None:
    """These came to the hub's OVOS bus, in order and once. A hub reads faster than that."""
    wait_until(lambda: len(_numbers(heard, kind)) >= count, _PATIENCE)
    found = _numbers(heard, kind)
    wrong = next((place for place, number in enumerate(found) if place != number), None)
    assert len(found) == count and wrong is None, f"{len(found)} of {count} {kind}, wrong from {wrong} on"


def _numbers(heard: list[Json], kind: str) -> list[int]:
    """The numbers of the messages from this satellite."""
    said = (each["data"]["utterances"][0].split() for each in heard if each["type"] == UTTERANCE)
    return [int(words[-1]) for words in said if words[-2:-1] == [kind]]
