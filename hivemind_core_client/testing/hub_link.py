"""The hub's half of one connection, sans IO: versions 0, 1 and 3."""

from __future__ import annotations

import json
import os
import threading
import uuid
from base64 import b64decode
from collections.abc import Iterable, Mapping
from typing import Any, Optional, Union
from urllib.parse import parse_qs, urlsplit

from attrs import evolve, field, frozen

from hivemind_core_client.kernel.crypto import Channel, CipherChannel
from hivemind_core_client.kernel.handshake.base import DEFAULT_CIPHER, DEFAULT_ENCODING
from hivemind_core_client.kernel.handshake.password import new_exchange
from hivemind_core_client.plugins.contract import Frame
from hivemind_core_client.plugins.registry import Registry
from hivemind_core_client.testing.hub_noise import NoiseResponder, noise_offer
from hivemind_core_client.wire.errors import (
    CleartextRefused,
    HandshakeError,
    InvalidOption,
    NegotiationRefused,
    UnknownMessageType,
)
from hivemind_core_client.wire.json_text import Json
from hivemind_core_client.wire.message import HiveMessage, HiveMessageType
from hivemind_core_client.wire.message_types import types_without_code

_MAX_INFLATED_BYTES = 32 * 2**20
#: A session id from the wire that is longer than this is none: it is part of the hub's name for a client.
_LONGEST_ID = 256


@frozen
class Account:
    """A client that the hub knows. Without `password` and `crypto_key` it must use the RSA handshake.

    `name` is the first part of its peer, `NAME::SESSION_ID`, and no other account's; by default `client-1`,
    `client-2` and so on, in the order of the list. An `admin` may send BROADCAST.
    """

    key: str = field(repr=False)
    password: Optional[str] = field(default=None, repr=False)
    crypto_key: Optional[str] = field(default=None, repr=False)
    name: str = ""
    admin: bool = False


def accounts_of(clients: Union[Mapping[str, str], Iterable[Account]]) -> dict[str, Account]:
    """The accounts by access key, each with a name. Raises InvalidOption for a name that two have."""
    if isinstance(clients, Mapping):
        clients = [Account(key, password) for key, password in clients.items()]
    accounts: dict[str, Account] = {}
    names: set[str] = set()
    for number, account in enumerate(clients, 1):
        name = account.name or f"client-{number}"
        if name in names:
            raise InvalidOption(
                f"two accounts of the embedded hub are called {name!r}: each needs its own name"
            )
        names.add(name)
        accounts[account.key] = evolve(account, name=name)
    return accounts


def login_of(path: str) -> tuple[str, str]:
    """User agent and access key in the path of a WebSocket request; empty texts where there are none."""
    found = parse_qs(urlsplit(path).query).get("authorization", [""])
    try:
        login = b64decode(found[-1], validate=True).decode()
    except ValueError:
        return "", ""
    useragent, _, key = login.partition(":")
    return useragent, key


@frozen
class HubOptions:
    """What the hub says of itself and what it allows; None allows all that is installed.

    `noise_key` is its static key for version 3 and `client_pins` the static keys that it has pinned, by access key.
    """

    node_id: str = "embedded:0.0.0.0"
    ciphers: Optional[tuple[str, ...]] = None
    encodings: Optional[tuple[str, ...]] = None
    binarize: bool = False
    private_key: str = field(default="", repr=False)
    public_key: str = field(default="", repr=False)
    versions: tuple[int, int] = (0, 1)
    noise_key: bytes = field(factory=lambda: os.urandom(32), repr=False)
    client_pins: dict[str, bytes] = field(factory=dict, repr=False)


