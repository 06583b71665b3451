"""A soak from its beginning to its end: troubles by chance, books that are kept all the while, and samples."""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tests.interop.answerer import COUNT

from .books import Figures, Sample, growth
from .proxy import NAME
from .satellites import wait_for_sessions
from .trouble import TROUBLES, Place

#: What the process may grow by over a soak of so many seconds or more: MiB, threads, descriptors. A shorter one tells
#: nothing of that.
_LONG_S = 600.0
MOST_MIB, MOST_THREADS, MOST_DESCRIPTORS = 24.0, 8.0, 12.0
#: How long a message may take to its hub's OVOS bus before it counts as gone, in seconds.
_PATIENCE_S = 60.0
_COMEBACK_S = 120.0


@dataclass
class Outcome:
    """What came of a soak."""

    seconds: float
    figures: dict[str, dict[str, Figures]] = field(default_factory=dict)
    troubles: dict[str, dict[str, int]] = field(default_factory=dict)
    samples: list[Sample] = field(default_factory=list)
    away: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    told: bool = True

    @property
    def memory_growth(self) -> float:
        """In MiB over the whole soak, by a straight line."""
        return growth(self.samples, lambda sample: sample.memory)

    @property
    def thread_growth(self) -> float:
        """In threads, likewise."""
        return growth(self.samples, lambda sample: sample.threads)

    @property
    def descriptor_growth(self) -> float:
        """In descriptors, likewise."""
        return growth(self.samples, lambda sample: sample.descriptors)

    @property
    def faults(self) -> list[str]:
        """What does not hold, in words."""
        found = [*self.away, *self.unexpected]
        for hub, kinds in self.figures.items():
            found += [f"{hub} {kind}: {each}" for kind, each in kinds.items() if not each.balanced]
        bounds = (
            ("MiB of memory", self.memory_growth, MOST_MIB),
            ("threads", self.thread_growth, MOST_THREADS),
            ("descriptors", self.descriptor_growth, MOST_DESCRIPTORS),
        )
        if self.seconds >= _LONG_S:
            found += [f"{value:.1f} more {what}" for what, value, most in bounds if value > most]
        return found


class Soak:
    """Runs for `seconds`, with one trouble after the other at one place after the other.

    A trouble lasts as many seconds as `lasting` says, at least and at most, and is followed by `rest` seconds.
    """

    def __init__(
        self,
        places: Sequence[Place],
        seconds: float,
        lasting: tuple[float, float] = (1.0, 14.0),
        rest: float = 6.0,
        seed: int = 0,
        patience: float = _PATIENCE_S,
    ) -> None:
        self._places = places
        self._seconds, self._lasting, self._rest, self._patience = seconds, lasting, rest, patience
        self._chance = random.Random(seed)
        self._outcome = Outcome(seconds)
        self._over = threading.Event()

    def run(self, say: Callable[[str], None] = lambda text: None) -> Outcome:
        """The outcome. `say` is told what happens."""
        outcome = self._outcome
        satellites = [each for place in self._places for each in place.satellites]
        for each in satellites:
            each.start()
        # Hubs that have just begun are slow on a busy machine. Who does not come at all is away in the end.
        wait_for_sessions(satellites, _COMEBACK_S)
        began = time.monotonic()
        beside = threading.Thread(target=self._keep_books, args=(began,), name="books", daemon=True)
        beside.start()
        turn = 0
        while time.monotonic() - began < self._seconds:
            place = self._places[turn % len(self._places)]
            self._trouble(place, say)
            threading.Event().wait(self._rest)
            turn += 1
        outcome.away = wait_for_sessions(satellites, _COMEBACK_S)
        for each in satellites:
            each.stop_sending()
        end = time.monotonic() + self._patience
        while time.monotonic() < end and not all(each.ledger.is_settled for each in satellites):
            threading.Event().wait(0.1)
        self._over.set()
        beside.join(60)
        outcome.seconds = time.monotonic() - began
        outcome.told = all(each.tells for each in satellites)
        self._close_books()
        return outcome

    def _trouble(self, place: Place, say: Callable[[str], None]) -> None:
        name = self._chance.choice(list(TROUBLES))
        seconds = self._chance.uniform(*self._lasting)
        say(f"{place.name} {name} for {seconds:.0f} s")
        place.troubles[name] = place.troubles.get(name, 0) + 1
        TROUBLES[name](place, lambda: threading.Event().wait(seconds) and None)

    def _keep_books(self, began: float) -> None:
        while not self._over.wait(2.0):
            self._look(self._patience)
            self._outcome.samples.append(self._sample(time.monotonic() - began))

    def _look(self, patience: float) -> None:
        for place in self._places:
            by_name = {each.name: each.ledger for each in place.satellites}
            passed = place.hub.take_seen(COUNT)
            place.look(bool(passed))
            for message in passed:
                ledger = by_name.get(message["data"].get("client"))
                if ledger is not None:
                    ledger.arrived(message["data"]["number"])
            for each in place.satellites:
                each.settle(patience, place.went_with_hub)

    def _close_books(self) -> None:
        self._look(self._patience)
        self._look(0.0)
        for place in self._places:
            kinds = self._outcome.figures[place.name] = {}
            for each in place.satellites:
                each.ledger.close()
                kinds[each.kind] = kinds.get(each.kind, Figures()) + each.ledger.figures
                self._outcome.unexpected += each.unexpected
            self._outcome.troubles[place.name] = dict(place.troubles)

    def _sample(self, seconds: float) -> Sample:
        """What the process uses, but for the proxies."""
        with open("/proc/self/statm", encoding="ascii") as statm:
            memory = int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
        threads = sum(each.name != NAME for each in threading.enumerate())
        proxies = sum(proxy.descriptors for place in self._places for proxy in place.proxies)
        return Sample(seconds, memory, threads, len(os.listdir("/proc/self/fd")) - proxies)
