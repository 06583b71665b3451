"""The thread that keeps a satellite connected: opens, reads, and comes back after every kind of end."""

from __future__ import annotations

import logging
import secrets
import threading
from typing import Callable, NoReturn, Optional

from attrs import field, frozen

from hivemind_core_client.config.profile import ClientProfile
from hivemind_core_client.kernel.events import Doubtful, Established, Event, Meanwhile, Transmit
from hivemind_core_client.kernel.lifecycle import (
    AFTERTHOUGHT,
    VERDICT,
    ClientState,
    Course,
    Listener,
    not_sent,
)
from hivemind_core_client.kernel.link import Link
from hivemind_core_client.kernel.policy import Backoff, Deadlines
from hivemind_core_client.plugins.contract import (
    Frame,
    Negotiated,
    Send,
    SetTimer,
)
from hivemind_core_client.shell.waiters import wait_in_slices
from hivemind_core_client.sync.mailbox import Mailbox
from hivemind_core_client.transports.failures import Closed
from hivemind_core_client.transports.shared_socket import Progress
from hivemind_core_client.transports.tcp import Transport
from hivemind_core_client.wire.errors import (
    ClientClosed,
    ConnectionLost,
    HiveMindError,
    HubConnectionError,
    HubRefused,
    InvalidOption,
    again,
)
from hivemind_core_client.wire.message import HiveMessage

log = logging.getLogger(__name__)


