"""EmbeddedHub: a real WebSocket server on loopback, in this process."""

from __future__ import annotations

import logging
import ssl
import threading
from base64 import b64decode
from collections.abc import Iterable, Mapping
from typing import Any, Callable, Optional, Union

from hivemind_core_client.errors import HiveMindError
from hivemind_core_client.jsontext import Json
from hivemind_core_client.message import HiveMessage, HiveMessageType, HiveMindBinaryPayloadType
from hivemind_core_client.plugins.contract import Frame
from hivemind_core_client.plugins.manager import load_plugins
from hivemind_core_client.testing.hub_link import Account, HubLink, HubOptions

try:
    from websockets.exceptions import ConnectionClosed
    from websockets.sync.server import Server, ServerConnection, serve
except ImportError as missing:
    raise ImportError(
        "the embedded hub needs the websockets package: pip install 'hivemind-core-client[testing]'"
    ) from missing

__all__ = ["Account", "EmbeddedHub"]

log = logging.getLogger(__name__)

Agent = Callable[[str], Union[str, Iterable[str], None]]
Clients = Union[Mapping[str, str], Iterable[Account]]

_UTTERANCE = "recognizer_loop:utterance"


def echo(utterance: str) -> str:
    """The agent that answers where none is given."""
    return f"you said: {utterance}"


