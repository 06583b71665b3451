"""The protocol object of the reference client: one method for each message type, which a subclass may override."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Callable, Optional

from hivemind_core_client.kernel.bridge import upward
from hivemind_core_client.wire.errors import InvalidOption, Mend
from hivemind_core_client.wire.json_text import Json, json_object

if TYPE_CHECKING:
    from hivemind_core_client.config.identity import NodeIdentity
    from hivemind_core_client.shell.base import BaseClient
    from hivemind_core_client.shell.router import Pick
    from hivemind_core_client.wire.hive_map import HiveMapper, SeenFloods
    from hivemind_core_client.wire.message import HiveMessage

UNKNOWN_SITE = "unknown"
_CASCADE_SECONDS, _QUERY_SECONDS = 5.0, 30.0


@dataclass(eq=False)
class HiveMindSlaveInternalProtocol:
    """Between a client and the OVOS bus of this device: `bus` becomes the client's `internal_bus`.

    `share_bus` sends all that is said on it up, as the client's own option does.
    """

    hm_bus: BaseClient
    share_bus: bool = False
    bus: Any = None
    node_id: str = ""

    def register_bus_handlers(self) -> None:
        """Have the client listen to `bus`, and say there what comes from the hub."""
        self.hm_bus.internal_bus = self.bus
        self.hm_bus.share_bus = self.hm_bus.share_bus or self.share_bus

    def handle_send(self, message: Any) -> None:
        """Send what a `hive.send.upstream` asks for. The client does so by itself."""
        self._pass_up(message)

    def handle_outgoing_mycroft(self, message: Any) -> None:
        """Send up what was said on the bus, if it is for the hub, or shared. The client does so by itself."""
        self._pass_up(message)

    def _pass_up(self, message: Any) -> None:
        hm = self.hm_bus
        fields: Json = json_object(message if isinstance(message, str) else message.serialize())
        for packet in upward(hm.profile.context, fields, self.share_bus):
            hm.mailbox.call(hm.emit, packet)  # type: ignore[attr-defined]  # each shell has its own


@dataclass(eq=False)
class HiveMindSlaveProtocol:
    """What a satellite does with each type of message, on the client `hm`: pass it to `connect()`, or `bind` it.

    The client deals with all messages by itself. Where a subclass overrides a method handle_TYPE, that is called in its
    place, among the client's other handlers; the method of this class does what the client would have done. It counts
    from the next connection on. handle_hello and handle_handshake come beside what the client does.

    `identity` is that of the client where it is None. `site_id`, `query_timeout`, `cascade_timeout` (seconds in which
    answers to a CASCADE are gathered), `cascade_select_callback` and `hive_mapper` are set on the client where they are
    given. `handshake` and `pswd_handshake` are made by the client, as they are there. `mpubkey` is the hub's RSA key.
    """

    hm: BaseClient
    identity: Optional[NodeIdentity] = None
    handshake: Any = None
    pswd_handshake: Any = None
    internal_protocol: Optional[HiveMindSlaveInternalProtocol] = None
    mpubkey: str = ""
    shared_bus: bool = False
    binarize: bool = False
    site_id: str = UNKNOWN_SITE
    cascade_timeout: float = _CASCADE_SECONDS
    query_timeout: float = _QUERY_SECONDS
    cascade_select_callback: Optional[Pick] = None
    hive_mapper: Optional[HiveMapper] = None
    #: What `as_usual` calls; the client sets it.
    client_does: Optional[Callable[..., bool]] = field(default=None, init=False, repr=False)

    @property
    def client(self) -> BaseClient:
        """The client that this object belongs to: `hm`."""
        return self.hm

    def bind(self, bus: Any = None) -> None:
        """Belong to the client, with `bus` as its internal bus. None connects with the OVOS bus of this device."""
        hm = self.client
        if self.identity is None:
            self.identity = hm.identity
        elif self.identity is not hm.identity:
            hm.profile.use_identity(self.identity)
        self.internal_protocol = HiveMindSlaveInternalProtocol(
            hm, self.shared_bus, _local_ovos_bus() if bus is None else bus
        )
        self.internal_protocol.register_bus_handlers()
        hm.protocol = self

    def settle(self) -> None:
        """Set on the client what was given here, and have here what is set there."""
        hm, context = self.client, self.client.profile.context
        if self.site_id != UNKNOWN_SITE:
            hm.site_id = self.site_id
        self.site_id = hm.site_id
        if self.query_timeout != _QUERY_SECONDS:
            hm.query_timeout = self.query_timeout
        self.query_timeout = hm.query_timeout
        context.cascade_timeout = self.cascade_timeout
        if self.cascade_select_callback is not None:
            hm.cascade_select_callback = self.cascade_select_callback
        if self.hive_mapper is not None:
            context.hive_map = self.hive_mapper
        self.hive_mapper = context.hive_map

    def overrides(self, name: str) -> bool:
        """Whether this object has a method of its own of this name, such as `handle_bus`."""
        method = getattr(self, name)
        return getattr(method, "__func__", method) is not getattr(HiveMindSlaveProtocol, name)

    def as_usual(self, message: HiveMessage, verified_source: Optional[str] = None) -> bool:
        """Do with a message what the client does by itself, now. Returns whether anything followed from it.

        Raises InvalidOption for an object that belongs to no client yet.
        """
        if self.client_does is None:
            raise InvalidOption(
                "this protocol object belongs to no client yet",
                Mend("call bind(), or pass it to connect()", joint=": "),
            )
        return self.client_does(message, verified_source)

    def bind_flood_cache(self, cache: SeenFloods) -> None:
        """Answer no PING whose flood id is in `cache`, and note those that are answered there.

        A node that is a hub too answers each flood once: its two halves share a cache.
        """
        if self.hive_mapper is None:
            self.hive_mapper = self.client.hive_map
        self.hive_mapper.share_floods(cache)

    @property
    def node_id(self) -> str:
        """What the hub calls itself; empty before it has said so."""
        return self.internal_protocol.node_id if self.internal_protocol is not None else ""

    def handle_hello(self, message: HiveMessage) -> None:
        """Note the names of the hub; of its first HELLO in a connection only."""
        hub = self.client.hub
        if hub is None or hub.payload == message.raw_payload:
            self.mpubkey = message["pubkey"] or ""
            if self.internal_protocol is not None:
                self.internal_protocol.node_id = message["node_id"] or ""

    def handle_handshake(self, message: HiveMessage) -> None:
        """Note whether the hub offers binary frames."""
        self.binarize = message.raw_payload.get("binarize", self.binarize) is True

    def handle_bus(self, message: HiveMessage, verified_source: Optional[str] = None) -> None:
        """Say the OVOS Message on the internal bus; `verified_source` is the key (PEM) that has signed it."""
        self.as_usual(message, verified_source)

    def handle_broadcast(self, message: HiveMessage) -> None:
        """Take what is inside, if it is for our site or an INTERCOM."""
        self.as_usual(message)

    def handle_propagate(self, message: HiveMessage) -> None:
        """Take what is inside: a PING, an INTERCOM, or what somebody whom we trust says to our site."""
        self.as_usual(message)

    def handle_ping(self, message: HiveMessage) -> None:
        """Draw who sent it into the map of the hive, and answer a flood that is new."""
        self.as_usual(message)

    def handle_query(self, message: HiveMessage) -> None:
        """Take an answer to a QUERY of ours."""
        self.as_usual(message)

    def handle_cascade(self, message: HiveMessage) -> None:
        """Gather an answer to a CASCADE of ours."""
        self.as_usual(message)

    def handle_intercom(self, message: HiveMessage) -> bool:
        """Open a letter that is for us and from somebody whom we trust. Whether anything came of it."""
        return self.as_usual(message)

    def handle_illegal_msg(self, message: HiveMessage) -> None:
        """Note that the hub sent what only satellites send: an ESCALATE or a SHARED_BUS."""
        self.as_usual(message)


def _local_ovos_bus() -> Any:
    from ovos_bus_client import MessageBusClient

    bus = MessageBusClient()
    bus.run_in_thread()
    bus.connected_event.wait()
    return bus
