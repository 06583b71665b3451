"""What a client tells of itself, and what of it can be changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Optional, Union

from attrs import evolve

from hivemind_core_client.config.given_texts import checked_text, site_of
from hivemind_core_client.config.settings import (
    DEFAULT_PORT,
    DEFAULT_USERAGENT,
    read_address,
    read_crypto_key,
    without_colon,
)
from hivemind_core_client.kernel.lifecycle import ClientState
from hivemind_core_client.plugins.names import normalised
from hivemind_core_client.shell.waiters import checked_seconds

if TYPE_CHECKING:
    from hivemind_core_client.config.identity import NodeIdentity
    from hivemind_core_client.config.profile import ClientProfile
    from hivemind_core_client.config.tls import Tls
    from hivemind_core_client.kernel.delivery import Metrics
    from hivemind_core_client.kernel.link import Link
    from hivemind_core_client.plugins.contract import HubFacts, Negotiated
    from hivemind_core_client.plugins.manager import PluginInfo, Plugins
    from hivemind_core_client.shell.protocol_seat import ProtocolSeat
    from hivemind_core_client.shell.protocols import MailboxProtocol
    from hivemind_core_client.shell.slave_protocol import HiveMindSlaveProtocol
    from hivemind_core_client.shell.worker import SharedWorker
    from hivemind_core_client.wire.errors import HiveMindError
    from hivemind_core_client.wire.hive_map import HiveMapper


class ClientAttributes:
    """The attributes of a client that are read from its profile and its worker."""

    profile: ClientProfile
    mailbox: MailboxProtocol
    _worker: SharedWorker
    _seat: ProtocolSeat
    _tls: Tls
    _ping: tuple[Optional[float], float]
    _opening_seconds: Optional[float]
    #: Of an address without one.
    _scheme: ClassVar[str] = "ws"

    @classmethod
    def build_url(
        cls,
        key: str,
        host: str = "127.0.0.1",
        port: int = DEFAULT_PORT,
        useragent: str = DEFAULT_USERAGENT,
        ssl: bool = True,
    ) -> str:
        """The address of a hub with a login, as a hub reads it. It contains the access key: keep it out of logs.

        If `host` has a scheme, this counts, and `ssl` does not. Raises InvalidCredential or InvalidOption.
        """
        address = read_address(host, port, scheme=cls._scheme)
        if ssl and "://" not in host:
            address = evolve(address, tls=True)
        return address.with_login(without_colon("user agent", useragent), without_colon("access key", key))

    # where it stands

    @property
    def state(self) -> ClientState:
        """Where the client stands."""
        return self._worker.lifecycle.state

    @property
    def last_error(self) -> Optional[HiveMindError]:
        """What ended the last connection, or the last attempt at one."""
        return self._worker.lifecycle.last_error

    @property
    def rejected(self) -> int:
        """How many frames of the hub were dropped because they broke the protocol."""
        return self._worker.rejected

    @property
    def metrics(self) -> Metrics:
        """What became of the messages since this client was made, as it stands now; docs/delivery.md explains it."""
        return self._worker.ledger.metrics(self.rejected, self.mailbox.dropped)

    @property
    def stopping(self) -> bool:
        """Whether no more attempts are made: the client was closed or refused, or its attempts are used up."""
        lifecycle = self._worker.lifecycle
        return lifecycle.stopping or lifecycle.state in (ClientState.REFUSED, ClientState.CLOSED)

    def plugin_report(self) -> list[PluginInfo]:
        """Every plugin that was found: what it provides, what went wrong, and its failures and slow calls as of now.

        The counts are those of all clients in this process with the same choice of plugins. The list is yours to keep.
        """
        return [evolve(info) for info in self.profile.plugins.report]

    @property
    def protocol(self) -> Union[HiveMindSlaveProtocol, Link, None]:
        """The protocol object that was given, else the Link of the present or last connection, or None.

        Assign None to have none. Another protocol object counts from the next connection on.
        """
        return self._seat.holder or self._worker.link

    @protocol.setter
    def protocol(self, value: Optional[HiveMindSlaveProtocol]) -> None:
        if value is None:
            self._seat.leave()
            self._worker.forget_link()
        else:
            self._seat.take(value)

    # what it connects with: what is set counts from the next connection on

    @property
    def identity(self) -> NodeIdentity:
        """This node's identity. What was passed to the constructor is not in it."""
        return self.profile.identity

    @property
    def key(self) -> str:
        """The access key."""
        return self.profile.settings.key

    @key.setter
    def key(self, value: str) -> None:
        self.profile.change(key=without_colon("access key", value))

    @property
    def password(self) -> Optional[str]:
        """The password, or None."""
        return self.profile.settings.password

    @password.setter
    def password(self, value: Optional[str]) -> None:
        self.profile.change(password=checked_text("password", value))

    @property
    def crypto_key(self) -> Optional[bytes]:
        """The pre-shared key in bytes, or None."""
        return self.profile.settings.crypto_key

    @crypto_key.setter
    def crypto_key(self, value: Union[str, bytes, None]) -> None:
        self.profile.change(crypto_key=read_crypto_key(value))

    @property
    def host(self) -> str:
        """The hub's host name or address; of a hub that is not found yet, the name that is looked for."""
        return self.profile.place.host

    @property
    def port(self) -> int:
        """The hub's port; 0 for a hub that is not found yet, and for a transport without ports."""
        return self.profile.place.port

    @property
    def useragent(self) -> str:
        """The name under which the hub shows us."""
        return self.profile.settings.useragent

    @useragent.setter
    def useragent(self, value: str) -> None:
        self.profile.change(useragent=without_colon("user agent", value))

    @property
    def site_id(self) -> str:
        """The site this satellite is at; `unknown` where none was given."""
        return self.profile.settings.site_id

    @site_id.setter
    def site_id(self, value: str) -> None:
        self.profile.context.session.site_id = site = site_of(value)
        self.profile.change(site_id=site)

    @property
    def session_id(self) -> str:
        """The id of our OVOS session."""
        return self.profile.context.session.session_id

    @session_id.setter
    def session_id(self, value: str) -> None:
        self.profile.context.session.session_id = value

    # how it connects, as the constructor was told

    @property
    def allow_self_signed(self) -> bool:
        """Whether a certificate that does not verify is pinned where neither `ca_file` nor `ssl_context` was given."""
        return self._tls.self_signed

    @property
    def binarize(self) -> bool:
        """Whether binary frames are allowed, as far as the transport goes."""
        return self.profile.options.binarize

    @property
    def compress(self) -> Optional[bool]:
        """Whether binary frames are compressed; None for whichever is shorter."""
        return self.profile.options.compress

    @property
    def max_protocol_version(self) -> int:
        """The highest protocol version that is spoken."""
        return self.profile.options.max_version

    @property
    def websocket_ping_interval(self) -> Optional[float]:
        """Seconds of silence after which the hub is pinged; 0 for never."""
        return self._ping[0]

    @property
    def websocket_ping_timeout(self) -> float:
        """Seconds within which a ping must be answered."""
        return self._ping[1]

    @property
    def websocket_connect_timeout(self) -> Optional[float]:
        """Seconds that each phase up to the hub's HELLO may take; None for the `deadlines` alone."""
        return self._opening_seconds

    @property
    def plugins(self) -> Plugins:
        """The plugins in use, with their report."""
        return self.profile.plugins

    def plugin_settings(self, name: str) -> Any:
        """The settings of the plugin called `name`, an object of the class that it declares; else None."""
        return self.profile.context.plugin_settings.get(normalised(name))

    @property
    def hub(self) -> Optional[HubFacts]:
        """What the hub said of itself, once it did."""
        return self.profile.context.hub

    @property
    def negotiated(self) -> Optional[Negotiated]:
        """What the present or last handshake agreed on."""
        return self.profile.context.negotiated

    @property
    def cipher(self) -> str:
        """Wire name of the negotiated cipher; the protocol's default before that."""
        return self.negotiated.cipher if self.negotiated else "AES-GCM"

    @property
    def json_encoding(self) -> str:
        """Wire name of the negotiated encoding; the protocol's default before that."""
        return self.negotiated.encoding if self.negotiated else "JSON-HEX"

    @property
    def hive_map(self) -> HiveMapper:
        """The map of the hive, as the PINGs that have come by tell it; `ping` asks for it."""
        return self.profile.context.hive_map

    @property
    def peer(self) -> str:
        """Our own name in the hive, `NAME::SESSION_ID`: the root to draw the map from."""
        return self.profile.context.peer

    @property
    def query_timeout(self) -> float:
        """Seconds to wait for the answer to a QUERY, 30 by default; 0 waits for ever."""
        return self.profile.context.query_timeout

    @query_timeout.setter
    def query_timeout(self, seconds: float) -> None:
        self.profile.context.query_timeout = checked_seconds("query_timeout", seconds)

    def __repr__(self) -> str:
        """Hub and state; no credentials."""
        return f"<{type(self).__name__} {self.profile.where}, {self.state}>"