class EmbeddedHub:
    """A hub for tests and demos: protocol versions 0 and 1.

    `clients` maps access keys to passwords, or lists Accounts. `agent(utterance)` returns what is spoken: a
    text, several, or None for silence. `ciphers` and `encodings` restrict what is allowed; `binarize`
    allows binary frames. `tls` is True for a certificate made on the spot (`hub.ca_file`), or a server's
    SSLContext. `port` 0 takes a free one, which a restarted hub keeps.

    Everything that clients sent is in `received`, their HELLOs included.
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
    ) -> None:
        self.host = "127.0.0.1"
        self.port = port
        self.received: list[HiveMessage] = []
        self.ca_file: Optional[str] = None
        self._accounts = {account.key: account for account in _accounts(clients)}
        self._agent = agent
        self._registry = load_plugins().require()
        self._options = HubOptions(
            ciphers=None if ciphers is None else tuple(ciphers),
            encodings=None if encodings is None else tuple(encodings),
            binarize=binarize,
            **_rsa_keys(self._accounts.values()),
        )
        self._tls = self._tls_context(tls)
        self._links: dict[ServerConnection, HubLink] = {}
        self._changed = threading.Condition()
        self._server: Optional[Server] = None
        self._thread: Optional[threading.Thread] = None

    @property
    def url(self) -> str:
        """`ws://127.0.0.1:PORT`, or `wss://`."""
        return f"{'wss' if self._tls else 'ws'}://{self.host}:{self.port}"

    @property
    def sessions(self) -> int:
        """How many clients have finished their handshake and are connected."""
        return sum(link.ready for link in self._links.values())

    def start(self) -> EmbeddedHub:
        """Listen; returns this hub. The same port is taken again after `stop`."""
        self._server = serve(
            self._serve,
            self.host,
            self.port,
            ssl=self._tls,
            compression=None,
            max_size=None,
            ping_interval=None,
        )
        self.port = self._server.socket.getsockname()[1]
        self._thread = threading.Thread(target=self._server.serve_forever, name="embedded-hub", daemon=True)
        self._thread.start()
        return self

    def stop(self) -> None:
        """Drop every client and listen no more. Idempotent."""
        server, self._server = self._server, None
        if server is None or self._thread is None:
            return
        server.shutdown()
        self._thread.join(5)
        self.drop()

    def __enter__(self) -> EmbeddedHub:
        """Start."""
        return self.start()

    def __exit__(self, *exception: object) -> None:
        """Stop."""
        self.stop()

    def broadcast(self, message: Any) -> int:
        """Send a HiveMessage, or an OVOS Message as BUS, to all clients; returns how many got it.

        A client that is still in its handshake is waited for, a second at most.
        """
        with self._changed:
            self._changed.wait_for(lambda: all(link.ready for link in self._links.values()), 1.0)
        if not self._links:
            log.warning("a broadcast of the embedded hub reached nobody: no client is connected")
        packet = message if isinstance(message, HiveMessage) else HiveMessage(HiveMessageType.BUS, message)
        return sum(self._send(connection, packet) for connection in list(self._links))

    def send_tts(
        self, data: bytes, utterance: str = "", lang: str = "en", file_name: str = "speech.wav"
    ) -> int:
        """Send synthesized speech to all clients; returns how many got it."""
        metadata = {"utterance": utterance, "lang": lang, "file_name": file_name}
        tts = HiveMindBinaryPayloadType.TTS_AUDIO
        return self.broadcast(HiveMessage(HiveMessageType.BINARY, data, bin_type=tts, metadata=metadata))

    def send_raw(self, frame: Frame) -> None:
        """Send a frame as it is to all clients, whatever it does to them."""
        for connection in list(self._links):
            connection.send(frame)

    def drop(self, code: Optional[int] = None) -> None:
        """End every connection: with a close frame of `code`, or without one, like a hub that was killed."""
        for connection in list(self._links):
            if code is None:
                connection.socket.close() if self._tls else _shut(connection)
            else:
                connection.close(code)

    def wait_for(self, msg_type: str, timeout: float = 5.0, count: int = 1) -> list[HiveMessage]:
        """The messages received of a hive type or OVOS type, as soon as there are `count` of them.

        Raises TimeoutError when fewer came within `timeout` seconds.
        """

        def found() -> list[HiveMessage]:
            return [message for message in self.received if _is_of(message, msg_type)]

        with self._changed:
            if not self._changed.wait_for(lambda: len(found()) >= count, timeout):
                raise TimeoutError(f"{len(found())} of {count} {msg_type} messages came within {timeout:g} s")
            return found()

    def wait_for_sessions(self, count: int, timeout: float = 5.0) -> None:
        """Return when `count` clients have a session. Raises TimeoutError."""
        with self._changed:
            if not self._changed.wait_for(lambda: self.sessions == count, timeout):
                raise TimeoutError(f"{self.sessions} of {count} clients have a session after {timeout:g} s")

    def _serve(self, connection: ServerConnection) -> None:
        link = self._welcome(connection)
        if link is None:
            return
        self._note(lambda: self._links.update({connection: link}))
        try:
            for frame in link.greeting():
                connection.send(frame)
            for frame in connection:
                self._receive(connection, link, frame)
        except (ConnectionClosed, OSError) as error:
            log.debug("a client went: %s", error)
        except HiveMindError as error:
            log.warning("dropped a client: %s", error)
            connection.close()
        finally:
            self._note(lambda: self._links.pop(connection, None))

    def _welcome(self, connection: ServerConnection) -> Optional[HubLink]:
        useragent, _, key = _authorization(connection.request.path if connection.request else "").partition(
            ":"
        )
        account = self._accounts.get(key)
        if account is None:
            connection.close()
            return None
        return HubLink(self._registry, account, self._options, useragent)

    def _receive(self, connection: ServerConnection, link: HubLink, frame: Frame) -> None:
        message, answers = link.receive(frame)
        for answer in answers:
            connection.send(answer)
        if message is None:
            return
        self._note(lambda: self._arrived(link, message))
        if message.msg_type is HiveMessageType.BUS and message["type"] == _UTTERANCE:
            for spoken in self._answers(message):
                self._send(connection, _speech(link, message.raw_payload, spoken))

    def _arrived(self, link: HubLink, message: HiveMessage) -> None:
        self.received.append(message)
        if message.msg_type is HiveMessageType.HELLO:
            link.ready = True

    def _answers(self, message: HiveMessage) -> list[str]:
        utterances = (message["data"] or {}).get("utterances") or [""]
        try:
            answer = self._agent(str(utterances[0]))
        except Exception:  # the agent is the test author's: the hub stays up, and the log names it
            log.exception("the agent raised")
            return []
        if answer is None:
            return []
        return [answer] if isinstance(answer, str) else list(answer)

    def _send(self, connection: ServerConnection, message: HiveMessage) -> bool:
        link = self._links.get(connection)
        if link is None or not link.ready:
            return False
        try:
            for frame in link.seal(message):
                connection.send(frame)
        except (ConnectionClosed, OSError) as error:
            log.debug("a client went: %s", error)
            return False
        return True

    def _note(self, change: Callable[[], object]) -> None:
        with self._changed:
            change()
            self._changed.notify_all()

    def _tls_context(self, tls: Union[bool, ssl.SSLContext, None]) -> Optional[ssl.SSLContext]:
        if not tls or isinstance(tls, ssl.SSLContext):
            return tls or None
        from hivemind_core_client.testing.certificates import self_signed

        context, self.ca_file = self_signed(self.host)
        return context


def _accounts(clients: Clients) -> Iterable[Account]:
    if isinstance(clients, Mapping):
        return [Account(key, password) for key, password in clients.items()]
    return list(clients)


def _rsa_keys(accounts: Iterable[Account]) -> dict[str, str]:
    """Keys for the RSA handshake, where a client needs it; making them takes a while."""
    if all(account.password or account.crypto_key for account in accounts):
        return {}
    from poorman_handshake.asymmetric.utils import create_RSA_key

    public, private = create_RSA_key()
    return {"public_key": public, "private_key": private}


def _authorization(path: str) -> str:
    encoded = path.partition("authorization=")[2]
    try:
        return b64decode(encoded, validate=True).decode()
    except ValueError:
        return ""


def _speech(link: HubLink, request: Json, utterance: str) -> HiveMessage:
    context = {**(request.get("context") or {}), "source": "hive", "destination": link.peer}
    return HiveMessage(
        HiveMessageType.BUS, {"type": "speak", "data": {"utterance": utterance}, "context": context}
    )


def _is_of(message: HiveMessage, msg_type: str) -> bool:
    if message.msg_type.value == msg_type:
        return True
    return message.msg_type is HiveMessageType.BUS and message["type"] == msg_type


def _shut(connection: ServerConnection) -> None:
    import socket

    try:
        connection.socket.shutdown(socket.SHUT_RDWR)
    except OSError as error:
        log.debug("already shut: %s", error)
