"""A connection that an object of somebody else has, and that a protocol object acts through.

That object sends by `emit(HiveMessage)`, and calls what was registered by its `on(type, handler)` for each message that
came. It seals and opens by what the handshake gives it: `noise_transport`, or `crypto_key`, `cipher` and
`json_encoding`. Everything else is done by the Link of our own clients, whose frames are plain messages here.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import deque
from inspect import isawaitable
from typing import TYPE_CHECKING, Any, Callable, Optional

from attrs import evolve

from hivemind_bus_client._handing import Keyed, handing
from hivemind_bus_client.encryption import SupportedCiphers, SupportedEncodings
from hivemind_bus_client.noise import NoiseTransport
from hivemind_core_client.config.hub_keys import HubKeys
from hivemind_core_client.kernel.events import AwaitProof, Established, RunDuringWait, Transmit
from hivemind_core_client.kernel.link import Link
from hivemind_core_client.kernel.noise_channel import NoiseChannel
from hivemind_core_client.kernel.states import State
from hivemind_core_client.sync.base_worker import BaseWorker
from hivemind_core_client.wire.errors import (
    ClientClosed,
    ConnectionLost,
    HiveMindError,
    InvalidMessage,
    again,
)
from hivemind_core_client.wire.json_text import json_object
from hivemind_core_client.wire.message import HiveMessage, HiveMessageType
from hivemind_core_client.wire.text import described

if TYPE_CHECKING:
    from hivemind_core_client.kernel.outbox import OutboxQueue
    from hivemind_core_client.kernel.progress import Progress
    from hivemind_core_client.plugins.handshake_contract import NoiseKeys
    from hivemind_core_client.sync.mailbox import Running

log = logging.getLogger(__name__)

#: What loops await: each knows its tasks by weak references only.
_AWAITED: set[asyncio.Future[Any]] = set()


class InTurn:
    """Runs jobs one after the other, on the thread that brings the first of them; what a job brings runs after it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: deque[Callable[[], None]] = deque()
        self._is_running = False

    def run(self, job: Callable[[], None]) -> None:
        """Run a job now, or have who is running one do so."""
        with self._lock:
            self._waiting.append(job)
            if self._is_running:
                return
            self._is_running = True
        while (following := self._next()) is not None:
            try:
                following()
            except (Exception, SystemExit):  # what waits behind it may not be lost
                log.exception("what followed from a message raised")
            except BaseException:  # such as Ctrl-C
                with self._lock:
                    self._is_running = False
                raise

    def _next(self) -> Optional[Callable[[], None]]:
        with self._lock:
            self._is_running = bool(self._waiting)
            return self._waiting.popleft() if self._waiting else None


