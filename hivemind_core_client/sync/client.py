"""HiveMessageBusClient: the OVOS bus client whose bus is a hive."""

from __future__ import annotations

import logging
import secrets
import threading
from typing import Any, Optional

from ovos_bus_client import MessageBusClient

from hivemind_core_client.shell.base import Furnished
from hivemind_core_client.shell.callbacks import BinaryDataCallbacks
from hivemind_core_client.shell.waiters import wait_in_slices
from hivemind_core_client.sync.collect_verbs import CollectVerbs
from hivemind_core_client.sync.hive_verbs import HiveVerbs
from hivemind_core_client.sync.mailbox import Mailbox
from hivemind_core_client.sync.waiting import as_packet
from hivemind_core_client.sync.worker import Worker
from hivemind_core_client.transports.shared_socket import Progress
from hivemind_core_client.transports.tcp import Transport
from hivemind_core_client.transports.websocket import WebSocketTransport
from hivemind_core_client.wire.errors import HiveMindError, again
from hivemind_core_client.wire.message import HiveMessage, HiveMindBinaryPayloadType

__all__ = ["BinaryDataCallbacks", "HiveMessageBusClient"]

log = logging.getLogger(__name__)

_UNDEFINED = HiveMindBinaryPayloadType.UNDEFINED


class HiveMessageBusClient(Furnished, CollectVerbs, HiveVerbs, MessageBusClient):  # type: ignore[misc]  # the base is untyped
    """A satellite's connection with its hub, in the place of an OVOS bus.

    `key`, `password`, `host` and `port` come from the argument, else the environment (HIVEMIND_KEY, …), else
    `identity` (a NodeIdentity; default: the shared identity file); arguments are never written
    back. `host` may be `h`, `ws://h` or `wss://h`. `crypto_key` is a pre-shared key of 16, 24 or 32
    characters (protocol version 0). `self_signed` True accepts any certificate, False verifies it;
    `ca_file` or `ssl_context` say by what. `compress` is True, False, or None for whichever is
    shorter; `binarize` allows binary frames where the hub does. `internal_bus` is the OVOS bus of
    this device, if it has one. `ciphers` and `encodings` are wire names in order of preference,
    `plugins` and `blocked_plugins` entry-point names; `hub_key` pins the hub's RSA key (PEM).
    `max_protocol_version` is the highest that is spoken (default: 3, or the best that hub and Python can).
    `query_timeout` bounds the wait for the answer to a QUERY, in seconds (0: for ever).
    Pings go out after `websocket_ping_interval` seconds of silence (0: never), and a
    connection is lost when none is answered within `websocket_ping_timeout` seconds.

    Raises IdentityNotSet, InvalidCredential, InvalidOption, UnknownCipher, UnknownEncoding or PluginError.
    """

    _worker: Worker

    # connecting and closing

    def connect(
        self,
        bus: Any = None,
        protocol: None = None,
        site_id: Optional[str] = None,
        handshake_max_retries: Optional[int] = None,
    ) -> None:
        """Return when the session stands; from then on the client reconnects by itself.

        `bus` becomes the internal bus, `site_id` our site. The first attempt counts, and `handshake_max_retries`
        more (default 0). Raises the error of the last attempt: HubUnreachable, HubTimeout, KeyRefused,
        PasswordRefused, … A refusal is never tried again.
        """
        self._adopt(bus, protocol, site_id)
        retries = handshake_max_retries or 0
        ours = not self.started_running
        if ours:
            self._start(retries)
        patience = self._patience(retries)
        with self.mailbox.blocking():
            settled = self._worker.wait_settled(patience)
        if not self._worker.standing.is_set():
            self._give_up(settled, ours)

    def run_in_thread(self) -> threading.Thread:
        """Connect in the background, for ever; returns the thread. See `connect` to wait for the session."""
        return self._start(None)

    def run_forever(self, *args: Any, **kwargs: Any) -> None:
        """Block until the client is closed or refused; connects first if nobody did. Raises what refused it."""
        self._start(None)
        wait_in_slices(self._worker.finished.wait, None)
        if not self._closed and self.last_error is not None and self._worker.is_final(self.last_error):
            raise again(self.last_error)

    def close(self) -> None:
        """End the session, the threads and all waits. Idempotent; from any thread, handlers included."""
        worker, self._closed = self._worker, True
        worker.stop()
        if self._worker is worker:
            self.waiters.close()
            self.mailbox.close(self.deadlines.close)
        if self._worker is worker:  # else a handler has connected it anew meanwhile
            self.connected_event.clear()
            self.handshake_event.clear()
            self.started_running = False

    def __enter__(self) -> HiveMessageBusClient:
        """Connect."""
        if not self.started_running:
            self.connect()
        return self

    def __exit__(self, *exception: object) -> None:
        """Close."""
        self.close()

    def round_trip(self, timeout: float = 5.0) -> float:
        """Seconds of one ping and pong of the WebSocket; over HTTP of one poll. Raises HubTimeout or NotConnected."""
        seconds = self._worker.ping(secrets.token_bytes(8), timeout)
        if seconds is None:
            raise self._too_late("pong", timeout)
        return seconds

    # sending

    def emit(
        self,
        message: Any,
        binary_type: HiveMindBinaryPayloadType = _UNDEFINED,
        progress: Optional[Progress] = None,
    ) -> None:
        """Send a HiveMessage, or an OVOS Message as BUS, which reaches the local handlers of its type too.

        `binary_type` is for BINARY and wins over the message's own. `progress(written, total)` is told the bytes of the
        frame as they are written, which is of use for large ones. Waits up to `deadlines.send` for a session.
        Raises NotConnected, ConnectionLost or HubRefused when the message was not sent, and InvalidMessage
        for one that cannot be.
        """
        packet = as_packet(message, binary_type)
        if self._worker.standing.is_set():
            sent = self._worker.send(packet, progress)
        else:
            with self.mailbox.blocking():
                sent = self._worker.send(packet, progress)
        self._local.from_us(sent)

    def emit_mycroft(self, message: Any) -> None:
        """Send an OVOS Message as BUS; see `emit`."""
        self.emit(as_packet(message))

    # what the worker tells

    def _start(self, retries: Optional[int]) -> threading.Thread:
        if self.started_running:
            return self._worker.thread
        self._ready_worker()
        self.waiters.reopen()
        if self._closed:
            self._closed = False
            self.mailbox.reopen()
        self.started_running = True
        return self._worker.start(retries)

    def _new_event(self) -> threading.Event:
        return threading.Event()

    def _new_mailbox(self) -> Mailbox:
        return Mailbox("hivemind-callbacks")

    def _new_worker(self) -> Worker:
        return Worker(
            self.profile, self._listener(), self.mailbox, self._new_transport, self.deadlines, self._backoff
        )

    def _new_transport(self) -> Transport:
        address, limits = self.profile.settings.address, self.profile.options.limits
        return WebSocketTransport(address, self._tls, self.deadlines, limits.frame, *self._ping)

    def _give_up(self, settled: bool, ours: bool) -> None:
        error = self.last_error or self._not_connected(self._worker.stopping)
        if settled and self._worker.finished.is_set():
            self.started_running = False
        elif ours:
            self.close()
        raise again(error)

    def _send_up(self, packet: HiveMessage) -> None:
        try:
            self._worker.send(packet)
        except HiveMindError as error:
            log.warning("a %s message of the local bus was not sent: %s", packet.msg_type.name, error)
