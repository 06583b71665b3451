"""Waiting for the answers to a question, as they come."""

from __future__ import annotations

import weakref
from collections.abc import AsyncIterator
from functools import partial
from typing import TYPE_CHECKING, Callable

from hivemind_core_client.aio.waiting import AsyncNotifier
from hivemind_core_client.shell.waiters import Gatherer, Waiters
from hivemind_core_client.wire.errors import HiveMindError, QueryTimeout

if TYPE_CHECKING:
    from hivemind_core_client.kernel.questions import Answers, HiveAnswer
    from hivemind_core_client.shell.protocols import MailboxProtocol


class AsyncAnswerStream:
    """The answers to a question, as they come: iterate over it, or take `first`, which has come already.

    Iterating ends with the stream, and raises QueryTimeout when nothing came for `patience` seconds (0: no
    bound), MessageDenied, or what ended the connection. Leaving early costs nothing: answers are gathered only as long
    as somebody holds on to this. May be iterated more than once: what has come is kept.
    """

    def __init__(
        self,
        answers: Answers,
        gatherer: Gatherer[AsyncNotifier],
        waiters: Waiters,
        mailbox: MailboxProtocol,
        patience: float,
        cause: Callable[[], HiveMindError],
    ) -> None:
        self._answers = answers
        self._gatherer = gatherer
        self._waiters = waiters
        self._mailbox = mailbox
        self._patience = patience
        self._cause = cause
        self._fetched: list[HiveAnswer] = []
        weakref.finalize(self, gatherer.stop).atexit = False

    @property
    def first(self) -> HiveAnswer:
        """The first answer. Raises QueryTimeout for a stream that ended without any."""
        if not self._fetched:
            raise QueryTimeout("the stream of answers ended without any answer")
        return self._fetched[0]

    async def __aiter__(self) -> AsyncIterator[HiveAnswer]:
        """Yield each answer, waiting for those that have not come yet."""
        index = 0
        while index < len(self._fetched) or await self.fetch():
            yield self._fetched[index]
            index += 1

    async def fetch(self) -> bool:
        """Take one more answer in, unless somebody else does so first; False at the end of the stream."""
        known = len(self._fetched)
        with self._mailbox.blocking():
            came = await self._gatherer.notifier.wait_until(
                partial(self._has_more, known), self._patience or None
            )
        if len(self._fetched) > known:
            return True
        if self._answers.fresh:
            self._fetched.append(self._answers.fresh.popleft())
            return True
        self._waiters.remove(self._gatherer)
        self._answers.conclude(self._gatherer.lost, came, self._patience, bool(self._fetched), self._cause)
        return False

    def _has_more(self, known: int) -> bool:
        answers = self._answers
        return bool(answers.fresh) or answers.over or self._gatherer.lost or len(self._fetched) > known


async def gather_all(
    answers: Answers, gatherer: Gatherer[AsyncNotifier], seconds: float, cause: Callable[[], HiveMindError]
) -> list[HiveAnswer]:
    """All answers that come within `seconds`, or until the question is over; see `Answers.all_of`."""
    await gatherer.notifier.wait_until(lambda: answers.over or gatherer.lost, seconds)
    gatherer.stop()
    return answers.all_of(gatherer.lost, seconds, cause)


async def wait_for_quiet(
    gatherer: Gatherer[AsyncNotifier], count: Callable[[], int], seconds: float, settle: float
) -> None:
    """Wait until `count()` has stopped growing for `settle` seconds after its first step, `seconds` at most."""
    notifier = gatherer.notifier
    end, known = notifier.now() + seconds, 0
    while not gatherer.lost:
        left = end - notifier.now()
        patience = min(left, settle) if known else left
        if left <= 0 or not await notifier.wait_until(partial(_grown, gatherer, count, known), patience):
            return
        known = count()


def _grown(gatherer: Gatherer[AsyncNotifier], count: Callable[[], int], known: int) -> bool:
    return gatherer.lost or count() > known
