"""The thread that keeps a client connected: opens, reads, and reconnects after any disconnect."""

from __future__ import annotations

import secrets
import threading
import time
from typing import TYPE_CHECKING, Callable, NoReturn, Optional

from attrs import field, frozen

from hivemind_core_client.kernel.events import AwaitProof, Event, RunDuringWait, Transmit
from hivemind_core_client.kernel.lifecycle import CLOSE_REASON_WAIT_S, ClientState
from hivemind_core_client.shell.worker import not_sent
from hivemind_core_client.sync.base_worker import BaseWorker
from hivemind_core_client.sync.mailbox import Running
from hivemind_core_client.sync.waiting import Notifier
from hivemind_core_client.transports.failures import Closed
from hivemind_core_client.wire.errors import (
    ClientClosed,
    ConnectionLost,
    HiveMindError,
    HubConnectionError,
    InvalidOption,
    again,
)

if TYPE_CHECKING:
    from hivemind_core_client.config.profile import ClientProfile
    from hivemind_core_client.kernel.link import Link
    from hivemind_core_client.kernel.policy import Backoff, Deadlines
    from hivemind_core_client.kernel.progress import Progress
    from hivemind_core_client.plugins.contract import Frame
    from hivemind_core_client.sync.mailbox import Mailbox
    from hivemind_core_client.transports.base import Transport
    from hivemind_core_client.wire.message import HiveMessage


