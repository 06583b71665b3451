"""The hub's half of one connection, sans IO: versions 0 and 1, as hub 4.0.0 speaks them."""

from __future__ import annotations

import json
import warnings
from typing import Any, Optional

from attrs import field, frozen

from hivemind_core_client.errors import HandshakeError, NegotiationRefused
from hivemind_core_client.jsontext import Json
from hivemind_core_client.kernel.crypto import Channel, CipherChannel
from hivemind_core_client.kernel.handshake.base import DEFAULT_CIPHER, DEFAULT_ENCODING
from hivemind_core_client.message import HiveMessage, HiveMessageType
from hivemind_core_client.plugins.contract import Frame
from hivemind_core_client.plugins.registry import Registry

_MAX_INFLATED = 32 * 2**20


@frozen
class Account:
    """A client that the hub knows. Without `password` and `crypto_key` it must use the RSA handshake."""

    key: str = field(repr=False)
    password: Optional[str] = field(default=None, repr=False)
    crypto_key: Optional[str] = field(default=None, repr=False)
    name: str = "client"


@frozen
class HubOptions:
    """What the hub says of itself and what it allows; None allows all that is installed."""

    node_id: str = "embedded:0.0.0.0"
    ciphers: Optional[tuple[str, ...]] = None
    encodings: Optional[tuple[str, ...]] = None
    binarize: bool = False
    private_key: Optional[str] = field(default=None, repr=False)
    public_key: str = ""


class HubLink:
    """Feed it frames; `greeting`, `receive` and `seal` return the frames to send."""

    def __init__(self, registry: Registry, account: Account, options: HubOptions, useragent: str) -> None:
        self.account = account
        self.useragent = useragent
        self.session: Json = {}
        self.ready = False
        self._registry = registry
        self._options = options
        self._channel: Optional[Channel] = None
        self._binarize = False
        self._ciphers = options.ciphers or tuple(registry.ciphers)
        self._encodings = options.encodings or tuple(registry.encodings)
        if account.crypto_key:
            self._channel = self._new_channel(DEFAULT_CIPHER, DEFAULT_ENCODING, account.crypto_key.encode())

    @property
    def peer(self) -> str:
        """The hub's name for this client."""
        return f"{self.useragent}::1::{self.account.name}::{self.session.get('session_id', 'default')}"

    def greeting(self) -> list[Frame]:
        """HELLO and the offer, in the clear."""
        options, account = self._options, self.account
        hello = {"pubkey": options.public_key, "peer": self.peer, "node_id": options.node_id}
        offer = {
            "handshake": not account.crypto_key,
            "min_protocol_version": 0 if account.crypto_key else 1,
            "max_protocol_version": 1,
            "binarize": options.binarize,
            "preshared_key": account.crypto_key is not None,
            "password": account.password is not None,
            "crypto_required": True,
            "encodings": list(self._encodings),
            "ciphers": list(self._ciphers),
        }
        return [_text(HiveMessageType.HELLO, hello), _text(HiveMessageType.HANDSHAKE, offer)]

    def receive(self, frame: Frame) -> tuple[Optional[HiveMessage], list[Frame]]:
        """The message, if there is more to do with it, and the frames to answer with.

        Raises ProtocolError or HubRefused.
        """
        message = self._read(frame)
        if message.msg_type is HiveMessageType.HANDSHAKE:
            return None, [self._answer(message.raw_payload)]
        if message.msg_type is HiveMessageType.HELLO:
            self.session = dict(message["session"] or {})
        return message, []

    def seal(self, message: HiveMessage) -> list[Frame]:
        """The frames of a message for this client. Raises HandshakeError before there is a key."""
        if self._channel is None:
            raise HandshakeError("the client has not finished its handshake")
        binary = self._registry.serializers["binary"]
        plain = None
        if self._binarize or message.msg_type is HiveMessageType.BINARY:
            plain = binary.encode(message, True)
        return self._channel.seal(message.as_json if plain is None else plain)

    def _read(self, frame: Frame) -> HiveMessage:
        plain: Optional[Frame] = frame
        if self._channel is not None:
            plain = self._channel.open(frame)
        name = "text" if isinstance(plain, str) else "binary"
        return self._registry.serializers[name].decode(plain, _MAX_INFLATED)

    def _answer(self, payload: Json) -> Frame:
        envelope, key = self._exchange(payload)
        cipher = _first(payload.get("ciphers"), self._ciphers) if self.account.password else DEFAULT_CIPHER
        encoding = (
            _first(payload.get("encodings"), self._encodings) if self.account.password else DEFAULT_ENCODING
        )
        self._binarize = bool(payload.get("binarize")) and self._options.binarize
        self._channel = self._new_channel(cipher, encoding, key)
        answer = {"envelope": envelope, "cipher": cipher, "encoding": encoding}
        return _text(HiveMessageType.HANDSHAKE, answer)

    def _exchange(self, payload: Json) -> tuple[str, bytes]:
        if self.account.password and isinstance(payload.get("envelope"), str):
            return _password_exchange(self.account.password, payload["envelope"])
        if self._options.private_key and isinstance(payload.get("pubkey"), str):
            return _rsa_exchange(self._options.private_key, payload["pubkey"])
        raise HandshakeError("a handshake of a kind that the hub did not offer")

    def _new_channel(self, cipher: str, encoding: str, key: bytes) -> Channel:
        return CipherChannel(self._registry.ciphers[cipher], self._registry.encodings[encoding], key)


def _text(msg_type: HiveMessageType, payload: Json) -> str:
    return json.dumps({"msg_type": msg_type.value, "payload": payload})


def _first(theirs: Any, ours: tuple[str, ...]) -> str:
    for name in theirs if isinstance(theirs, list) else ():
        if name in ours:
            return str(name)
    raise NegotiationRefused("nothing that the client proposes is allowed here")


def _password_exchange(password: str, envelope: str) -> tuple[str, bytes]:
    """Like hub 4.0.0, the client's envelope is not verified: a wrong password is for the client to notice."""
    from poorman_handshake import PasswordHandShake

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            exchange: Any = PasswordHandShake(password)
        except ValueError:  # poorman-handshake 2 refuses guessable passwords, which tests use
            exchange = PasswordHandShake(password, min_bits=0)
    answer = exchange.generate_handshake()
    exchange.receive_handshake(envelope)
    return str(answer), bytes(exchange.secret)


def _rsa_exchange(private_key: str, public_key: str) -> tuple[str, bytes]:
    import secrets

    from poorman_handshake.asymmetric.utils import encrypt_RSA, sign_RSA

    key = secrets.token_bytes(32)
    wrapped = encrypt_RSA(public_key, key)
    return (sign_RSA(private_key, wrapped) + wrapped).hex(), key
