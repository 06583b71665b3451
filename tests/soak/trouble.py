"""What goes wrong in a soak: with hubs, and with the network before them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from .books import Windows
from .proxy import Proxy
from .satellites import Satellite

#: How long before a hub was killed it may have read a message that it has not passed on, in seconds, and for how long
#: after it begins again its OVOS bus may be away.
_BEFORE_S, _AFTER_S = 6.0, 15.0
#: How long a hub may write to an OVOS bus that is gone before it logs that, in seconds: it is told by a ping.
_BEFORE_LOSS_S = 20.0


class Hub(Protocol):
    """A hub that can be hurt."""

    def kill(self) -> None:
        """End it at once."""

    def start_again(self) -> None:
        """Start it again on the same port."""

    def pause(self) -> None:
        """Let it stand still."""

    def resume(self) -> None:
        """Let it go on."""

    def take_seen(self, msg_type: str) -> list[dict[str, Any]]:
        """The messages of a type that passed on its OVOS bus since this was last called."""

    def bus_is_lost(self) -> bool:
        """Whether it lost its own OVOS bus since this was last called."""


@dataclass
class Place:
    """A hub, the proxies before it, and its clients."""

    name: str
    hub: Hub
    proxies: list[Proxy]
    satellites: list[Satellite]
    down: Windows = field(default_factory=lambda: Windows(_BEFORE_S, _AFTER_S))
    deaf: Windows = field(default_factory=lambda: Windows(_BEFORE_LOSS_S, _AFTER_S))
    troubles: dict[str, int] = field(default_factory=dict)
    _is_deaf: bool = False

    def look(self, passed: bool) -> None:
        """See whether the hub has lost its OVOS bus, or something `passed` on it again.

        What a hub reads and cannot pass on is no client's fault.
        """
        if self.hub.bus_is_lost():
            self._set_deaf(True)
        elif passed:
            self._set_deaf(False)

    def began_again(self) -> None:
        """The hub was started, with an OVOS bus that works."""
        self._set_deaf(False)

    def went_with_hub(self, moment: float) -> bool:
        """Whether what was sent then may have ended in the hub."""
        return self.down.hold(moment) or self.deaf.hold(moment)

    def _set_deaf(self, is_deaf: bool) -> None:
        if is_deaf != self._is_deaf:
            self._is_deaf = is_deaf
            for each in self.satellites:
                each.ledger.hub_repeats = True
            (self.deaf.begin if is_deaf else self.deaf.end)()


def killed(place: Place, wait: Callable[[], None]) -> None:
    """The hub is killed, and started again after a while."""
    place.down.begin()
    try:
        place.hub.kill()
        wait()
    finally:
        place.hub.start_again()
        place.began_again()
        place.down.end()


def stopped(place: Place, wait: Callable[[], None]) -> None:
    """The hub stands still for a while."""
    place.hub.pause()
    try:
        wait()
    finally:
        place.hub.resume()


def cut(place: Place, wait: Callable[[], None]) -> None:
    """Every connection is cut, again and again."""
    for _ in range(3):
        for proxy in place.proxies:
            proxy.cut()
        threading.Event().wait(0.5)
    wait()


def held(place: Place, wait: Callable[[], None]) -> None:
    """The network passes nothing on, and keeps the connections."""
    _with_proxies(place, wait, Proxy.hold)


def slowed(place: Place, wait: Callable[[], None]) -> None:
    """The network is slow."""
    _with_proxies(place, wait, Proxy.slow)


def _with_proxies(place: Place, wait: Callable[[], None], do: Callable[[Proxy, bool], None]) -> None:
    for proxy in place.proxies:
        do(proxy, True)
    try:
        wait()
    finally:
        for proxy in place.proxies:
            do(proxy, False)


TROUBLES: dict[str, Callable[[Place, Callable[[], None]], None]] = {
    "killed": killed,
    "stopped": stopped,
    "cut off": cut,
    "held up": held,
    "slowed": slowed,
}