class WritingLock:
    """The lock under which a message is sealed and written. Whoever holds it and writes again is told so."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._owner: Optional[int] = None
        self._turns = 0

    def acquire(self, seconds: float) -> bool:
        """False if one holder kept it for `seconds`. Raises InvalidOption on the thread of that holder."""
        if not self._lock.acquire(blocking=False) and not self._wait(seconds):
            return False
        self._owner = threading.get_ident()
        return True

    def release(self) -> None:
        """Let others write."""
        self._owner = None
        self._turns += 1
        self._lock.release()

    def _wait(self, seconds: float) -> bool:
        if self._owner == threading.get_ident():
            raise InvalidOption(
                "a callback for progress cannot send: it is called while a message is written"
            )
        turns = -1
        while turns != self._turns:  # others had their turns meanwhile: nothing is stuck
            turns = self._turns
            if self._lock.acquire(timeout=seconds):
                return True
        return False


@frozen
class Connection:
    """One connection: its Link, its transport, and the lock under which a message is sealed and written."""

    link: Link
    transport: Transport
    writing: WritingLock = field(factory=WritingLock)


class Worker(BaseWorker):
    """Connects, serves and reconnects on a thread of its own until it is stopped or refused."""

    def __init__(
        self,
        profile: ClientProfile,
        mailbox: Mailbox,
        new_transport: Callable[[], Transport],
        deadlines: Deadlines,
        backoff: Backoff,
    ) -> None:
        super().__init__(profile, mailbox, deadlines, backoff)
        self.is_finished = False
        self.thread = Running(target=self._run, name="hivemind-link", daemon=True)
        self._link_lock = threading.Lock()
        self._blocking = mailbox.blocking
        self._new_transport = new_transport
        self._changed = Notifier()
        self._connection: Optional[Connection] = None
        self._ended: Optional[Connection] = None
        self._handle[Transmit] = self._transmit
        self._handle[RunDuringWait] = lambda event: event.work()

    @property
    def running(self) -> Running:
        """The thread."""
        return self.thread

    def start(self, retries: Optional[int]) -> None:
        """Begin. Before the first session stands, give up after `retries` more attempts; None never gives up."""
        self.lifecycle.begin(retries)
        self.thread.start()

    def wait_connected(self, seconds: Optional[float]) -> bool:
        """Wait until a session stands or none will; False when neither came in time."""
        with self._blocking():
            return self._changed.wait_until(self._is_connected_or_over, seconds)

    def wait_finished(self, seconds: Optional[float] = None) -> bool:
        """Wait until the thread has ended its work."""
        with self._blocking():
            return self._changed.wait_until(lambda: self.is_finished, seconds)

    def send(self, message: HiveMessage, progress: Optional[Progress] = None) -> HiveMessage:
        """Send, and return the message as it was sent.

        Waits a little for a session. Raises NotConnected when none came, and what ended the connection
        when it broke under the message.
        """
        connection = self._connection
        if connection is None or self.lifecycle.state is not ClientState.CONNECTED:
            connection = self._wait_for_session()
        link = connection.link
        prepared = link.prepare(message)

        def frames() -> list[Frame]:
            sealed = link.seal(prepared)
            with self._link_lock:  # before it leaves: the answer may be back before the write returns
                events.extend(link.sending(prepared))
            return sealed

        events: list[Event] = []
        try:
            self._write(connection, frames, progress)
        except ConnectionLost as error:
            raise self._why_broken(connection, error) from error
        if events:
            self._act(events)
        return prepared

    def send_quietly(self, message: HiveMessage) -> None:
        """Send a message whose sender is not to be told; it is logged where it could not be sent."""
        try:
            self.send(message)
        except HiveMindError as error:
            not_sent(message, error)

    def ping(self, payload: bytes, seconds: float) -> Optional[float]:
        """Seconds of one round trip, or None when it did not end in time. Raises like `send`."""
        connection = self._wait_for_session()
        try:
            return connection.transport.ping(payload, seconds)
        except ConnectionLost as error:
            raise self._why_broken(connection, error) from error

    def stop(self) -> None:
        """Say farewell, wake the thread, and wait for it, unless it is the one that calls. Idempotent."""
        stood, connection = self.lifecycle.stands, self._connection
        self.lifecycle.stop()
        self._changed.notify()
        is_own = threading.current_thread() is self.thread
        if connection is not None and stood:
            # On a thread of its own: somebody may be stuck in writing, and closing must not wait for that.
            threading.Thread(target=connection.transport.farewell, daemon=True).start()
            if not is_own:
                self.wait_finished(self._deadlines.close)
        if connection is not None:
            connection.transport.abort()
        if self.thread.ident is not None and not is_own:
            self.thread.join(self._deadlines.close)

    def _is_connected_or_over(self) -> bool:
        lifecycle = self.lifecycle
        return lifecycle.stands or lifecycle.stopping or self.is_finished

    def _wait_for_session(self) -> Connection:
        self.lifecycle.check_begun()
        self.wait_connected(self._deadlines.send)
        connection = self._connection
        if self.lifecycle.stands and connection is not None:
            return connection
        raise again(self.lifecycle.why_not_sent())

    def _write(
        self,
        connection: Connection,
        frames: Callable[[], list[Frame]],
        progress: Optional[Progress] = None,
    ) -> None:
        """Seal and write under one lock, so that frames leave in the order they were sealed."""
        if not connection.writing.acquire(self._deadlines.write):
            raise self.lifecycle.hub_is_stuck()  # the transport ends one that the hub does not take
        try:
            connection.transport.send(frames(), progress)
        except HiveMindError:
            raise
        except BaseException:
            # Such as Ctrl-C: what was sealed has its place, and nothing after it would open.
            connection.transport.abort()
            raise
        finally:
            connection.writing.release()

    def _why_broken(self, connection: Connection, error: HiveMindError) -> HiveMindError:
        """What ended the connection, if the reader finds it out at once; else the failure to send."""
        self._changed.wait_until(lambda: self._ended is connection or self.is_finished, CLOSE_REASON_WAIT_S)
        return self.lifecycle.why_broken(error)

    def _run(self) -> None:
        try:
            delay = self._attempt()
            while delay is not None and not self._changed.wait_until(lambda: self.lifecycle.stopping, delay):
                delay = self._attempt()
        finally:
            self.lifecycle.finish()
            self.is_finished = True
            self._changed.notify()
            self._tell_over()

    def _attempt(self) -> Optional[float]:
        """One connection from its opening to its end. Returns the seconds until the next one, or None."""
        connection: Optional[Connection] = None
        try:
            self.link = self._profile.new_link()
            self._connection = connection = Connection(self.link, self._new_transport())
            self._converse(connection)
        except HiveMindError as raised:
            error = raised
        except Exception as raised:
            error = self.lifecycle.fault(raised)
        finally:
            if connection is not None:
                with self._link_lock:  # whoever still waits for a proof of this session finds it closed
                    connection.link.ended(now=time.monotonic())
                connection.transport.release()
        delay = self._end(error)
        self._ended = connection
        self._changed.notify()
        return delay

    def _converse(self, connection: Connection) -> NoReturn:
        """Serve one connection; raises what ended it."""
        link, transport = connection.link, connection.transport
        if self.lifecycle.stopping:  # after the connection is known to `stop`, so that one of the two ends it
            raise ClientClosed("the client is closed")
        transport.open(self._profile.settings.url())
        link.opened()
        while link.phase is not None:
            phase = link.phase
            with transport.deadline(phase, self._deadlines.of(phase)):
                while link.phase == phase:
                    self._take(link, transport)
        while True:
            self._take(link, transport)

    def _take(self, link: Link, transport: Transport) -> None:
        incoming = transport.receive()
        if isinstance(incoming, Closed):
            raise link.ended(incoming.code, incoming.reason, now=time.monotonic())
        with self._link_lock:
            events = link.receive(incoming)
        handle = self._handle
        for event in events:
            handle[type(event)](event)

    def _transmit(self, event: Transmit) -> None:
        connection = self._connection
        if connection is not None:
            self._write(connection, lambda: event.frames)

    def _await_proof(self, event: AwaitProof) -> None:
        connection = self._connection
        if connection is not None:
            connection.transport.watch()
            threading.Thread(
                target=self._prove, args=(connection,), name="hivemind-proof", daemon=True
            ).start()

    def _prove(self, connection: Connection) -> None:
        try:
            connection.transport.ping(secrets.token_bytes(8), self._deadlines.handshake)
        except HubConnectionError:
            return  # the reader finds out what that means
        with self._link_lock:
            self._act(connection.link.hub_answered(time.monotonic()))

    def _session_stands(self) -> None:
        connection = self._connection
        if connection is not None:
            connection.transport.watch()
            connection.transport.stand()
        self._changed.notify()

    def _abandon(self) -> None:
        self.lifecycle.stop()
        self._changed.notify()
        connection = self._connection
        if connection is not None and not self.is_finished:
            connection.transport.abort()
