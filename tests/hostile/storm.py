#!/usr/bin/env python3
"""A storm of broken connections: every message that a client sends is delivered once, or its sender knows of it.

    python -m tests.hostile.storm [--messages 50000] [--seed 1]

Emitters send numbered messages through a proxy that cuts connections in the middle of frames. In the end the books must
balance: sent = delivered + raised + in doubt. A message whose `emit` succeeded, that is not in doubt and that the hub
does not have, is lost in silence; one that the hub has more often than it was sent has come twice.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
import threading
import time
from collections import Counter
from typing import Any, Callable

from attrs import define, field, frozen
from ovos_bus_client.message import Message

from hivemind_core_client import (
    Backoff,
    Deadlines,
    HiveMessage,
    HiveMessageBusClient,
    HiveMindError,
    HiveMindHTTPClient,
    Polling,
)
from hivemind_core_client.kernel.delivery import Metrics, UnconfirmedMessages
from hivemind_core_client.testing import EmbeddedHub, HttpGateway
from hivemind_core_client.testing.fixtures import memory_identity

from .breaker import HOST, Breaker

KINDS = ["threads", "asyncio", "http"] if sys.version_info >= (3, 10) else ["threads", "http"]
VERSIONS = [(0, 1), (3, 3)] if sys.version_info >= (3, 10) else [(0, 1)]
KEY, PASSWORD = "storm-key", "a password of the storm, long and random enough"
_EMITTERS = 4
_TYPE = "storm.number"
#: After how many bytes a connection is cut, at least and at most; the handshake takes some 3,000 of them.
_UP_BYTES, _DOWN_BYTES = (3_000, 600_000), (2_500, 30_000)
#: Of HTTP, where each request has its headers, and answers are many.
_HTTP_BYTES = (6_000, 300_000)
#: An emitter goes on when no more messages are unconfirmed: faster than the hub reads, all would be in doubt.
_MOST_UNCONFIRMED = 200
_PAUSE_S = 0.001


@define
class Sent:
    """What the emitters were told of their messages, and what the event "doubt" told."""

    ok: list[str] = field(factory=list)
    raised: list[str] = field(factory=list)
    in_doubt: list[str] = field(factory=list)
    more: int = 0

    def doubt(self, messages: UnconfirmedMessages) -> None:
        """A handler of "doubt"."""
        self.more += messages.more
        self.in_doubt += [message.payload.data["text"] for message in messages.messages]


@frozen
class Books:
    """What a storm comes to."""

    kind: str
    version: int
    sent: int
    confirmed: int
    raised: int
    in_doubt: int
    #: Of those that raised, and of those in doubt, the ones that did arrive.
    arrived_though_raised: int
    arrived_though_in_doubt: int
    lost: int
    twice: int
    reconnects: int
    cuts: int
    seconds: float
    metrics: Metrics = field(repr=False)

    @property
    def balance(self) -> bool:
        """Whether nothing is lost or twice, and our figures are those of the client."""
        ours = (self.sent, self.confirmed, self.raised, self.in_doubt, 0)
        theirs = self.metrics
        figures = (theirs.sent, theirs.confirmed, theirs.raised, theirs.in_doubt, theirs.unconfirmed)
        return not self.lost and not self.twice and ours == figures

    def __str__(self) -> str:
        """One line."""
        return (
            f"{self.kind} version {self.version}: sent {self.sent} = delivered {self.confirmed} + raised {self.raised} "
            f"({self.arrived_though_raised} arrived) + in doubt {self.in_doubt} ({self.arrived_though_in_doubt} "
            f"arrived); lost {self.lost}, twice {self.twice}; {self.cuts} cuts, {self.reconnects} reconnects, "
            f"{self.seconds:.0f} s{'' if self.balance else ' - THE BOOKS DO NOT BALANCE: ' + str(self.metrics)}"
        )


class _Received(list[HiveMessage]):
    """What came to the hub, which forgets it. Nothing is answered, so that a hub is as quick as it can be."""

    def __init__(self, texts: list[str]) -> None:
        super().__init__()
        self._texts = texts

    def append(self, message: HiveMessage) -> None:
        """Note the text of a number."""
        if message.msg_type == "bus" and message["type"] == _TYPE:
            self._texts.append(message["data"]["text"])


def storm(kind: str, versions: tuple[int, int], messages: int, seed: int) -> Books:
    """Send so many messages through a storm, by a client of this kind."""
    arrived: list[str] = []
    began = time.monotonic()
    with EmbeddedHub({KEY: PASSWORD}, versions=versions) as hub:
        hub.received = _Received(arrived)
        gateway = HttpGateway(hub.url).start() if kind == "http" else None
        target = hub.port if gateway is None else int(gateway.url.rpartition(":")[2])
        up = _UP_BYTES if gateway is None else _HTTP_BYTES
        down = _DOWN_BYTES if gateway is None else _HTTP_BYTES
        with Breaker(target, seed, up, down) as breaker:
            run = _asyncio if kind == "asyncio" else _threads
            sent, metrics = run(kind, breaker, messages)
        if gateway is not None:
            gateway.stop()
    return _books(kind, versions[1], sent, arrived, metrics, breaker.cuts, time.monotonic() - began)


def _books(
    kind: str, version: int, sent: Sent, arrived: list[str], metrics: Metrics, cuts: int, seconds: float
) -> Books:
    came = Counter(arrived)
    told = {*sent.raised, *sent.in_doubt}
    sure = [text for text in sent.ok if text not in told]
    return Books(
        kind=kind,
        version=version,
        sent=len(sent.ok) + len(sent.raised),
        confirmed=len(sure) - sent.more,
        raised=len(sent.raised),
        in_doubt=len(sent.in_doubt) + sent.more,
        arrived_though_raised=sum(came[text] for text in sent.raised),
        arrived_though_in_doubt=sum(came[text] for text in sent.in_doubt),
        lost=sum(not came[text] for text in sure),
        twice=sum(count - 1 for count in came.values()) + len(set(sent.raised) & set(sent.in_doubt)),
        reconnects=metrics.reconnects,
        cuts=cuts,
        seconds=seconds,
        metrics=metrics,
    )


def _options(kind: str, breaker: Breaker) -> dict[str, Any]:
    options = {
        "key": KEY,
        "password": PASSWORD,
        "host": f"{'http' if kind == 'http' else 'ws'}://{HOST}:{breaker.port}",
        "port": breaker.port,
        "identity": memory_identity(),
        "backoff": Backoff(first=0.005, cap=0.02),
        "deadlines": Deadlines(send=10.0),
    }
    return {**options, "polling": Polling(0.01, 0.05)} if kind == "http" else options


def _number(text: str) -> Message:
    return Message(_TYPE, {"text": text})


def _threads(kind: str, breaker: Breaker, messages: int) -> tuple[Sent, Metrics]:
    maker: Callable[..., HiveMessageBusClient] = (
        HiveMindHTTPClient if kind == "http" else HiveMessageBusClient
    )
    client, sent = maker(**_options(kind, breaker)), Sent()
    client.on("doubt", sent.doubt)

    def emit_all(emitter: int) -> None:
        for number in range(emitter, messages, _EMITTERS):
            text = f"number {number}"
            while client.metrics.unconfirmed > _MOST_UNCONFIRMED:
                time.sleep(_PAUSE_S)
            try:
                client.emit(_number(text))
            except HiveMindError:
                sent.raised.append(text)
            else:
                sent.ok.append(text)

    client.run_in_thread()
    emitters = [threading.Thread(target=emit_all, args=(number,)) for number in range(_EMITTERS)]
    for emitter in emitters:
        emitter.start()
    for emitter in emitters:
        emitter.join()
    breaker.calm = True
    client.close()
    return sent, client.metrics


def _asyncio(kind: str, breaker: Breaker, messages: int) -> tuple[Sent, Metrics]:
    from hivemind_core_client import AsyncHiveMessageBusClient

    async def main() -> tuple[Sent, Metrics]:
        client, sent = AsyncHiveMessageBusClient(**_options(kind, breaker)), Sent()
        client.on("doubt", sent.doubt)

        async def emit_all(emitter: int) -> None:
            for number in range(emitter, messages, _EMITTERS):
                text = f"number {number}"
                while client.metrics.unconfirmed > _MOST_UNCONFIRMED:
                    await asyncio.sleep(_PAUSE_S)
                try:
                    await client.emit(_number(text))
                except HiveMindError:
                    sent.raised.append(text)
                else:
                    sent.ok.append(text)

        client.run_in_thread()
        await asyncio.gather(*(emit_all(number) for number in range(_EMITTERS)))
        breaker.calm = True
        await client.close()
        return sent, client.metrics

    return asyncio.run(main())


def main() -> int:
    """Run all storms; 1 if books do not balance."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--messages", type=int, default=50_000, help="how many each client sends")
    parser.add_argument("--seed", type=int, default=1, help="of the chance that cuts connections")
    parser.add_argument("--kinds", nargs="*", default=["threads", "asyncio"], choices=KINDS)
    given = parser.parse_args()
    logging.disable(logging.CRITICAL)
    balance = True
    for kind in given.kinds:
        for versions in VERSIONS:
            books = storm(kind, versions, given.messages, given.seed)
            sys.stdout.write(f"{books}\n")
            sys.stdout.flush()
            balance &= books.balance
    return 0 if balance else 1


if __name__ == "__main__":
    sys.exit(main())