class HubLink:
    """Feed it frames; `greeting`, `receive` and `seal` return the frames to send, under the lock `writing`."""

    def __init__(self, registry: Registry, account: Account, options: HubOptions, useragent: str) -> None:
        self.account = account
        self.useragent = useragent
        self.session: Json = {}
        self.ready = False
        self.suffix = ""
        self.writing = threading.Lock()
        self._session_id = str(uuid.uuid4())
        self._registry = registry
        self._options = options
        self._channel: Optional[Channel] = None
        self._offered: tuple[Json, Json] = ({}, {})
        self._noise: Optional[NoiseResponder] = None
        self._binarize = False
        self._ciphers = options.ciphers or tuple(registry.ciphers)
        self._encodings = options.encodings or tuple(registry.encodings)
        if account.crypto_key:
            self._channel = self._new_channel(DEFAULT_CIPHER, DEFAULT_ENCODING, account.crypto_key.encode())

    @property
    def peer(self) -> str:
        """The hub's name for this client: `NAME::SESSION_ID`, and `suffix` where another has that name."""
        return f"{self.account.name}::{self._session_id}{self.suffix}"

    @property
    def refusal(self) -> int:
        """The code to close with when this client breaks the rules, as hubs of its protocol version do."""
        return 1000 if self._noise is None else 1008

    @property
    def _without_code(self) -> frozenset[HiveMessageType]:
        return types_without_code(0 if self._noise is None else NoiseResponder.version)

    def greeting(self) -> list[Frame]:
        """HELLO and the offer, in the clear."""
        options, account = self._options, self.account
        hello = {"pubkey": options.public_key, "peer": self.peer, "node_id": options.node_id}
        offer: Json = {
            "max_protocol_version": options.versions[1],
            "binarize": options.binarize,
            "encodings": list(self._encodings),
        }
        if options.versions[1] >= NoiseResponder.version and account.password:
            offer["noise"] = noise_offer(account.key in options.client_pins)
        if options.versions[0] < NoiseResponder.version:  # hubs that speak nothing older have no word for it
            offer.update(self._older_offer())
        self._offered = (hello, offer)
        return [_text(HiveMessageType.HELLO, hello), _text(HiveMessageType.HANDSHAKE, offer)]

    def _older_offer(self) -> Json:
        account = self.account
        return {
            "handshake": not account.crypto_key,
            "min_protocol_version": max(self._options.versions[0], 0 if account.crypto_key else 1),
            "preshared_key": account.crypto_key is not None,
            "password": account.password is not None,
            "crypto_required": True,
            "ciphers": list(self._ciphers),
        }

    def receive(self, frame: Frame) -> tuple[Optional[HiveMessage], list[Frame]]:
        """The message, if there is more to do with it, and the frames to answer with.

        Raises ProtocolError or HubRefused.
        """
        message = self._read(frame)
        if message is None:
            return None, []
        if message.msg_type is HiveMessageType.HANDSHAKE:
            return None, self._answer(message.raw_payload)
        if self._channel is None:
            raise CleartextRefused(f"a {message.msg_type.name} message before the handshake")
        return message, []

    def introduce(self, hello: HiveMessage) -> None:
        """Take the session over that the client says it has."""
        session = hello["session"]
        self.session = session if isinstance(session, dict) else {}
        session_id = self.session.get("session_id")
        if isinstance(session_id, str) and 0 < len(session_id) <= _LONGEST_ID:
            self._session_id = session_id
        self.suffix = ""
        self.ready = True

    def seal(self, message: HiveMessage) -> list[Frame]:
        """The frames of a message for this client. Raises HandshakeError before there is a key."""
        binary = self._registry.serializers["binary"]
        plain = None
        binarize = self._binarize and message.msg_type not in self._without_code
        if binarize or message.msg_type is HiveMessageType.BINARY:
            plain = binary.encode(message, True)
        return self.seal_frame(message.as_json if plain is None else plain)

    def seal_frame(self, plain: Frame) -> list[Frame]:
        """The frames that carry this one, whatever it is. Raises HandshakeError before there is a key."""
        if self._channel is None:
            raise HandshakeError("the client has not finished its handshake")
        return self._channel.seal(plain)

    def _read(self, frame: Frame) -> Optional[HiveMessage]:
        plain: Optional[Frame] = frame
        if self._channel is not None:
            plain = self._channel.open(frame)
        if plain is None:
            return None
        name = "text" if isinstance(plain, str) else "binary"
        message = self._registry.serializers[name].decode(plain, _MAX_INFLATED_BYTES)
        if name == "binary" and message.msg_type in self._without_code:
            raise UnknownMessageType(
                f"the code of {message.msg_type.name} is unassigned in this protocol version"
            )
        return message

    def _answer(self, payload: Json) -> list[Frame]:
        if "noise" in payload and "noise" in self._offered[1]:
            return self._answer_noise(payload["noise"])
        if self._options.versions[0] >= NoiseResponder.version:
            raise HandshakeError("a handshake of a version that the hub did not offer")
        envelope, key = self._exchange(payload)
        cipher = _first(payload.get("ciphers"), self._ciphers) if self.account.password else DEFAULT_CIPHER
        encoding = (
            _first(payload.get("encodings"), self._encodings) if self.account.password else DEFAULT_ENCODING
        )
        self._binarize = bool(payload.get("binarize")) and self._options.binarize
        self._channel = self._new_channel(cipher, encoding, key)
        answer = {"envelope": envelope, "cipher": cipher, "encoding": encoding}
        return [_text(HiveMessageType.HANDSHAKE, answer)]

    def _answer_noise(self, noise: Any) -> list[Frame]:
        if self._noise is None:
            password, options = self.account.password or "", self._options
            pinned = options.client_pins.get(self.account.key)
            self._noise = NoiseResponder(password, options.node_id, options.noise_key, pinned, self._offered)
        answer = self._noise.receive(noise)
        if self._noise.channel is not None:
            self._channel, self._binarize = (
                self._noise.channel,
                self._noise.binarize and self._options.binarize,
            )
            self._options.client_pins.setdefault(self.account.key, self._noise.client_key)
        return [] if answer is None else [_text(HiveMessageType.HANDSHAKE, {"noise": answer})]

    def _exchange(self, payload: Json) -> tuple[str, bytes]:
        if self.account.password and isinstance(payload.get("envelope"), str):
            return _password_exchange(self.account.password, payload["envelope"])
        if not self.account.password and isinstance(payload.get("pubkey"), str):
            return _rsa_exchange(self._options.private_key, payload["pubkey"])
        raise HandshakeError("a handshake of a kind that the hub did not offer")

    def _new_channel(self, cipher: str, encoding: str, key: bytes) -> Channel:
        return CipherChannel(self._registry.ciphers[cipher], self._registry.encodings[encoding], key)