class ForeignWorker(BaseWorker):
    """Keeps a session over the connection of `hm`. It begins with a HELLO of the hub, and ends by `lose`."""

    def __init__(self, hm: Any, stood_keys: dict[str, HubKeys], *parts: Any) -> None:
        super().__init__(*parts)
        self._link_lock = threading.RLock()
        self._hm = hm
        self._turn = InTurn()
        #: By the hub's node id: which handshake of it was refused is known from one connection to the next.
        self._keys = stood_keys
        #: The key of a session below version 3 that the object got from here.
        self.handed_key: Optional[bytes] = None
        self._noise: Optional[NoiseKeys] = None
        self._keyed: Optional[Keyed] = None
        self._thread = threading.Thread(target=self.wait_finished, daemon=True)
        self._settled = threading.Condition()
        self._handle.update({Transmit: self._transmit, RunDuringWait: self._run_during_wait})

    @property
    def running(self) -> Running:
        """There is no thread of its own: a thread that was never started."""
        return self._thread

    def start(self, retries: Optional[int]) -> None:
        """Be ready for the hub's HELLO."""
        self.lifecycle.begin(retries)

    def arrived(self, message: HiveMessage) -> None:
        """A message has come: what follows from it is done now, or after what is being done."""
        self._turn.run(lambda: self._arrived(message))

    def lose(self, error: HiveMindError) -> None:
        """The connection has ended. Idempotent."""
        link, self._keyed = self.link, None
        if link is None or link.state is State.CLOSED:
            return
        meant = link.ended(now=self._now())
        self._end(error if isinstance(error, ClientClosed) else meant)
        self.link = None
        self._stir()

    def send(self, message: HiveMessage, progress: Optional[Progress] = None) -> HiveMessage:
        """Hand the prepared message to the object. Raises NotConnected, InvalidMessage, and what `emit` raised."""
        link = self.link
        try:
            if link is None or not self.lifecycle.stands:
                raise again(self.lifecycle.why_not_sent())
            prepared = link.prepare(message)
            self._act_on(lambda: link.sending(prepared))
            self._give(prepared)
            self.delivery.handed(prepared, [], answered=True)
        except BaseException:
            self.ledger.not_sent()
            raise
        return prepared

    def send_quietly(self, message: HiveMessage, keep: bool = False) -> None:
        """Send a message whose sender is not to be told; a failure is logged."""
        self._try_to_send(message, keep)

    def keep(self, queue: OutboxQueue) -> None:
        """There is no outbox: whoever has the connection decides when something is sent."""

    def ping(self, payload: bytes, seconds: float) -> Optional[float]:
        """Raises InvalidMessage: only the object could send a ping."""
        raise InvalidMessage("this connection is not ours: no ping can be sent on it")

    def wait_connected(self, seconds: Optional[float]) -> bool:
        """Wait until a session stands or none will."""
        with self._settled:
            return self._settled.wait_for(lambda: self.lifecycle.stands or self.is_finished, seconds)

    def wait_finished(self, seconds: Optional[float] = None) -> bool:
        """Wait until nothing more is tried."""
        with self._settled:
            return self._settled.wait_for(lambda: self.is_finished, seconds)

    def break_off(self) -> None:
        """Have the object close its connection, where it can, and end the session."""
        self._close_connection()
        self.lose(ConnectionLost("the connection was closed here"))

    def stop(self, seconds: float) -> None:
        """End the session. Idempotent."""
        self.lifecycle.stop()
        self.lose(ClientClosed("the client is closed"))
        if not self.is_finished:
            self.lifecycle.finish()
            self.is_finished = True
            self._tell_over()
            self._stir()

    def _arrived(self, message: HiveMessage) -> None:
        if self.link is None:
            if message.msg_type is not HiveMessageType.HELLO:
                self._not_begun(message)
                return
            self._begin(message)
        link = self.link
        if link is None:
            return
        with self._link_lock:
            events = link.receive(message.serialize())
        try:
            for event in events:
                self._handle[type(event)](event)
        except HiveMindError as error:  # the handshake has failed
            self._fail_with(error)

    def _not_begun(self, message: HiveMessage) -> None:
        name = message.msg_type.name
        self._profile.context.note(log.warning, "dropped a %s message: the hub has not said hello", name)

    def _begin(self, hello: HiveMessage) -> None:
        profile, name = self._profile, hello["node_id"]
        profile.context.session.session_id = self._hm.session_id
        options = profile.link_options()
        if not getattr(self._hm, "host", None):  # where it is, nobody has said; who it is, it says itself
            where = name if isinstance(name, str) and name else "unknown"
            keys = self._keys.setdefault(where, HubKeys(profile.identity, profile.settings, where))
            options = evolve(options, where=where, credentials=evolve(options.credentials, noise=keys))
        self._noise = options.credentials.noise
        self.delivery = self.ledger.opened()
        self.link = Link(handing(profile.registry, self._take), profile.renew_context(), options)
        self.link.opened()

    def _take(self, keyed: Keyed) -> None:
        self._keyed = keyed

    def _transmit(self, event: Transmit) -> None:
        for frame in event.frames:
            message = HiveMessage.deserialize(bytes(frame) if isinstance(frame, bytearray) else frame)
            if message.msg_type is not HiveMessageType.HANDSHAKE:
                self._hand_over()
            self._give(message)

    def _hand_over(self) -> None:
        """Give the object what it seals with from now on."""
        keyed, self._keyed, hm = self._keyed, None, self._hm
        if keyed is None:
            return
        if isinstance(keyed.channel, NoiseChannel):
            hm.json_encoding = _chosen_encoding(keyed.said) or hm.json_encoding
            noise = self._noise
            pin = None if noise is None else noise.pinned()
            hm.noise_transport = NoiseTransport.of_channel(keyed.channel, pin.hex() if pin else None)
        else:
            hm.crypto_key = self.handed_key = keyed.key
            hm.cipher, hm.json_encoding = SupportedCiphers(keyed.cipher), SupportedEncodings(keyed.encoding)

    def _run_during_wait(self, event: RunDuringWait) -> None:
        event.work()

    def _await_proof(self, event: AwaitProof) -> None:
        """Nobody can ping the hub: what it sends next shows that it took the handshake, and its close that not."""
        link = self.link
        if link is not None:
            self._act_on(lambda: link.hub_answered(self._now()))

    def _established(self, event: Established) -> None:
        super()._established(event)
        self._hm.handshake_event.set()

    def _session_stands(self) -> None:
        self._stir()

    def _fail_with(self, error: HiveMindError) -> None:
        self._keyed = self._hm.noise_transport = None
        log.error("the session with the hub is given up: %s", error)
        self._end(error)
        self.link = None
        self._stir()
        self._close_connection()

    def _close_connection(self) -> None:
        close = getattr(self._hm, "close_connection", None)
        if callable(close):
            _awaited(close())

    def _give(self, message: HiveMessage) -> None:
        try:
            _awaited(self._hm.emit(message))
        except HiveMindError:
            raise
        except Exception as error:  # whatever the object raises: it has a connection that may be gone
            what = f"a {message.msg_type.name} message was not sent: {described(error)}"
            raise ConnectionLost(what) from error

    def _stir(self) -> None:
        with self._settled:
            self._settled.notify_all()

    def _abandon(self) -> None:
        self.lifecycle.stop()
        self._stir()


def _awaited(result: Any) -> None:
    """Have the loop that runs here await what is to be awaited."""
    if isawaitable(result):
        task = asyncio.ensure_future(result)
        _AWAITED.add(task)
        task.add_done_callback(_AWAITED.discard)


def _chosen_encoding(said: bytes) -> Optional[SupportedEncodings]:
    """The encoding of text that a hub chose; None where it has chosen none."""
    try:
        return SupportedEncodings(json_object(said)["encoding"])
    except (KeyError, TypeError, ValueError, HiveMindError):
        return None
