"""EmbeddedHub: a real WebSocket server on loopback, in this process."""

from __future__ import annotations

import logging
import ssl
import uuid
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, Callable, Optional, Union

from hivemind_core_client.config.rsa_keys import generate_rsa_key
from hivemind_core_client.plugins.contract import Frame
from hivemind_core_client.plugins.manager import load_plugins
from hivemind_core_client.shell.waiters import message_named
from hivemind_core_client.testing import hub_bounds
from hivemind_core_client.testing.certificates import server_context
from hivemind_core_client.testing.hub_accounts import Account, accounts_of, login_of
from hivemind_core_client.testing.hub_admission import Admission, has_right
from hivemind_core_client.testing.hub_handshake import NewHandshake
from hivemind_core_client.testing.hub_likeness import Ended, likeness_of
from hivemind_core_client.testing.hub_link import HubLink, HubOptions
from hivemind_core_client.testing.hub_noise import warn_without_suites
from hivemind_core_client.testing.hub_routing import (
    Expel,
    Order,
    Router,
    ToAll,
    ToPeer,
    ToUpstream,
    utterance_of,
)
from hivemind_core_client.testing.hub_sound import Ears, HubSound, Voice
from hivemind_core_client.testing.hub_unwrapping import UnwrappingRouter
from hivemind_core_client.testing.hub_upstream import Upstream
from hivemind_core_client.testing.memory import MemoryListener
from hivemind_core_client.wire.errors import HiveMindError, HubRefused, Install, InvalidOption
from hivemind_core_client.wire.message import HiveMessage, HiveMessageType, HiveMindBinaryPayloadType
from hivemind_core_client.wire.packet import as_packet

try:
    from websockets.exceptions import ConnectionClosed
    from websockets.sync.server import ServerConnection

    from hivemind_core_client.testing.hub_clients import HubClients
    from hivemind_core_client.testing.hub_listening import SocketListener
    from hivemind_core_client.testing.hub_sockets import InOrder, part
except ImportError as missing:
    raise ImportError(f"the embedded hub needs the websockets package: {Install('testing')}") from missing

if TYPE_CHECKING:
    from hivemind_core_client.sync.client import HiveMessageBusClient

__all__ = ["Account", "EmbeddedHub"]

log = logging.getLogger(__name__)

Agent = Callable[[str], Union[str, Iterable[str], None]]
Clients = Union[Mapping[str, str], Iterable[Account]]


def echo(utterance: str) -> str:
    """The agent that answers where none is given."""
    return f"you said: {utterance}"