def speech(peer: str, request: Json, utterance: str) -> HiveMessage:
    """What is spoken to a peer in answer to an OVOS message."""
    context = {**(request.get("context") or {}), "source": "hive", "destination": peer}
    return HiveMessage(
        HiveMessageType.BUS, {"type": "speak", "data": {"utterance": utterance}, "context": context}
    )


def _text(msg_type: HiveMessageType, payload: Json) -> str:
    return json.dumps({"msg_type": msg_type.value, "payload": payload})


def _first(theirs: Any, ours: tuple[str, ...]) -> str:
    for name in theirs if isinstance(theirs, list) else ():
        if name in ours:
            return str(name)
    raise NegotiationRefused("nothing that the client proposes is allowed here")


def _password_exchange(password: str, envelope: str) -> tuple[str, bytes]:
    """Like hub 4.0.0, the client's envelope is not verified: a wrong password is for the client to notice."""
    exchange = new_exchange(password)
    answer = exchange.generate_handshake()
    try:
        exchange.receive_handshake(envelope)
        return str(answer), bytes(exchange.secret)
    except (TypeError, ValueError) as error:
        raise HandshakeError("the client's envelope cannot be read") from error


def _rsa_exchange(private_key: str, public_key: str) -> tuple[str, bytes]:
    import secrets

    from poorman_handshake.asymmetric.utils import encrypt_RSA, sign_RSA

    key = secrets.token_bytes(32)
    wrapped = encrypt_RSA(public_key, key)
    return (sign_RSA(private_key, wrapped) + wrapped).hex(), key
