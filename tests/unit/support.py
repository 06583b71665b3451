"""What the unit tests share: the built-in tables without entry points, and the hub's half of a handshake."""

from __future__ import annotations

import functools
import json
import threading
import warnings
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, Callable, Optional, TypeVar

from hivemind_core_client.builtins import (
    binary,
    binary_serializer,
    broadcast,
    bus,
    cascade,
    ciphers_openssl,
    ciphers_pycryptodome,
    encodings,
    escalate,
    handshake,
    hello,
    ping,
    propagate,
    query,
    rendezvous,
    shared_bus,
    text_serializer,
    thirdparty,
)
from hivemind_core_client.kernel.crypto import CipherChannel
from hivemind_core_client.kernel.events import Arrived, Established, Event, Failed, Rejected, Transmit
from hivemind_core_client.kernel.handshake import kinds
from hivemind_core_client.kernel.link import Link
from hivemind_core_client.kernel.options import Credentials, LinkOptions
from hivemind_core_client.message import HiveMessage, HiveMessageType
from hivemind_core_client.plugins import hookspecs
from hivemind_core_client.plugins.contract import Context, Frame, Session
from hivemind_core_client.plugins.isolation import IsolatingManager
from hivemind_core_client.plugins.manager import PluginInfo, Plugins
from hivemind_core_client.plugins.registry import Registry
from hivemind_core_client.testing import memory
from hivemind_core_client.transports.builtin import http, websocket

T = TypeVar("T")

PASSWORD = "Tq7!vLz0#correct-horse-battery-4711"
KEY = b"sixteen byte key"
MAX = 32 * 2**20
WHERE = "ws://hub:5678"
SESSION = "session-1"
SITE = "kitchen"
HUB_KEY = "-----BEGIN PUBLIC KEY-----\nhub\n-----END PUBLIC KEY-----"
UTTERANCE = "recognizer_loop:utterance"
COMPLETE, TIMEOUT, DENIED = "hive.query.complete", "hive.query.timeout", "hive.policy.denied"

BUILTINS: tuple[ModuleType, ...] = (
    binary,
    binary_serializer,
    broadcast,
    bus,
    cascade,
    ciphers_openssl,
    ciphers_pycryptodome,
    encodings,
    escalate,
    handshake,
    hello,
    ping,
    propagate,
    query,
    rendezvous,
    shared_bus,
    text_serializer,
    thirdparty,
    http,
    memory,
    websocket,
    kinds,
)
ENCODINGS = ["JSON-B91", "JSON-Z85B", "JSON-Z85P", "JSON-B64", "JSON-URLSAFE-B64", "JSON-B32", "JSON-HEX"]
CIPHERS = ["AES-GCM", "CHACHA20-POLY1305"]


def plugins_of(*extra: Any, builtins: tuple[ModuleType, ...] = BUILTINS) -> Plugins:
    """Plugins out of modules and objects that are at hand; what comes last is called first."""
    plugins = Plugins(IsolatingManager())
    for module in (*builtins, *extra):
        name = getattr(module, "__name__", type(module).__name__).rpartition(".")[2]
        plugins.pm.register(module, name=name)
        plugins.infos.append(PluginInfo(name, builtin=module in builtins))
    return plugins


def plugin(name: str, **hooks: Callable[..., Any]) -> Any:
    """A plugin called `name` that implements these hooks."""
    marked = {hook: hookspecs.hookimpl(function) for hook, function in hooks.items()}
    return SimpleNamespace(__name__=name, **marked)


@functools.lru_cache(maxsize=1)
def registry() -> Registry:
    """The tables of the built-in plugins."""
    return plugins_of().registry()


def explode(*arguments: Any) -> Any:
    """What a broken plugin does."""
    raise RuntimeError("broken")


def refused_here(method: Callable[..., Any]) -> Callable[..., Any]:
    """This method, but that the thread that asks now must not call it. Threads of tests before it go on as they do."""
    here = threading.get_ident()

    @functools.wraps(method)
    def guarded(*arguments: Any, **options: Any) -> Any:
        assert threading.get_ident() != here, "a fake must not do that"
        return method(*arguments, **options)

    return guarded