class EmbeddedHub:
    """A hub for tests and demos: protocol versions 0, 1 and 3, and the routing of hub 4.15.

    `clients` maps access keys to passwords, or lists Accounts. `agent(utterance)` returns what the hub speaks: a text,
    several texts, or None for nothing. Then the hub says `ovos.utterance.handled`, as OVOS does. `ciphers` and
    `encodings` name the only ones that it allows. `binarize` allows binary frames. `tls` is True or a server's
    SSLContext. With True the hub makes a certificate (`hub.ca_file`). With `port` 0 it takes a free port, and keeps
    that when it restarts. `site_id` is the hub's site.

    `upstream` puts this hub below another one. It is that hub, which must run, and the access key of an account there.
    `keys` are the hub's RSA key: private and public PEM text. Without `keys` the hubs of a process share one key. Only
    hubs below others have their own. `versions` are the lowest and the highest protocol version that it offers. The
    default is that of `like`, else (0, 1). Hub 5 is like (3, 3). Version 3 needs Python 3.10.

    `like` is "4.0.0", "4.15" or "5.3". Real hubs of these versions differ. The hub then does what the real one does:
    for example in the versions that it offers, and in how it ends connections (hub_likeness.py).

    `received` has what clients sent, their HELLOs too: the last 10,000 messages, or 256 MiB. The hub does not open
    INTERCOM for itself. `accounts` are the clients that it knows, by access key. A change there counts from the next
    login, as when the owner of a hub deletes a client or changes its password. While `most_clients` are connected, the
    hub ends each new connection. `plugins` bring ciphers, encodings and serializers. `handshakes` bring kinds of
    handshake. With a `memory` name the hub opens no socket: clients of this process reach it at `memory:NAME`.
    `ears(samples)` returns the text of audio. `voice(text)` returns the audio file of a text: see `client.sound`.

    Raises InvalidOption for accounts of the same name, and for an account that the other hub does not have.
    """

    def __init__(
        self,
        clients: Clients = (),
        agent: Agent = echo,
        ciphers: Optional[Iterable[str]] = None,
        encodings: Optional[Iterable[str]] = None,
        binarize: bool = False,
        tls: Union[bool, ssl.SSLContext, None] = None,
        port: int = 0,
        site_id: str = "hub",
        upstream: Optional[tuple[EmbeddedHub, str]] = None,
        keys: Optional[tuple[str, str]] = None,
        versions: Optional[tuple[int, int]] = None,
        like: Optional[str] = None,
        most_clients: int = hub_bounds.MOST_CONNECTIONS,
        plugins: Optional[Iterable[Any]] = None,
        memory: Optional[str] = None,
        handshakes: Iterable[NewHandshake] = (),
        ears: Optional[Ears] = None,
        voice: Optional[Voice] = None,
    ) -> None:
        self.host = "127.0.0.1"
        self.port = port
        self.memory = memory
        self.received: list[HiveMessage] = []
        self.site_id = site_id
        self.accounts = accounts_of(clients)
        self._agent = agent
        self._sound = HubSound(ears, voice)
        self._registry = load_plugins(plugins).require()
        self._likeness = likeness = likeness_of(like)
        private, public = keys or (_shared_keys() if upstream is None else generate_rsa_key())
        self._options = HubOptions(
            ciphers=None if ciphers is None else tuple(ciphers),
            encodings=None if encodings is None else tuple(encodings),
            binarize=binarize,
            private_key=private,
            public_key=public,
            versions=versions or likeness.versions,
            likeness=likeness,
            handshakes=tuple(handshakes),
        )
        warn_without_suites(self._options.versions, self._options.ciphers, self._registry)
        self._upstream = self._below(*upstream) if upstream is not None else None
        self._admission = Admission(likeness, public)
        self._router: Union[Router, UnwrappingRouter] = (
            UnwrappingRouter(self._options.name, site_id)
            if likeness.unwraps
            else Router(public, site_id, self._texts, upstream is not None, self._registry.message_types)
        )
        self._tls, self.ca_file = server_context(tls, self.host)
        self._clients = HubClients()
        self._most_clients = most_clients
        self._listener: Union[SocketListener, MemoryListener, None] = None

    @property
    def url(self) -> str:
        """`ws://127.0.0.1:PORT`, or the same with `wss://`. For a hub in memory: `memory:NAME`."""
        if self.memory:
            return f"memory:{self.memory}"
        return f"{'wss' if self._tls else 'ws'}://{self.host}:{self.port}"

    @property
    def public_key(self) -> str:
        """The hub's public RSA key, PEM text: its name in routes and in the hive map."""
        return self._options.public_key

    @property
    def noise_pins(self) -> dict[str, bytes]:
        """The static keys of clients for version 3, by access key, as the hub pinned them: 32 bytes each.

        Clear it to test a client at a hub that lost its pins. Set another key to test a client that the hub refuses.
        """
        return self._options.client_pins

    @property
    def sessions(self) -> int:
        """How many clients have finished their handshake and are connected."""
        return self._clients.sessions

    def start(self) -> EmbeddedHub:
        """Begin to listen, and return this hub. After `stop` it takes the same port again.

        Raises OSError or InvalidOption if it cannot listen. Raises what keeps it from the hub above, if it has one.
        """
        if self._upstream is not None:
            self._upstream.start(self._from_above)
        try:
            self._listener = (
                MemoryListener(self.memory, self._serve, self._most_clients)
                if self.memory
                else SocketListener((self.host, self.port), self._tls, self._serve, self._most_clients)
            )
        except (OSError, InvalidOption):
            self.stop()
            raise
        self.port = self._listener.port
        return self

    def stop(self) -> None:
        """Drop every client, and stop listening. A second call changes nothing."""
        if self._upstream is not None:
            self._upstream.stop()
        listener, self._listener = self._listener, None
        if listener is not None:
            self.drop()
            listener.close()
            self.drop()

    def __enter__(self) -> EmbeddedHub:
        """Start."""
        return self.start()

    def __exit__(self, *exception: object) -> None:
        """Stop."""
        self.stop()

    def broadcast(self, message: Any) -> int:
        """Send a HiveMessage, or an OVOS Message as BUS, to all clients. Returns how many got it.

        If a client is still in its handshake, this waits for it, for a second at most.
        """
        packet = as_packet(message)
        self._clients.wait_for_handshakes()
        if not self._clients.links:
            log.warning("a broadcast of the embedded hub reached nobody: no client is connected")
        return self._clients.send_where(lambda _: True, packet)

    def send(self, client: str, message: Any) -> int:
        """Send a HiveMessage, or an OVOS Message as BUS, to one client. Returns how many connections got it.

        `client` is the name of an account or a peer. Waits like `broadcast`. Raises InvalidOption for an
        account that the hub does not have.
        """
        packet = as_packet(message)
        names = {account.name for account in self.accounts.values()}
        if client not in names and names.isdisjoint(client.split("::")):
            raise InvalidOption(
                f"the embedded hub has no account {client!r}, but: {', '.join(sorted(names))}"
            )
        self._clients.wait_for_handshakes()
        return self._clients.send_where(lambda link: client in (link.peer, link.account.name), packet)

    def send_tts(
        self, data: bytes, utterance: str = "", lang: str = "en", file_name: str = "speech.wav"
    ) -> int:
        """Send synthesized speech, an audio file in bytes, to all clients. Returns how many got it."""
        metadata = {"utterance": utterance, "lang": lang, "file_name": file_name}
        tts = HiveMindBinaryPayloadType.TTS_AUDIO
        return self.broadcast(HiveMessage(HiveMessageType.BINARY, data, bin_type=tts, metadata=metadata))

    def send_raw(self, frame: Frame, seal: bool = False) -> None:
        """Send any frame to all clients, also a harmful one. With `seal` it is sealed as a message would be."""
        self._clients.send_raw(frame, seal)

    def drop(self, code: Optional[int] = None) -> None:
        """End every connection with a close frame of `code`. With None there is no frame, like at a killed hub."""
        self._clients.drop(code)

    def wait_for(self, msg_type: str, timeout: float = 5.0, count: int = 1) -> list[HiveMessage]:
        """Wait until `count` messages of a hive type or OVOS type were received. Returns these messages.

        Raises TimeoutError when fewer came within `timeout` seconds.
        """
        matches = message_named(msg_type, self._registry.message_types)

        def found() -> list[HiveMessage]:
            return [message for message in self.received if matches(message)]

        if not self._clients.wait_until(lambda: len(found()) >= count, timeout):
            raise TimeoutError(f"{len(found())} of {count} {msg_type} messages came within {timeout:g} s")
        return found()

    def wait_for_sessions(self, count: int, timeout: float = 5.0) -> None:
        """Return when exactly `count` clients have a session. Raises TimeoutError after `timeout` seconds."""
        if not self._clients.wait_until(lambda: self.sessions == count, timeout):
            raise TimeoutError(f"{self.sessions} of {count} clients have a session after {timeout:g} s")

    def _serve(self, connection: InOrder) -> None:
        link = self._welcome(connection)
        if link is None:
            return
        self._clients.add(connection, link)
        try:
            for frame in link.greeting():
                connection.send(frame)
            for frame in connection:
                self._receive(connection, link, frame)
                connection.dealt_with()
        except HiveMindError as error:  # before OSError, which some of them are too
            log.warning("dropped a client: %s", error)
            part(connection, link.farewell(error))
        except (ConnectionClosed, OSError) as error:
            log.debug("a client went: %s", error)
        finally:
            self._clients.remove(connection)

    def _welcome(self, connection: ServerConnection) -> Optional[HubLink]:
        try:
            useragent, key = login_of(connection.request.path if connection.request else "", self._likeness)
            account = self.accounts.get(key)
            if account is None:
                raise Ended("an unknown access key", self._likeness.unknown_key)
        except Ended as end:
            part(connection, end.farewell)
            return None
        return HubLink(self._registry, account, self._options, useragent)

    def _receive(self, connection: ServerConnection, link: HubLink, frame: Frame) -> None:
        message, answers = link.receive(frame)
        for answer in answers:
            connection.send(answer)
        if message is None:
            return
        self._clients.note(lambda: self._arrived(link, message))
        self._route(connection, link, message)

    def _route(self, connection: ServerConnection, link: HubLink, message: HiveMessage) -> None:
        """Do what a hub does about a message of a client."""
        if message.msg_type is HiveMessageType.HELLO:
            self._admission.greet(link)
            return
        orders = self._admission.refusal(link, message)
        if orders is None and message.msg_type is HiveMessageType.BUS:
            self._converse(connection, link, message)
        elif link.ready:
            admin = has_right(link.account, HiveMessageType.BROADCAST)
            for order in self._router.route(link.peer, admin, message) if orders is None else orders:
                self._carry_out(order, connection, link)
        for answer in self._sound.answers(message) if link.ready and orders is None else ():
            self._clients.try_to_send(connection, answer)

    def _arrived(self, link: HubLink, message: HiveMessage) -> None:
        hub_bounds.keep(self.received, message)
        if message.msg_type is HiveMessageType.HELLO:
            link.introduce(message)
            if any(other is not link and other.peer == link.peer for other in self._clients.links.values()):
                link.suffix = f"::{uuid.uuid4().hex[:8]}"

    def _converse(self, connection: ServerConnection, link: HubLink, message: HiveMessage) -> None:
        if message["type"] in self._likeness.utterances:
            request = message.raw_payload
            for spoken in self._texts(utterance_of(request, self._likeness.utterances)):
                self._clients.try_to_send(connection, link.reply(request, "speak", {"utterance": spoken}))
            self._clients.try_to_send(connection, link.reply(request, "ovos.utterance.handled", {}))

    def _texts(self, utterance: str) -> Iterator[str]:
        """What the agent says, as it says it."""
        try:
            answer = self._agent(utterance)
            yield from [answer] if isinstance(answer, str) else answer or ()
        except Exception:  # the agent is the test author's: the hub stays up, and the log names it
            log.exception("the agent raised")

    def _carry_out(
        self, order: Order, connection: Optional[ServerConnection] = None, link: Optional[HubLink] = None
    ) -> None:
        """Do what the router says about a message of `link`; None for the hub above."""
        if isinstance(order, ToPeer):
            self._clients.pass_on(order.message, lambda peer: peer == order.peer)
        elif isinstance(order, ToAll):
            self._clients.pass_on(order.message, lambda peer: peer != order.but)
        elif isinstance(order, ToUpstream):
            if self._upstream is not None:
                self._upstream.send(order.message)
        elif isinstance(order, Expel):
            raise HubRefused(order.reason) if order.farewell is None else Ended(order.reason, order.farewell)
        elif link is not None and connection is not None:
            self._clients.note(lambda: hub_bounds.keep(self.received, order.message))
            self._converse(connection, link, order.message)

    def _from_above(self, message: HiveMessage) -> None:
        for order in self._router.from_above(message):
            self._carry_out(order)

    def _below(self, above: EmbeddedHub, key: str) -> Upstream:
        account = above.accounts.get(key)
        if account is None:
            raise InvalidOption("the hub above has no account with the access key that `upstream` names")
        return Upstream(lambda: _client_of(above.url, above.port, account, self.public_key), self.site_id)


def _client_of(url: str, port: int, account: Account, public_key: str) -> HiveMessageBusClient:
    """The client that a hub with this key is of the hub above, which is there. It acts on nothing by itself."""
    from hivemind_core_client.config.identity import NodeIdentity
    from hivemind_core_client.sync.client import HiveMessageBusClient

    return HiveMessageBusClient(
        account.key,
        account.password,
        account.crypto_key,
        host=url,
        port=port,
        identity=NodeIdentity({"name": account.name, "public_key": public_key}),
        plugins=(),
        # The hub answers floods itself, with the name that its clients know.
        blocked_plugins=("builtin_ping",),
    )


@cache
def _shared_keys() -> tuple[str, str]:
    """One key for the hubs of this process: making it takes a while."""
    return generate_rsa_key()
