"""What all clients share: the constructor, the attributes, and setting handlers. Subclasses add the waiting."""

from __future__ import annotations

import logging
import ssl
from abc import ABCMeta, abstractmethod
from collections.abc import Iterable, Mapping
from threading import RLock
from typing import TYPE_CHECKING, Any, Callable, ClassVar, Optional, TypeVar, Union

from hivemind_core_client.config.certificate_pins import CertificatePins
from hivemind_core_client.config.kept_options import DEFAULT_ON, DEFAULT_QUERY_SECONDS
from hivemind_core_client.config.options import (
    check_switches,
    compression,
    opening_seconds,
    ping_seconds,
)
from hivemind_core_client.config.profile import ClientProfile
from hivemind_core_client.config.profiles import chosen_profile
from hivemind_core_client.config.settings import one_of
from hivemind_core_client.config.tls import Tls
from hivemind_core_client.config.tracing import tracer_of
from hivemind_core_client.kernel.lifecycle import ClientState
from hivemind_core_client.kernel.policy import Backoff, Deadlines, Limits, Outbox
from hivemind_core_client.kernel.questions import first_answer
from hivemind_core_client.plugins.manager import load_plugins
from hivemind_core_client.shell import forking
from hivemind_core_client.shell.attributes import ClientAttributes
from hivemind_core_client.shell.callbacks import BinaryDataCallbacks
from hivemind_core_client.shell.constructing import check_options, keep_signature
from hivemind_core_client.shell.handlers import Emitter, Handlers
from hivemind_core_client.shell.local_bridge import LocalBusBridge
from hivemind_core_client.shell.open_calls import OpenCalls
from hivemind_core_client.shell.outbox import new_queue
from hivemind_core_client.shell.protocol_seat import ProtocolSeat
from hivemind_core_client.shell.router import router_kind
from hivemind_core_client.shell.transport_memory import TransportMemory
from hivemind_core_client.shell.waiters import Waiters, checked_seconds, message_named

if TYPE_CHECKING:
    from hivemind_core_client.config.identity import NodeIdentity
    from hivemind_core_client.plugins.contract import TransportSettings
    from hivemind_core_client.shell.protocols import EventProtocol, Handler, MailboxProtocol
    from hivemind_core_client.shell.router import Pick
    from hivemind_core_client.shell.slave_protocol import HiveMindSlaveProtocol
    from hivemind_core_client.shell.waiters import Matcher, Names
    from hivemind_core_client.shell.worker import SharedWorker

log = logging.getLogger(__name__)
C = TypeVar("C", bound="BaseClient")