def hop(source: Any) -> dict[str, Any]:
    """One step of a route."""
    return {"source": source, "targets": ["x"]}


def mode(path: Path) -> int:
    """Who may do what with a file."""
    return path.stat().st_mode & 0o777


def identity(**facts: Any) -> Any:
    """What handlers may know of a node."""
    return SimpleNamespace(**{"name": "node", "public_key": "PEM", "trusted_keys": {}, **facts})


def new_context(**facts: Any) -> Context:
    return Context(identity=identity(), session=Session(SESSION, SITE), **facts)


def idle_link(
    credentials: Optional[Credentials] = None,
    tables: Optional[Registry] = None,
    context: Optional[Context] = None,
    **options: Any,
) -> Link:
    """A Link that was not opened; with a password unless told otherwise."""
    asked = LinkOptions(WHERE, credentials=credentials or Credentials(password=PASSWORD), **options)
    return Link(tables or registry(), context or new_context(), asked)


def channel_of(link: Link) -> Any:
    """What seals and opens on this link, None before there is a key."""
    return link._channel


def new_link(
    credentials: Optional[Credentials] = None,
    tables: Optional[Registry] = None,
    context: Optional[Context] = None,
    **options: Any,
) -> Link:
    """An opened Link; with a password unless told otherwise."""
    link = idle_link(credentials, tables, context, **options)
    link.opened()
    return link


@functools.lru_cache(maxsize=4)
def rsa_pair(owner: str) -> tuple[str, str]:
    """(private, public) PEM texts, small so that they are made fast; one pair for each owner."""
    from Crypto.PublicKey import RSA

    key = RSA.generate(1024)
    return key.export_key().decode(), key.public_key().export_key().decode()


def rsa_credentials(**facts: Any) -> Credentials:
    return Credentials(
        private_key=lambda: rsa_pair("satellite")[0], public_key=lambda: rsa_pair("satellite")[1], **facts
    )


def password_exchange(password: str) -> Any:
    """The password handshake of whichever poorman-handshake is installed."""
    from poorman_handshake import PasswordHandShake

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return PasswordHandShake(password)


def rsa_envelope(target: str, signer: str = "hub", secret: bytes = bytes(range(32))) -> str:
    """A hub's RSA envelope: hex(signature ‖ wrapped secret)."""
    from poorman_handshake.asymmetric.utils import encrypt_RSA, sign_RSA

    wrapped = encrypt_RSA(target, secret)
    signature: bytes = sign_RSA(rsa_pair(signer)[0], wrapped)
    return (signature + bytes(wrapped)).hex()