class WritingLock:
    """The lock under which a message is sealed and written. Whoever holds it and writes again is told so."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._owner: Optional[int] = None
        self._turns = 0

    def acquire(self, seconds: float) -> bool:
        """False when one and the same holder has had it for so long. Raises InvalidOption on the thread of that."""
        if self._owner == threading.get_ident():
            raise InvalidOption(
                "a callback for progress cannot send: it is called while a message is written"
            )
        turns = -1
        while turns != self._turns:  # others had their turns meanwhile: nothing is stuck
            turns = self._turns
            if self._lock.acquire(timeout=seconds):
                self._owner = threading.get_ident()
                return True
        return False

    def release(self) -> None:
        """Let others write."""
        self._owner = None
        self._turns += 1
        self._lock.release()


@frozen
class Connection:
    """One connection: its Link, its transport, and the lock under which a message is sealed and written."""

    link: Link
    transport: Transport
    writing: WritingLock = field(factory=WritingLock)


class Worker(Course):
    """Connects, serves and reconnects on a thread of its own until it is stopped or refused."""

    def __init__(
        self,
        profile: ClientProfile,
        listener: Listener,
        mailbox: Mailbox,
        new_transport: Callable[[], Transport],
        deadlines: Deadlines,
        backoff: Backoff,
    ) -> None:
        super().__init__(profile, listener, mailbox, new_transport, deadlines, backoff)
        self.standing = threading.Event()
        self.finished = threading.Event()
        self._connection: Optional[Connection] = None
        self._ended: Optional[Connection] = None
        self._stopping = threading.Event()
        self._settled = threading.Condition()
        self._link_lock = threading.Lock()
        self.thread = threading.Thread(target=self._run, name="hivemind-link", daemon=True)
        self._handle[Transmit] = self._transmit
        self._handle[Meanwhile] = lambda event: event.work()
        self._handle[Send] = self._send_later

    def start(self, retries: Optional[int]) -> threading.Thread:
        """Begin. Before the first session stands, give up after `retries` more attempts; None never gives up."""
        self._begin(retries)
        self.thread.start()
        return self.thread

    @property
    def stopping(self) -> bool:
        """True once the worker was told to end."""
        return self._stopping.is_set()

    def wait_settled(self, seconds: Optional[float]) -> bool:
        """Wait until a session stands or the worker gave up; False when neither came in time."""
        with self._settled:
            return wait_in_slices(lambda left: self._settled.wait_for(self._is_settled, left), seconds)

    def _is_settled(self) -> bool:
        return self.standing.is_set() or self.finished.is_set() or self._stopping.is_set()

    def send(self, message: HiveMessage, progress: Optional[Progress] = None) -> HiveMessage:
        """Send, and return the message as it was sent.

        Waits a little for a session. Raises NotConnected when none came, and what ended the connection
        when it broke under the message.
        """
        connection = self._standing_connection()
        prepared = connection.link.prepare(message)
        events: list[Event] = []

        def frames() -> list[Frame]:
            sealed = connection.link.seal(prepared)
            with self._link_lock:  # before it leaves: the answer may be back before the write returns
                events.extend(connection.link.sending(prepared))
            return sealed

        try:
            self._write(connection, frames, progress)
        except ConnectionLost as error:
            raise self._verdict(connection, error) from error
        self._act(events)
        return prepared

    def admit(self, message: HiveMessage) -> None:
        """Treat a message that a handler had kept back as arrived."""
        link = self.link
        if link is None:
            return
        with self._link_lock:
            events = link.admit(message)
        self._act(events)

    def _write(
        self,
        connection: Connection,
        frames: Callable[[], list[Frame]],
        progress: Optional[Progress] = None,
    ) -> None:
        """Seal and write under one lock, so that frames leave in the order they were sealed."""
        if not connection.writing.acquire(self._deadlines.write):
            raise self._stuck()  # the transport ends one that the hub does not take
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

    def ping(self, payload: bytes, seconds: float) -> Optional[float]:
        """Seconds of one round trip, or None when it did not end in time. Raises like `send`."""
        connection = self._standing_connection()
        try:
            return connection.transport.ping(payload, seconds)
        except ConnectionLost as error:
            raise self._verdict(connection, error) from error

    def forsake(self) -> None:
        """Another worker has taken over: end, and tell nobody."""
        super().forsake()
        self._stopping.set()
        connection = self._connection
        if connection is not None and not self.finished.is_set():
            connection.transport.abort()

    def stop(self) -> None:
        """Say farewell, wake the thread, and wait for it, unless it is the one that calls. Idempotent."""
        self._stopping.set()
        self._settle(lambda: None)
        connection = self._connection
        own = threading.current_thread() is self.thread
        if connection is not None and self.standing.is_set():
            # On a thread of its own: somebody may be stuck in writing, and closing must not wait for that.
            threading.Thread(target=connection.transport.farewell, daemon=True).start()
            if not own:
                self.finished.wait(self._deadlines.close)
        if connection is not None:
            connection.transport.abort()
        if self.thread.ident is not None and not own:
            self.thread.join(self._deadlines.close)

    def _standing_connection(self) -> Connection:
        self._check_begun()
        self.wait_settled(self._deadlines.send)
        connection = self._connection
        if self.standing.is_set() and connection is not None:
            return connection
        raise again(self._not_connected())

    def _verdict(self, connection: Connection, error: HiveMindError) -> HiveMindError:
        """What ended the connection, if the reader finds it out at once; else the failure to send."""
        with self._settled:
            self._settled.wait_for(lambda: self._ended is connection or self.finished.is_set(), VERDICT)
        return self.last_error if isinstance(self.last_error, HubRefused) else error

    def _run(self) -> None:
        try:
            self._connect_for_ever()
        finally:
            self.standing.clear()
            self._finish()
            self._settle(self.finished.set)
            self._listener.finished()

    def _connect_for_ever(self) -> None:
        while True:
            self._attempt()
            delay = self._next_delay()
            if delay is None or self._stopping.wait(delay):
                return

    def _attempt(self) -> None:
        """One connection from its opening to its end."""
        connection: Optional[Connection] = None
        try:
            self._connection = connection = Connection(self._profile.new_link(), self._new_transport())
            self._converse(connection)
        except HiveMindError as raised:
            error = raised
        except Exception as raised:  # a fault of ours must not end the satellite
            error = self._fault(raised)
        finally:
            if connection is not None:
                with self._link_lock:  # whoever still waits for a proof of this session finds it closed
                    connection.link.ended()
                connection.transport.release()
        stood = self.standing.is_set()
        self._attempted(error, stood)
        self.standing.clear()
        self._listener.ended(self.last_error or error, stood)
        if stood and connection is not None:
            self._lapse(connection.link)
        self._settle(lambda: setattr(self, "_ended", connection))

    def _lapse(self, link: Link) -> None:
        with self._link_lock:
            events = link.lapsed()
        self._act(events)

    def _converse(self, connection: Connection) -> NoReturn:
        """Serve one connection; raises what ended it."""
        link, transport = connection.link, connection.transport
        if self._stopping.is_set():  # after the connection is known to `stop`, so that one of the two ends it
            raise ClientClosed("the client is closed")
        transport.open(self._profile.settings.url())
        link.opened()
        while link.phase is not None:
            phase = link.phase
            with transport.deadline(phase, self._deadlines.of(phase)):
                while link.phase == phase:
                    self._take(connection)
        while True:
            self._take(connection)

    def _take(self, connection: Connection) -> None:
        incoming = connection.transport.receive()
        if isinstance(incoming, Closed):
            raise connection.link.ended(incoming.code, incoming.reason)
        with self._link_lock:
            events = connection.link.receive(incoming)
        self._act(events)

    def _act(self, events: list[Event]) -> None:
        for event in events:
            self._handle[type(event)](event)

    def _transmit(self, event: Transmit) -> None:
        connection = self._connection
        if connection is not None:
            self._write(connection, lambda: event.frames)

    def _prove(self, event: Doubtful) -> None:
        connection = self._connection
        if connection is not None:
            connection.transport.watch()
            threading.Thread(
                target=self._wait_for_pong, args=(connection,), name="hivemind-proof", daemon=True
            ).start()

    def _wait_for_pong(self, connection: Connection) -> None:
        try:
            connection.transport.ping(secrets.token_bytes(8), self._deadlines.handshake)
        except HubConnectionError:
            return  # the reader finds out what that means
        with self._link_lock:
            self._act(connection.link.proven())
        with self._settled:
            self._settled.wait_for(lambda: self._ended is connection or self._stopping.is_set(), AFTERTHOUGHT)
        connection.link.confirm()

    def _established(self, event: Established) -> None:
        if self._connection is not None:
            self._connection.transport.watch()
        super()._established(event)

    def _stand(self, negotiated: Negotiated) -> None:
        self.state = ClientState.CONNECTED
        self._listener.established(negotiated)
        self._settle(self.standing.set)

    def _send_later(self, event: Send) -> None:
        def job() -> None:
            try:
                self.send(event.message)
            except HiveMindError as error:
                not_sent(event.message, error)

        self._mailbox.put(job)

    def _due(self, event: SetTimer) -> None:
        link = self.link
        if link is None:
            return
        with self._link_lock:
            events = link.due(event.msg_type, event.key)
        self._act(events)

    def _settle(self, change: Callable[[], object]) -> None:
        with self._settled:
            change()
            self._settled.notify_all()