class BaseClient(ClientAttributes, metaclass=ABCMeta):
    """A client with all its parts: profile, mailbox, waiters, handlers, the bridge to the local bus, a worker.

    HiveMessageBusClient says what the arguments mean.
    """

    #: How often `connect` tries again where nobody says it. None: until it is refused or closed.
    connect_retries: ClassVar[Optional[int]] = 0

    mailbox: MailboxProtocol
    connected_event: EventProtocol
    handshake_event: EventProtocol
    _worker: SharedWorker

    def __new__(cls: type[C], *_: Any, **options: Any) -> C:
        """A client that is not set up yet. Raises TypeError for an option that there is not."""
        check_options(cls, options)
        return super().__new__(cls)

    def __init__(
        self,
        key: Optional[str] = None,
        password: Optional[str] = None,
        crypto_key: Union[str, bytes, None] = None,
        host: Optional[str] = None,
        port: Optional[int] = None,
        useragent: str = "",
        self_signed: bool = DEFAULT_ON,
        share_bus: bool = False,
        compress: Optional[bool] = DEFAULT_ON,
        binarize: bool = DEFAULT_ON,
        identity: Optional[NodeIdentity] = None,
        internal_bus: Any = None,
        bin_callbacks: Optional[BinaryDataCallbacks] = None,
        websocket_ping_interval: Optional[float] = None,
        websocket_ping_timeout: Optional[float] = None,
        max_protocol_version: Optional[int] = None,
        websocket_connect_timeout: Optional[float] = None,
        *,
        plugins: Optional[Iterable[Any]] = None,
        blocked_plugins: Optional[Iterable[str]] = None,
        ciphers: Optional[Iterable[str]] = None,
        encodings: Optional[Iterable[str]] = None,
        ssl_context: Optional[ssl.SSLContext] = None,
        ca_file: Optional[str] = None,
        hub_key: Optional[str] = None,
        deadlines: Optional[Deadlines] = None,
        backoff: Optional[Backoff] = None,
        limits: Optional[Limits] = None,
        query_timeout: float = DEFAULT_QUERY_SECONDS,
        transport_options: Optional[Mapping[str, Any]] = None,
        plugin_settings: Optional[Mapping[str, Any]] = None,
        profile: Optional[str] = None,
        trace: Union[bool, Callable[[str], Any], None] = None,
        outbox: Optional[Outbox] = None,
    ) -> None:
        kept = chosen_profile(profile, identity)
        self_signed = kept.over_default("self_signed", self_signed)
        binarize = kept.over_default("binarize", binarize)
        check_switches(self_signed=self_signed, share_bus=share_bus, binarize=binarize)
        # No super(): the OVOS client, a base of a subclass, would read the OVOS configuration and make a WebSocket.
        self.profile = ClientProfile.of(
            identity,
            {
                "key": key,
                "password": password,
                "crypto_key": crypto_key,
                "host": host,
                "port": port,
            },
            useragent,
            load_plugins(kept.over("plugins", plugins), kept.over("blocked_plugins", blocked_plugins)),
            self._scheme,
            kept,
            binarize=binarize,
            compress=compression(kept.over_default("compress", compress)),
            ciphers=kept.over("ciphers", ciphers),
            encodings=kept.over("encodings", encodings),
            max_protocol_version=kept.over("max_protocol_version", max_protocol_version),
            limits=one_of(Limits, "limits", limits),
            hub_key=kept.over("hub_key", hub_key),
            query_timeout=checked_seconds("query_timeout", kept.over_default("query_timeout", query_timeout)),
            plugin_settings=kept.merged("plugin_settings", plugin_settings),
            transport_options=transport_options,
            tracer=tracer_of(trace),
        )
        self._host = self.profile.given_host  # read by programs that were written for the reference client
        self.share_bus = share_bus
        self.bin_callbacks = bin_callbacks or BinaryDataCallbacks()
        self.cascade_select_callback: Pick = first_answer
        self._opening_seconds = opening_seconds(
            kept.over("websocket_connect_timeout", websocket_connect_timeout)
        )
        self.deadlines = one_of(Deadlines, "deadlines", deadlines).opening_within(self._opening_seconds)
        self._backoff = one_of(Backoff, "backoff", backoff)
        self._tls = Tls(
            self_signed,
            kept.over("ca_file", ca_file),
            ssl_context,
            CertificatePins(lambda: self.profile.identity),
        )
        self.profile.must_verify = lambda: self._tls.verifies
        self._ping = ping_seconds(websocket_ping_interval, websocket_ping_timeout, kept.options)
        self._transport_memory = TransportMemory()
        self._make_parts()
        if outbox is not None:
            self._keep(one_of(Outbox, "outbox", outbox))
        forking.watch(self)
        if internal_bus is not None:
            self.internal_bus = internal_bus

    def _make_parts(self) -> None:
        """Make what stands around the worker. Nobody is connected yet."""
        self.started_running = self._closed = False
        #: Held while one worker takes over from another: two threads may connect and close at once.
        self._switching = RLock()
        self.connected_event, self.handshake_event = self._new_event(), self._new_event()
        self.mailbox = self._new_mailbox()
        self.waiters = Waiters()
        self._bridge = LocalBusBridge(
            self.profile.context,
            self.mailbox,
            lambda: self.share_bus,
            lambda packet: self._worker.send_quietly(packet, keep=True),
        )
        self._handlers = Handlers(self._bridge, self.profile.registry.message_types)
        #: By name and handler: what is called in place of a handler of `on_collect`.
        self.wrapped_funcs = self._handlers.collectors
        self._calls = OpenCalls(self._handlers)
        self._router = router_kind(self.plugins)(
            self, self._handlers, self._bridge, lambda message: self._worker.admit(message)
        )
        self._seat = ProtocolSeat(
            self.profile,
            self.mailbox,
            self._router.is_full,
            lambda *given: self._router.do_now(self._worker, *given),
        )
        self._worker = self._connected_worker()

    def _keep(self, options: Outbox) -> None:
        """Have an outbox with these options."""
        self._worker.keep(new_queue(options, self.profile, self._worker.ledger.lock))
        if options.dropped is not None:
            self.on("dropped", options.dropped)

    def _named(self, names: Names) -> Matcher:
        """Matches hive messages of a type, plugins' types among them, or BUS messages of an OVOS type."""
        return message_named(names, self.profile.registry.message_types)

    @abstractmethod
    def _new_event(self) -> EventProtocol:
        """An event as `connected_event` and `handshake_event` are."""

    @abstractmethod
    def _new_mailbox(self) -> MailboxProtocol:
        """Where handlers run."""

    @abstractmethod
    def _new_worker(self) -> SharedWorker:
        """What keeps the client connected, once it is started."""

    @abstractmethod
    def _answering(self, func: Handler, seconds: float) -> Handler:
        """What is called for a collect-call in place of `func`."""

    # handlers

    def on(self, event_name: str, func: Handler) -> None:
        """Call `func` for each message of a type: a HiveMessageType gets HiveMessages, any other name OVOS Messages."""
        self._handlers.add(event_name, func)

    def once(self, event_name: str, func: Handler) -> None:
        """Like `on`, for the next message only."""
        self._handlers.add(event_name, func, once=True)

    def on_mycroft(self, mycroft_msg_type: str, func: Handler) -> None:
        """Call `func(Message)` for each OVOS message of a type, even one named like a hive type."""
        self._handlers.add_ovos(mycroft_msg_type, func)

    def on_collect(self, event_name: str, func: Callable[[Any], Any], timeout: Union[int, float] = 2) -> None:
        """Answer the collect-calls of a type: `func(request)` then emits `request.success({…})`, or `failure()`.

        The caller is told at once to wait for the answer, for at most `timeout` seconds. If you call this again with
        the same `func`, the second call replaces the first.
        """
        seconds = checked_seconds("timeout", timeout)
        self._handlers.add_collector(event_name, func, lambda: self._answering(func, seconds))

    def remove_mycroft(self, mycroft_msg_type: str, func: Handler) -> None:
        """Stop calling `func` for this OVOS type, even one named like a hive type. Otherwise like `remove`."""
        self._handlers.remove_ovos(mycroft_msg_type, func)

    def remove(self, event_name: str, func: Handler) -> None:
        """Stop calling `func` for this type. If `func` was not registered, nothing happens."""
        self._handlers.remove(event_name, func)

    def remove_all_listeners(self, event_name: str) -> None:
        """Remove every handler of this type."""
        self._handlers.clear(event_name)

    def on_open(self, *args: Any) -> Any:
        """Called when there is a session, before the handlers of `open`. You may override this in a subclass."""

    def on_close(self, *args: Any) -> Any:
        """Called when a session has ended, before the handlers of `close`. You may override this in a subclass."""

    def on_error(self, *args: Any) -> Any:
        """Called with the error when an attempt failed, before the handlers of `error`. You may override this."""

    def __init_subclass__(cls, **options: Any) -> None:
        """Say so where a subclass waits for frames as it would get them from an OVOS client."""
        super().__init_subclass__(**options)
        keep_signature(cls)
        if "on_message" in vars(cls):
            log.warning(
                "%s.on_message is never called: frames go to the kernel, messages to on()", cls.__qualname__
            )

    @property
    def emitter(self) -> Emitter:
        """The handlers, with the methods of pyee's EventEmitter, as in the bus client of OVOS. It sends nothing."""
        return Emitter(self._handlers, self.mailbox, self.waiters)

    @property
    def internal_bus(self) -> Any:
        """The bus that OVOS messages from the hub go to: the one that you gave, or else one in this process."""
        return self._bridge.bus

    @internal_bus.setter
    def internal_bus(self, bus: Any) -> None:
        self._bridge.replace(bus)
        self.profile.take_session_of(None if self.started_running else bus)

    # connecting

    def init_identity(self, site_id: Optional[str] = None) -> None:
        """Read again what you did not give to the constructor: from the environment, and the identity as it is now.

        `site_id` becomes our site. All this counts from the next connection on. You need not call this before
        `connect`. Raises what the constructor raises.
        """
        self.profile.look_up()
        if site_id is not None:
            self.site_id = site_id

    def _take(self, bus: Any, protocol: Optional[HiveMindSlaveProtocol], site_id: Optional[str]) -> None:
        """Take what `connect` was given. A protocol object has our identity and site from now on."""
        if bus is not None:
            self.internal_bus = bus
        if site_id is not None:
            self.site_id = site_id
        if protocol is not None:
            self.protocol = protocol
            protocol.identity, protocol.site_id = self.identity, self.site_id
            protocol.bind(self.internal_bus)

    def _retries(self, given: Optional[int], protocol: Optional[HiveMindSlaveProtocol]) -> Optional[int]:
        return self.connect_retries if given is None and protocol is None else given

    def _connected_worker(self) -> SharedWorker:
        worker = self._new_worker()
        worker.report_to(self._router, lambda: self._worker_is_over(worker))
        return worker

    def transport_settings(self) -> TransportSettings:
        """What the next connection is opened with: the secrets that are in it, too. For whoever looks at the way."""
        return self._transport_memory.settings(
            self.profile, self._worker, self._tls, self.deadlines, self._ping
        )

    @property
    def _runs(self) -> bool:
        """Whether a worker keeps this client connected."""
        return self.started_running

    def _start(self, retries: Optional[int]) -> bool:
        """Connect, unless that was begun before. Returns whether this call began it."""
        self.profile.history.check()
        with self._switching:
            if self._runs:
                return False
            outbox = self._worker.ledger.outbox
            if outbox is not None:
                outbox.open()
            self._renew_worker()
            self._worker.start(retries)
        return True

    def _begin_closing(self, worker: SharedWorker) -> None:
        with self._switching:
            self._closed = self._closed or worker is self._worker

    def _shut(self, worker: SharedWorker) -> bool:
        """Take no more jobs and end all waits, unless another worker has taken over. Returns whether it has not."""
        with self._switching:
            is_ours = worker is self._worker
            if is_ours:
                self._worker_is_over(worker)
                self.mailbox.shut()
                if worker.ledger.outbox is not None:
                    worker.ledger.outbox.close()
        return is_ours

    def _renew_worker(self) -> None:
        """Have a worker that was never started."""
        if self._closed or self.state is not ClientState.IDLE:
            former = self._worker
            self._worker = self._connected_worker()
            self._worker.take_over(former)
        self.waiters.reopen()
        self.mailbox.reopen()
        self._closed = False
        self.started_running = True

    def _worker_is_over(self, worker: SharedWorker) -> None:
        """No more attempts to connect are made, so that nothing more can come."""
        with self._switching:
            if worker is not self._worker:
                return
            self.waiters.close()
            if worker.lifecycle.stopping:
                self._closed = True
                self.started_running = False
                self.connected_event.clear()
                self.handshake_event.clear()


#: By which Python names it in an error, for a class of somebody else that hands options on.
BaseClient.__init__.__qualname__ = "HiveMessageBusClient.__init__"
