"""Waiting for a stream of messages, on the thread that calls."""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Iterator
from functools import partial
from typing import Callable, Optional

from hivemind_core_client.kernel.questions import Answer, Answers
from hivemind_core_client.shell.waiters import Waiter, Waiters, wait_in_slices
from hivemind_core_client.sync.mailbox import Mailbox
from hivemind_core_client.wire.errors import HiveMindError, QueryTimeout
from hivemind_core_client.wire.message import HiveMessage


class Gatherer(Waiter):
    """Shows every message that arrives to `take`, until `stop` or `over()`; `take` tells whether it was of interest.

    `lost` is set when the connection ended.
    """

    def __init__(self, take: Callable[[HiveMessage], bool], over: Callable[[], bool] = lambda: False) -> None:
        super().__init__(take, request=True)
        self._over_with = over
        self.changed = threading.Condition()
        self.lost = False
        self._stopped = False

    def offer(self, message: HiveMessage) -> bool:
        """True once this waiter wants to see no more."""
        with self.changed:
            if not self._stopped and self._matches(message):
                self.changed.notify_all()
            return self._stopped or self._over_with()

    def give_up(self) -> None:
        """The connection ended."""
        with self.changed:
            self.lost = True
            self.changed.notify_all()

    def stop(self) -> None:
        """Look at no more messages. Takes no lock, since the garbage collector calls it too, wherever it runs."""
        self._stopped = True

    def wait_until(self, reached: Callable[[], bool], seconds: Optional[float]) -> bool:
        """Wait until `reached()`, which is asked after every message; False when `seconds` were over first."""

        def wait(left: float) -> bool:
            with self.changed:
                return self.changed.wait_for(lambda: self.lost or reached(), left)

        return wait_in_slices(wait, seconds)


class AnswerStream:
    """The answers to a question, as they come: iterate over it, or take `first`.

    Iterating ends with the stream, and raises QueryTimeout when nothing came for `patience` seconds (0: no
    bound), MessageDenied, or what ended the connection. Leaving early costs nothing: answers are gathered only as long
    as somebody holds on to this. May be iterated more than once: what has come is kept.
    """

    def __init__(
        self,
        answers: Answers,
        gatherer: Gatherer,
        waiters: Waiters,
        mailbox: Mailbox,
        patience: float,
        cause: Callable[[], HiveMindError],
    ) -> None:
        self._answers = answers
        self._gatherer = gatherer
        self._waiters = waiters
        self._mailbox = mailbox
        self._patience = patience
        self._cause = cause
        self._fetched: list[Answer] = []
        weakref.finalize(self, gatherer.stop).atexit = False

    @property
    def first(self) -> Answer:
        """The first answer. Raises like iterating, and QueryTimeout for a stream that ended without any."""
        for answer in self:
            return answer
        raise QueryTimeout("the stream of answers ended without any answer")

    def __iter__(self) -> Iterator[Answer]:
        """Yield each answer, waiting for those that have not come yet."""
        index = 0
        while index < len(self._fetched) or self._fetch():
            yield self._fetched[index]
            index += 1

    def _fetch(self) -> bool:
        """Take one more answer in; False at the end of the stream."""
        answers = self._answers
        with self._mailbox.blocking():
            came = self._gatherer.wait_until(
                lambda: bool(answers.fresh) or answers.over, self._patience or None
            )
        if answers.fresh:
            self._fetched.append(answers.fresh.popleft())
            return True
        self._waiters.remove(self._gatherer)
        answers.conclude(self._gatherer.lost, came, self._patience, bool(self._fetched), self._cause)
        return False


def gather_all(
    answers: Answers, gatherer: Gatherer, seconds: float, cause: Callable[[], HiveMindError]
) -> list[Answer]:
    """All answers that come within `seconds`, or until the question is over; see `Answers.all_of`."""
    gatherer.wait_until(lambda: answers.over, seconds)
    gatherer.stop()
    return answers.all_of(gatherer.lost, seconds, cause)


def wait_for_quiet(gatherer: Gatherer, count: Callable[[], int], seconds: float, settle: float) -> None:
    """Wait until `count()` has stopped growing for `settle` seconds after its first step, `seconds` at most."""
    end = time.monotonic() + seconds
    known = 0
    while not gatherer.lost:
        left = end - time.monotonic()
        patience = min(left, settle) if known else left
        if left <= 0 or not gatherer.wait_until(partial(_grown, count, known), patience):
            return
        known = count()


def _grown(count: Callable[[], int], known: int) -> bool:
    return count() > known
