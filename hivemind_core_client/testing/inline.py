"""A session with nobody, on the thread that calls: no socket, no thread, and a clock that is moved by hand."""

from __future__ import annotations

import heapq
import logging
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Callable, Optional, cast

from hivemind_core_client.config.profile import ClientProfile
from hivemind_core_client.kernel.events import Arrived, Rejected
from hivemind_core_client.kernel.lifecycle import ClientState, Listener
from hivemind_core_client.kernel.policy import Backoff, Deadlines
from hivemind_core_client.plugins.wrapping import strip_claims
from hivemind_core_client.sync.gathering import Gatherer
from hivemind_core_client.sync.mailbox import Job, Mailbox
from hivemind_core_client.sync.worker import Connection, Worker
from hivemind_core_client.testing.fake_hub import FakeHub, agreed, carried, exchanged
from hivemind_core_client.transports.shared_socket import Progress
from hivemind_core_client.transports.tcp import Transport
from hivemind_core_client.wire.errors import (
    ClientClosed,
    HiveMindError,
    HubRefused,
    NotConnected,
    ProtocolError,
)
from hivemind_core_client.wire.message import HiveMessage

log = logging.getLogger(__name__)


class InlineMailbox(Mailbox):
    """Runs jobs on the thread that puts them; what a job puts runs after it, and what comes from the hub after that.

    `elapsed` is how far the clock was moved, in seconds.
    """

    def __init__(self) -> None:
        super().__init__("hivemind-fake")
        self.elapsed = 0.0
        self._arriving: deque[Job] = deque()
        self._holders = 0

    def now(self) -> float:
        """The time of day, in seconds since the epoch, later by what the clock was moved."""
        return time.time() + self.elapsed

    def put(self, job: Job) -> None:
        """Run `job` now, or after the one that is running."""
        self._queue(self._jobs, job)

    def arrive(self, job: Job) -> None:
        """Run `job` when no other waits."""
        self._queue(self._arriving, job)

    def later(self, seconds: float, key: object, job: Job) -> None:
        """Run `job` once the clock was moved by `seconds`, in place of an earlier one under the same `key`."""
        with self._changed:
            self._forget(key)
            if not self._closed:
                heapq.heappush(self._timers, (self.elapsed + seconds, next(self._order), key, job))

    def close(self, seconds: float) -> None:
        """Take no more jobs. Those that wait behind a running one still run."""
        with self._changed:
            self._closed = True
            self._timers.clear()
            self._arriving.clear()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Let jobs wait until the end of the block."""
        with self._changed:
            self._holders += 1
        try:
            yield
        finally:
            self._release()

    def run_until(self, reached: Callable[[], bool], seconds: Optional[float]) -> bool:
        """Run what waits and move the clock, by `seconds` at most, until `reached()`; returns whether it was.

        None moves it to the last timer: nothing can come after that.
        """
        end = None if seconds is None else self.elapsed + seconds
        while not reached():
            with self._changed:
                job = self._next(end)
            if job is None:
                self.elapsed = self.elapsed if end is None else end
                return reached()
            _run(job)
        return True

    def _queue(self, queue: deque[Job], job: Job) -> None:
        with self.held():
            if not self._closed:
                queue.append(job)

    def _release(self) -> None:
        """Run what waits, if this is the last one who holds it back."""
        while True:
            with self._changed:
                job = self._next(self.elapsed) if self._holders == 1 else None
                if job is None:
                    self._holders -= 1
                    return
            try:
                _run(job)
            except BaseException:  # such as Ctrl-C: the next job must not wait for ever
                with self._changed:
                    self._holders -= 1
                raise

    def _next(self, end: Optional[float]) -> Optional[Job]:
        for queue in (self._jobs, self._arriving):
            if queue:
                return queue.popleft()
        if not self._timers or (end is not None and self._timers[0][0] > end):
            return None
        due, _, _, job = heapq.heappop(self._timers)
        self.elapsed = max(self.elapsed, due)
        return job


class InlineGatherer(Gatherer):
    """Gathers what another one would, and waits by moving the clock of an InlineMailbox."""

    def __init__(self, other: Gatherer, mailbox: InlineMailbox) -> None:
        super().__init__(other._matches, other._over_with)
        self._mailbox = mailbox

    def wait_until(self, reached: Callable[[], bool], seconds: Optional[float]) -> bool:
        """Move the clock until `reached()`, `seconds` at most."""
        return self._mailbox.run_until(lambda: self.lost or reached(), seconds)


class NoThread(threading.Thread):
    """What stands for the thread of a client that needs none; `join` returns at once."""

    def start(self) -> None:
        """Nothing to start."""

    def join(self, timeout: Optional[float] = None) -> None:
        """Nothing to wait for."""


class InlineWorker(Worker):
    """Keeps a session with a FakeHub. It stands as soon as it is asked for, unless the hub has an outage."""

    def __init__(
        self,
        profile: ClientProfile,
        listener: Listener,
        mailbox: InlineMailbox,
        deadlines: Deadlines,
        backoff: Backoff,
        hub: FakeHub,
    ) -> None:
        super().__init__(profile, listener, mailbox, _no_transport, deadlines, backoff)
        self.thread = NoThread()
        self._inline = mailbox
        self._fake_hub = hub

    def start(self, retries: Optional[int]) -> threading.Thread:
        """Begin; `retries` None waits for the end of an outage."""
        self._retries = retries
        self.state = ClientState.CONNECTING
        if self._stopping.is_set():
            self.lose(ClientClosed("the client is closed"))
        else:
            self.resume()
        return self.thread

    def resume(self) -> None:
        """Make a session, or fail as the outage of the hub has it."""
        if self._fake_hub.outage is not None:
            self.lose(self._fake_hub.outage)
            return
        context = self._profile.context
        # Nothing is ever written: what would be sealed and sent goes to the FakeHub as it is.
        self._connection = Connection(self._profile.new_link(), cast(Transport, None))
        context.hub = self._fake_hub.facts(self._profile)
        context.negotiated = agreed(self._profile)
        with self._inline.held():  # handlers of "open" find a session that stands
            self._stand(context.negotiated)

    def lose(self, error: HiveMindError) -> None:
        """End the session, or the attempts to get one. It comes back, if at all, by `resume`."""
        stood = self.standing.is_set()
        link, self.last_error = self.link, error
        with self._inline.held():
            self.standing.clear()
            if stood and link is not None:
                self._lapse(link)
            self._retries = None if stood else self._retries
            self._listener.ended(error, stood)
            if self._retries is None and not self.is_final(error):
                self.state = ClientState.RECONNECTING
                return
            refused = isinstance(error, HubRefused)
            self.state = ClientState.REFUSED if refused else ClientState.CLOSED
            self._settle(self.finished.set)
            self._listener.finished()

    def stop(self) -> None:
        """End the session. Idempotent."""
        over = self._stopping.is_set() or self.finished.is_set() or self.state is ClientState.IDLE
        self._stopping.set()
        if not over:
            self.lose(ClientClosed("the client is closed"))

    def wait_settled(self, seconds: Optional[float]) -> bool:
        """Whether a session stands or the worker gave up: waiting would change nothing."""
        return self._is_settled()

    def ping(self, payload: bytes, seconds: float) -> Optional[float]:
        """No time at all."""
        self._standing_connection()
        return 0.0

    def send(self, message: HiveMessage, progress: Optional[Progress] = None) -> HiveMessage:
        """Hand the prepared message to the hub. Raises like the real one, and what the rules of the hub raise."""
        link = self._standing_connection().link
        prepared = link.prepare(message)
        sent = carried(self._profile, prepared)
        self._act(link.sending(prepared))
        for answer in exchanged(self._profile, self._fake_hub, sent, progress):
            self._inline.arrive(partial(self._admit, answer))
        return prepared

    def receive(self, message: HiveMessage) -> None:
        """Treat a message as sent by the hub. Raises NotConnected, and InvalidMessage for what cannot travel."""
        if not self.standing.is_set():
            raise NotConnected("no session stands for a message to arrive on: call connect() first")
        try:
            arrived = carried(self._profile, message)
        except ProtocolError as error:
            self._act([Rejected(error)])
            return
        self._inline.arrive(partial(self._admit, arrived))

    def _admit(self, message: HiveMessage) -> None:
        link = self.link
        if link is None or not self.standing.is_set():
            log.info("a %s message came too late: the session is over", message.msg_type.name)
            return
        strip_claims(message.raw_payload)
        self._act([Arrived(message), *link.admit(message, wrapped=False)])


def _no_transport() -> Any:
    raise NotConnected("a fake client has no transport")


def _run(job: Job) -> None:
    try:
        job()
    except (Exception, SystemExit):  # like a user's callback on the real client's thread
        log.exception("hivemind-fake: a handler raised")
