"""What became of each message: sent = delivered + raised + in doubt, and nothing is lost or comes twice."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Callable, Optional

#: How many numbers are remembered to know one that comes twice.
_REMEMBERED = 5_000


@dataclass
class Figures:
    """What the books of one client come to.

    `with_hub` were read by a hub that then died, or lost its own OVOS bus, before it passed them on: no client can
    know. `lost` are those that nobody told of.
    """

    sent: int = 0
    delivered: int = 0
    raised: int = 0
    in_doubt: int = 0
    with_hub: int = 0
    lost: int = 0
    twice: int = 0
    answered: int = 0

    def __add__(self, other: Figures) -> Figures:
        """Of two clients together."""
        return Figures(*(mine + theirs for mine, theirs in zip(vars(self).values(), vars(other).values())))

    @property
    def balanced(self) -> bool:
        """Whether every message is accounted for, and none came twice."""
        told = self.delivered + self.raised + self.in_doubt + self.with_hub
        return self.sent == told and self.lost == 0 and self.twice == 0


@dataclass
class _Entry:
    began: float
    is_ok: bool = False
    arrived: bool = False
    doubted: bool = False


class Ledger:
    """The books of one client: what its sender was told, and what arrived. It stays small, however long it is kept."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self.figures = Figures()
        self._now = now
        self._open: dict[int, _Entry] = {}
        #: What was closed without having arrived, by number: in which column it stands.
        self._closed: dict[int, str] = {}
        self._lock = threading.Lock()
        self._arrived, self._answers = _Recent(), _Recent()
        self._number = 0
        #: The hub has lost its OVOS bus once. When it has that again, it hears each message twice, and answers twice.
        self.hub_repeats = False
        self._answered_again = 0

    @property
    def is_settled(self) -> bool:
        """Whether nothing is on its way any more."""
        return not self._open

    def begin(self) -> int:
        """The number of a message that is about to be sent."""
        with self._lock:
            self._number += 1
            self.figures.sent += 1
            self._open[self._number] = _Entry(self._now())
            return self._number

    def succeeded(self, number: int) -> None:
        """`emit` returned."""
        with self._lock:
            self._open[number].is_ok = True
            self._close_if_delivered(number)

    def failed(self, number: int) -> None:
        """`emit` raised; whether it arrived all the same does not matter."""
        with self._lock:
            del self._open[number]
            self.figures.raised += 1

    def doubt(self, numbers: Iterable[int]) -> None:
        """The client told that it does not know of these."""
        with self._lock:
            for number in numbers:
                if number in self._open:
                    self._open[number].doubted = True

    def arrived(self, number: int) -> None:
        """It passed on the OVOS bus of the hub."""
        with self._lock:
            if not self._arrived.add(number):
                self.figures.twice += 1
            elif number in self._open:
                self._open[number].arrived = True
                self._close_if_delivered(number)
            elif number in self._closed:  # by a hub that took its time
                fate = self._closed.pop(number)
                setattr(self.figures, fate, getattr(self.figures, fate) - 1)
                self.figures.delivered += 1

    def answered(self, number: int) -> None:
        """The hub's answer came back."""
        with self._lock:
            if self._answers.add(number):
                self.figures.answered += 1
            else:
                self._answered_again += 1

    def close(self) -> None:
        """Count the answers that came twice, where the hub does not make them."""
        if not self.hub_repeats:
            self.figures.twice += self._answered_again

    def settle(
        self, patience: float, went_with_hub: Callable[[float], bool], is_doubtful: Callable[[float], bool]
    ) -> None:
        """Close what was sent more than `patience` seconds ago.

        `went_with_hub` and `is_doubtful` judge by the time at which a message was sent.
        """
        figures, now = self.figures, self._now()
        with self._lock:
            for number, entry in list(self._open.items()):
                if not entry.is_ok or now - entry.began < patience:
                    continue
                del self._open[number]
                if entry.doubted or is_doubtful(entry.began):
                    fate = "in_doubt"
                else:
                    fate = "with_hub" if went_with_hub(entry.began) else "lost"
                setattr(figures, fate, getattr(figures, fate) + 1)
                self._closed[number] = fate
            while len(self._closed) > _REMEMBERED:
                del self._closed[next(iter(self._closed))]

    def _close_if_delivered(self, number: int) -> None:
        entry = self._open[number]
        if entry.is_ok and entry.arrived:
            del self._open[number]
            self.figures.delivered += 1


class _Recent:
    """Numbers that came lately."""

    def __init__(self) -> None:
        self._order: deque[int] = deque()
        self._known: set[int] = set()

    def add(self, number: int) -> bool:
        """Whether this one is new."""
        if number in self._known:
            return False
        self._known.add(number)
        self._order.append(number)
        if len(self._order) > _REMEMBERED:
            self._known.discard(self._order.popleft())
        return True


@dataclass
class Sample:
    """What the process uses at a moment: memory in MiB, threads and descriptors."""

    seconds: float
    memory: float
    threads: int
    descriptors: int


def growth(samples: Sequence[Sample], of: Callable[[Sample], float]) -> float:
    """What a straight line through the samples grows by from its beginning to its end; the first fifth is left out."""
    kept = samples[len(samples) // 5 :]
    if len(kept) < 3:
        return 0.0
    times, values = [each.seconds for each in kept], [of(each) for each in kept]
    middle, mean = sum(times) / len(times), sum(values) / len(values)
    spread = sum((moment - middle) ** 2 for moment in times)
    if not spread:
        return 0.0
    slope = sum((moment - middle) * (value - mean) for moment, value in zip(times, values)) / spread
    return slope * (times[-1] - times[0])


class Windows:
    """Spans of time, such as those in which a hub was down."""

    def __init__(self, before: float, after: float, now: Callable[[], float] = time.monotonic) -> None:
        self._before, self._after = before, after
        self._now = now
        self._spans: deque[tuple[float, Optional[float]]] = deque(maxlen=200)

    def begin(self) -> None:
        """It begins now."""
        self._spans.append((self._now(), None))

    def end(self) -> None:
        """The last one ends now."""
        begin, _ = self._spans.pop()
        self._spans.append((begin, self._now()))

    def hold(self, moment: float) -> bool:
        """Whether a moment lies in one of them, or so much before or after."""
        now = self._now()
        spans = list(self._spans)
        return any(begin - self._before <= moment <= (end or now) + self._after for begin, end in spans)