class Hub:
    """The hub's half of one connection, played step by step; each step returns the Link's events.

    `sent` holds every frame that the Link told its shell to transmit.
    """

    def __init__(self, link: Link, password: str = PASSWORD, pubkey: Optional[str] = None) -> None:
        self.link = link
        self.password = password
        self.pubkey = pubkey
        self.sent: list[Frame] = []
        self.channel: Optional[CipherChannel] = None

    def feed(self, frame: Frame) -> list[Event]:
        events = self.link.receive(frame)
        for event in events:
            if isinstance(event, Transmit):
                self.sent.extend(event.frames)
        return events

    def clear(self, msg_type: HiveMessageType, **payload: Any) -> list[Event]:
        return self.feed(HiveMessage(msg_type, payload).serialize())

    def hello(self, **facts: Any) -> list[Event]:
        payload = {"pubkey": self.pubkey, "peer": "sat::1", "node_id": "hub-1", **facts}
        return self.clear(HiveMessageType.HELLO, **payload)

    def offer(self, **changes: Any) -> list[Event]:
        return self.clear(HiveMessageType.HANDSHAKE, **{**offer_payload(), **changes})

    def request(self) -> dict[str, Any]:
        """Our HANDSHAKE, as the hub reads it."""
        payload: dict[str, Any] = json.loads(self.sent[-1])["payload"]
        return payload

    def answer(self, **changes: Any) -> list[Event]:
        """The verified answer to our password envelope; `changes` replace fields of it."""
        request = self.request()
        exchange = password_exchange(self.password)
        envelope = exchange.generate_handshake()
        cipher, encoding = request["ciphers"][0], request["encodings"][0]
        fields = {"envelope": envelope, "cipher": cipher, "encoding": encoding, **changes}
        if exchange.receive_and_verify(request["envelope"]):
            self.key_with(exchange.secret, fields["cipher"], fields["encoding"])
        return self.clear(HiveMessageType.HANDSHAKE, **fields)

    def answer_rsa(self, secret: bytes = bytes(range(32)), **changes: Any) -> list[Event]:
        request = self.request()
        fields: dict[str, Any] = {"cipher": request["ciphers"][0], "encoding": request["encodings"][0]}
        envelope = changes.get("envelope") or rsa_envelope(request["pubkey"], secret=secret)
        fields = {**fields, "envelope": envelope, **changes}
        self.key_with(bytes(range(32)), fields["cipher"], fields["encoding"])
        return self.clear(HiveMessageType.HANDSHAKE, **fields)

    def key_with(self, key: bytes, cipher: str = "AES-GCM", encoding: str = "JSON-HEX") -> None:
        tables = registry()
        if cipher in list(tables.ciphers) and encoding in list(tables.encodings):
            self.channel = CipherChannel(tables.ciphers[cipher], tables.encodings[encoding], key)

    def preshared(self) -> list[Event]:
        """HELLO and the offer of a pre-shared key: a session in two frames, without any waiting."""
        self.hello()
        events = self.offer(preshared_key=True, password=False)
        self.key_with(KEY)
        return events

    def seal(self, plain: Frame) -> Frame:
        assert self.channel is not None
        return self.channel.seal(plain)[0]

    def open(self, frame: Frame) -> Frame:
        assert self.channel is not None
        return self.channel.open(frame)

    def read(self, frame: Frame) -> HiveMessage:
        """A sealed frame of ours, as the hub reads it."""
        plain = self.open(frame)
        if isinstance(plain, str):
            return HiveMessage.deserialize(plain)
        return binary_serializer.decode(bytes(plain), MAX)

    def send(self, message: HiveMessage, binary: bool = False) -> list[Event]:
        plain: Optional[Frame] = binary_serializer.encode(message) if binary else message.serialize()
        assert plain is not None
        return self.feed(self.seal(plain))


def offer_payload() -> dict[str, Any]:
    """The offer of hub 4.0.0 to a client with a password."""
    return {
        "handshake": True,
        "min_protocol_version": 0,
        "max_protocol_version": 1,
        "binarize": False,
        "preshared_key": False,
        "password": True,
        "crypto_required": True,
        "encodings": list(ENCODINGS),
        "ciphers": list(CIPHERS),
    }


def keyed(**options: Any) -> Hub:
    """A hub and a Link with a session between them (pre-shared key)."""
    hub = Hub(new_link(Credentials(crypto_key=KEY), **options))
    hub.preshared()
    return hub


def keyed_by_password(binarize: bool = True, **options: Any) -> Hub:
    """A hub and a Link with a session between them (password), binary frames allowed by both."""
    hub = Hub(new_link(**options))
    hub.hello()
    hub.offer(binarize=binarize)
    hub.answer()
    return hub


def told(event: Event) -> str:
    """An event in two words."""
    if isinstance(event, Transmit):
        return " ".join(["transmit", *(_frame(frame) for frame in event.frames)])
    if isinstance(event, (Failed, Rejected)):
        return f"{type(event).__name__.lower()} {type(event.error).__name__}"
    if isinstance(event, Arrived):
        return f"arrived {event.message.msg_type.name}"
    if isinstance(event, Established):
        return f"established {event.negotiated.kind}"
    return type(event).__name__.lower()


def _frame(frame: Frame) -> str:
    if isinstance(frame, bytes):
        return "sealed bytes"
    fields = json.loads(frame)
    return "sealed" if "ciphertext" in fields else str(fields["msg_type"])


def only(kind: type[T], events: list[Any]) -> T:
    """The one event of this kind."""
    found = [event for event in events if isinstance(event, kind)]
    assert len(found) == 1, events
    return found[0]
