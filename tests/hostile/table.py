"""The table of hostile modes: what the hub does, and what a client must make of it."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable

from .peer import Peer

ROOT = Path(__file__).resolve().parents[2]
#: Kinds of client. The one for HTTP meets a mode of `MESSAGES` through a gateway.
SOCKETS = ("threads", "asyncio")
ALL = (*SOCKETS, "http")
#: Those that this Python can run.
KINDS = [kind for kind in ALL if kind != "asyncio" or sys.version_info >= (3, 10)]
#: The end of an attempt that is not final.
TIMEOUT = ("HubTimeout",)
BROKEN = ("ConnectionLost", "NotAHub", "FrameTooLarge", "HubTimeout")
#: A session stands.
STANDS = ("",)
#: Seconds, as options of Deadlines.
DEADLINES: dict[str, float] = {
    "tcp": 2.0,
    "tls": 2.0,
    "upgrade": 2.0,
    "first_frame": 2.0,
    "handshake": 3.0,
    "write": 2.0,
    "send": 1.0,
    "close": 1.0,
}
#: The same where a session is to stand, on a machine that does something else too.
PATIENT: dict[str, float] = {
    **DEADLINES,
    "tcp": 10.0,
    "upgrade": 10.0,
    "first_frame": 10.0,
    "handshake": 20.0,
    "write": 8.0,
}
#: The phases of an attempt one after the other, and room for a machine that does something else.
CONNECT_S = 11.0 + 6.0
CLOSE_S = 3 * DEADLINES["close"] + 6.0
#: How long a loop's thread may be busy before a timer has its turn, in milliseconds of its CPU.
LAG_MS = 50.0
#: What a client may grow by before authentication, in MiB; and after it, unless a mode says more.
BEFORE_MIB, AFTER_MIB = 16.0, 32.0


@dataclass(frozen=True)
class Mode:
    """What a hub does to each client that comes, and what must be true of that client.

    `ends` are the errors that `connect` may raise; the empty text stands for a session. Where one stands, the client
    stays for `stay` seconds and sends all the while, messages of `size` bytes more. `memory` bounds its growth in MiB.
    `errors` are what `emit` may raise. `records` bounds what is logged. A `quick` mode is a part of `make test`.
    """

    name: str
    act: Callable[[Peer], None]
    ends: tuple[str, ...]
    kinds: tuple[str, ...] = SOCKETS
    scheme: str = "ws"
    stay: float = 0.0
    size: int = 0
    memory: float = BEFORE_MIB
    errors: tuple[str, ...] = ("ConnectionLost", "NotConnected")
    records: int = 200
    quick: bool = False
    deadlines: Mapping[str, float] = field(default_factory=lambda: DEADLINES)


MODES: list[Mode] = []
Act = Callable[[Peer], None]


def mode(name: str, ends: tuple[str, ...], **options: object) -> Callable[[Act], Act]:
    """Register what a hub does as a row."""

    def register(act: Act) -> Act:
        MODES.append(Mode(name, act, ends, **options))  # type: ignore[arg-type]  # fields of Mode
        return act

    return register


def in_session(name: str, stay: float = 1.5, **options: object) -> Callable[[Act], Act]:
    """Register what a hub does once a session stands."""
    settings: dict[str, object] = {"memory": AFTER_MIB, "kinds": ALL, "deadlines": PATIENT, **options}

    def register(act: Act) -> Act:
        def whole(peer: Peer) -> None:
            peer.session()
            act(peer)

        MODES.append(Mode(name, whole, STANDS, stay=stay, **settings))  # type: ignore[arg-type]  # fields of Mode
        return act

    return register
