"""What every client is made of: the constructor, and what they do alike when they connect."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Iterable
from typing import Any, ClassVar, Optional, Union

from hivemind_core_client.config.identity import NodeIdentity
from hivemind_core_client.config.profile import ClientProfile
from hivemind_core_client.config.settings import Address, one_of
from hivemind_core_client.config.tls import Tls
from hivemind_core_client.kernel.lifecycle import ClientState
from hivemind_core_client.kernel.policy import Backoff, Deadlines, Limits
from hivemind_core_client.plugins.manager import load_plugins
from hivemind_core_client.shell.callbacks import BinaryDataCallbacks
from hivemind_core_client.shell.handlers import Audience
from hivemind_core_client.shell.properties import bound
from hivemind_core_client.wire.errors import ClientClosed, HiveMindError, HubTimeout, InvalidOption

log = logging.getLogger(__name__)


class Furnished(Audience):
    """A client that has all it needs, and waits for nothing: a subclass brings what waits.

    That is `_new_event`, `_new_mailbox`, `_new_worker`, `_new_transport` and `_send_up`. HiveMessageBusClient tells
    what the arguments mean.
    """

    _address: ClassVar[type[Address]] = Address

    def __init__(
        self,
        key: Optional[str] = None,
        password: Optional[str] = None,
        crypto_key: Union[str, bytes, None] = None,
        host: Optional[str] = None,
        port: Optional[int] = None,
        useragent: str = "",
        self_signed: bool = True,
        share_bus: bool = False,
        compress: Optional[bool] = True,
        binarize: bool = True,
        identity: Optional[NodeIdentity] = None,
        internal_bus: Any = None,
        bin_callbacks: Optional[BinaryDataCallbacks] = None,
        *,
        plugins: Optional[Iterable[str]] = None,
        blocked_plugins: Optional[Iterable[str]] = None,
        ciphers: Optional[Iterable[str]] = None,
        encodings: Optional[Iterable[str]] = None,
        max_protocol_version: Optional[int] = None,
        ssl_context: Optional[ssl.SSLContext] = None,
        ca_file: Optional[str] = None,
        hub_key: Optional[str] = None,
        websocket_ping_interval: Optional[float] = 30.0,
        websocket_ping_timeout: float = 20.0,
        deadlines: Optional[Deadlines] = None,
        backoff: Optional[Backoff] = None,
        limits: Optional[Limits] = None,
        query_timeout: float = 30.0,
    ) -> None:
        _check_switches(self_signed=self_signed, share_bus=share_bus, binarize=binarize)
        # No super(): the OVOS client, a base of a subclass, would read the OVOS configuration and make a WebSocket.
        self.profile = ClientProfile.of(
            identity,
            {
                "key": key,
                "password": password,
                "crypto_key": crypto_key,
                "host": host,
                "port": port,
                "kind": self._address,
            },
            useragent,
            load_plugins(plugins, blocked_plugins),
            binarize=binarize,
            compress=_compression(compress),
            ciphers=ciphers,
            encodings=encodings,
            max_protocol_version=max_protocol_version,
            limits=one_of(Limits, "limits", limits),
            hub_key=hub_key,
            query_timeout=bound("query_timeout", query_timeout),
        )
        self.share_bus = share_bus
        self.bin_callbacks = bin_callbacks or BinaryDataCallbacks()
        self.connected_event, self.handshake_event = self._new_event(), self._new_event()
        self.deadlines = one_of(Deadlines, "deadlines", deadlines)
        self._backoff = one_of(Backoff, "backoff", backoff)
        self._tls = Tls(self_signed, ca_file, ssl_context)
        self._ping = (websocket_ping_interval, websocket_ping_timeout)
        self.mailbox = self._new_mailbox()
        self._furnish(internal_bus)
        self._worker = self._new_worker()

    def _new_event(self) -> Any:
        """An event as `connected_event` and `handshake_event` are."""
        raise TypeError("a client brings its own")

    def _new_mailbox(self) -> Any:
        """Where handlers run."""
        raise TypeError("a client brings its own")

    def _new_worker(self) -> Any:
        """What keeps the client connected, once it is started."""
        raise TypeError("a client brings its own")

    def _adopt(self, bus: Any, protocol: None, site_id: Optional[str]) -> None:
        """Take what was passed to `connect`."""
        if protocol is not None:
            raise InvalidOption(
                "connect() takes no protocol object: write a handler plugin (docs/plugins.md)"
            )
        if bus is not None:
            self.internal_bus = bus
        if site_id is not None:
            self.site_id = site_id

    def _patience(self, retries: int) -> float:
        """Seconds in which as many attempts, and one more, have been made: even if the system's resolver hangs."""
        return (1 + retries) * (self.deadlines.attempt + self._backoff.cap)

    def _ready_worker(self) -> None:
        """Have a worker that was never started, and say so where nobody proves that the hub is the hub."""
        if self._closed or self._worker.state is not ClientState.IDLE:
            self._worker.forsake()
            self._worker = self._new_worker()
        address = self.profile.settings.address
        if address.tls and not self._tls.verifies:
            log.warning("any certificate of %s is accepted: pass ca_file, or self_signed=False", address)

    def _not_connected(self, stopping: bool) -> HiveMindError:
        """Why there is no session, where no attempt has told."""
        if stopping:
            return ClientClosed("the client was closed while it connected")
        return self._too_late("tcp", self.deadlines.tcp)

    def _too_late(self, phase: str, seconds: float) -> HubTimeout:
        """The error for a phase that took too long."""
        return HubTimeout(str(self.profile.settings.address), phase, seconds)


def _check_switches(**switches: Any) -> None:
    """Raises InvalidOption for what is neither on nor off: `self_signed="false"` would take any certificate."""
    for name, value in switches.items():
        if not isinstance(value, bool):
            raise InvalidOption(f"{name} is {value!r}; it must be True or False")


def _compression(wanted: Any) -> Optional[bool]:
    if wanted is None or isinstance(wanted, bool):
        return wanted
    raise InvalidOption(f"compress is {wanted!r}; it must be True, False or None")
