"""The hub's half of one connection, sans IO: versions 0, 1 and 3."""

from __future__ import annotations

import json
import os
import threading
import uuid
from typing import Any, Optional

from attrs import field, frozen

from hivemind_core_client.kernel.crypto import CipherChannel
from hivemind_core_client.plugins.contract import Frame
from hivemind_core_client.plugins.handshake_contract import DEFAULT_CIPHER, DEFAULT_ENCODING, Channel
from hivemind_core_client.plugins.noise_suites import ciphers_by_suite
from hivemind_core_client.plugins.registry import Registry
from hivemind_core_client.testing.hub_accounts import Account
from hivemind_core_client.testing.hub_bounds import MOST_EARLY_BYTES
from hivemind_core_client.testing.hub_handshake import (
    HubHandshake,
    NewHandshake,
    first_of,
    password_exchange,
    rsa_exchange,
)
from hivemind_core_client.testing.hub_likeness import OWN, Ended, Farewell, Likeness
from hivemind_core_client.testing.hub_noise import NoiseResponder, noise_offer
from hivemind_core_client.wire.errors import (
    CleartextRefused,
    FrameError,
    HandshakeError,
    HiveMindError,
)
from hivemind_core_client.wire.json_text import Json
from hivemind_core_client.wire.message import HiveMessage, HiveMessageType
from hivemind_core_client.wire.message_types import check_has_code, types_without_code

_MAX_INFLATED_BYTES = 32 * 2**20
#: A session id from the wire that is longer than this is none: it is part of the hub's name for a client.
_LONGEST_ID = 256


@frozen
class HubOptions:
    """What the hub says of itself and what it allows; None allows all that is installed.

    `noise_key` is its static key for version 3 and `client_pins` the static keys that it has pinned, by access key.
    `handshakes` are kinds of plugin authors.
    """

    likeness: Likeness = OWN
    ciphers: Optional[tuple[str, ...]] = None
    encodings: Optional[tuple[str, ...]] = None
    binarize: bool = False
    private_key: str = field(default="", repr=False)
    public_key: str = field(default="", repr=False)
    versions: tuple[int, int] = (0, 1)
    noise_key: bytes = field(factory=lambda: os.urandom(32), repr=False)
    client_pins: dict[str, bytes] = field(factory=dict, repr=False)
    handshakes: tuple[NewHandshake, ...] = ()

    @property
    def name(self) -> str:
        """The hub's name in its HELLO."""
        node_id = self.likeness.node_id
        return self.public_key if node_id is None else node_id


class HubLink:
    """Feed it frames; `greeting`, `receive` and `seal` return the frames to send, under the lock `writing`."""

    def __init__(self, registry: Registry, account: Account, options: HubOptions, useragent: str) -> None:
        self.account = account
        self.useragent = useragent
        self.session: Json = {}
        self.ready = False
        self.suffix = ""
        self.writing = threading.Lock()
        self._left = MOST_EARLY_BYTES
        self.session_id = str(uuid.uuid4())
        self._registry = registry
        self._options = options
        self._channel: Optional[Channel] = None
        self._offered: tuple[Json, Json] = ({}, {})
        self._noise: Optional[NoiseResponder] = None
        self._own = [new_half(account, self._new_channel) for new_half in options.handshakes]
        self._binarize = False
        self._ciphers = options.ciphers or tuple(registry.ciphers)
        self._suites = ciphers_by_suite(
            registry.ciphers[name] for name in self._ciphers if name in registry.ciphers
        )
        self._encodings = options.encodings or tuple(registry.encodings)
        #: Whether the key is a pre-shared one that the client may yet decline.
        others = bool(account.password) or not options.likeness.strict
        self._by_choice = account.crypto_key is not None and others
        if account.crypto_key:
            self._channel = self._new_channel(DEFAULT_CIPHER, DEFAULT_ENCODING, account.crypto_key.encode())

    @property
    def peer(self) -> str:
        """The hub's name for this client: `NAME::SESSION_ID`, and `suffix` where another has that name.

        Real hubs put user agent and number before it.
        """
        return self._called(self.session_id + self.suffix)

    def _called(self, session_id: str) -> str:
        name = f"{self.account.name}::{session_id}"
        long = self._options.likeness.long_names
        return f"{self.useragent}::{self.account.number}::{name}" if long else name

    def farewell(self, error: HiveMindError) -> Farewell:
        """How to end the connection of this client, because of what it did."""
        return self._options.likeness.farewell(error, by_noise=self._noise is not None)

    @property
    def _without_code(self) -> frozenset[HiveMessageType]:
        return types_without_code(0 if self._noise is None else NoiseResponder.version)

    def greeting(self) -> list[Frame]:
        """HELLO and the offer, in the clear."""
        options, account = self._options, self.account
        peer = self._called(options.likeness.first_session or self.session_id)
        hello = {"pubkey": options.public_key, "peer": peer, "node_id": options.name}
        offer: Json = {
            "max_protocol_version": options.versions[1],
            "binarize": options.binarize,
            "encodings": list(self._encodings),
            "ciphers": list(self._ciphers),
        }
        if options.versions[1] >= NoiseResponder.version and account.password:
            offer["noise"] = noise_offer(account.key in options.client_pins, self._suites)
        if options.versions[0] < NoiseResponder.version:  # hubs that speak nothing older have no word for it
            offer.update(self._older_offer())
        offer.update((own.field, part) for own in self._own if (part := own.offer()) is not None)
        self._offered = (hello, offer)
        return [_text(HiveMessageType.HELLO, hello), _text(HiveMessageType.HANDSHAKE, offer)]

    def _older_offer(self) -> Json:
        account, lowest = self.account, self._options.versions[0]
        preshared = account.crypto_key is not None or self._options.likeness.always_preshared
        return {
            "handshake": not preshared or lowest > 0,
            "min_protocol_version": max(lowest, 0 if preshared else 1),
            "preshared_key": preshared,
            "password": account.password is not None,
            "crypto_required": True,
        }

    def receive(self, frame: Frame) -> tuple[Optional[HiveMessage], list[Frame]]:
        """The message, if there is more to do with it, and the frames to answer with.

        Raises ProtocolError or HubRefused.
        """
        if self._channel is None:
            self._left -= len(frame)
            if self._left < 0:
                raise HandshakeError("the client sent too much before the handshake")
        message = self._read(frame)
        if message is None:
            return None, []
        if message.msg_type is HiveMessageType.HANDSHAKE:
            return None, self._answer(message.raw_payload)
        if (
            self._channel is None
            and message.msg_type is HiveMessageType.HELLO
            and self._options.likeness.name
        ):
            return None, []  # real hubs take no notice of it
        if self._channel is None:
            raise CleartextRefused(f"a {message.msg_type.name} message before the handshake")
        return message, []

    def reply(self, request: Json, name: str, data: Json) -> HiveMessage:
        """The OVOS message that answers one of this client."""
        context = {**(request.get("context") or {}), "source": "hive", "destination": self.peer}
        if self._options.likeness.name:
            context["peer"] = self.peer
        if self._options.likeness.own_session:
            context["session"] = {**self.session, "session_id": self.session_id}
        return HiveMessage(HiveMessageType.BUS, {"type": name, "data": data, "context": context})

    def introduce(self, hello: HiveMessage) -> None:
        """Take the session over that the client says it has."""
        session = hello["session"]
        self.session = session if isinstance(session, dict) else {}
        session_id = self.session.get("session_id")
        if isinstance(session_id, str) and 0 < len(session_id) <= _LONGEST_ID:
            self.session_id = session_id
        self.suffix = ""
        self._by_choice = False
        self.ready = True

    def seal(self, message: HiveMessage) -> list[Frame]:
        """The frames of a message for this client. Raises HandshakeError before there is a key."""
        binary = self._registry.serializers["binary"]
        plain = None
        binarize = self._binarize and message.msg_type not in self._without_code
        if binarize or message.msg_type is HiveMessageType.BINARY:
            plain = binary.encode(message, None)
        return self.seal_frame(message.as_json if plain is None else plain)

    def seal_frame(self, plain: Frame) -> list[Frame]:
        """The frames that carry this one, whatever it is. Raises HandshakeError before there is a key."""
        if self._channel is None:
            raise HandshakeError("the client has not finished its handshake")
        return self._channel.seal(plain)

    def _read(self, frame: Frame) -> Optional[HiveMessage]:
        plain: Optional[Frame] = frame
        if self._channel is not None and not self._asks_for_a_key(frame):
            plain = self._channel.open(frame)
        return None if plain is None else self._decode(plain)

    def _decode(self, plain: Frame) -> HiveMessage:
        name = "text" if isinstance(plain, str) else "binary"
        message = self._registry.serializers[name].decode(plain, _MAX_INFLATED_BYTES)
        if name == "binary":
            check_has_code(message.msg_type, self._without_code)
        return self._registry.recognised(message)

    def _asks_for_a_key(self, frame: Frame) -> bool:
        """Whether a client that may use its pre-shared key would rather have another: a HANDSHAKE in the clear."""
        if not self._by_choice or not isinstance(frame, str):
            return False
        try:
            return self._decode(frame).msg_type is HiveMessageType.HANDSHAKE
        except FrameError:
            return False

    def _answer(self, payload: Json) -> list[Frame]:
        if "noise" in payload and "noise" in self._offered[1]:
            return self._answer_noise(payload["noise"])
        for own in self._own:
            if own.field in payload and own.field in self._offered[1]:
                return self._answer_own(own, payload)
        if self._options.versions[0] >= NoiseResponder.version:
            raise HandshakeError("a handshake of a version that the hub did not offer")
        kind = self._kind(payload)
        self._check_version(kind)
        cipher, encoding = DEFAULT_CIPHER, DEFAULT_ENCODING
        if kind == "password":
            cipher = first_of(payload.get("ciphers"), self._ciphers, cipher)
            encoding = first_of(payload.get("encodings"), self._encodings, encoding)
        envelope, key = self._exchange(kind, payload)
        self._binarize = bool(payload.get("binarize")) and self._options.binarize
        self._channel, self._by_choice = self._new_channel(cipher, encoding, key), False
        answer = {"envelope": envelope, "cipher": cipher, "encoding": encoding}
        return [_text(HiveMessageType.HANDSHAKE, answer)]

    def _answer_noise(self, noise: Any) -> list[Frame]:
        if self._noise is None:
            password, options = self.account.password or "", self._options
            pinned = options.client_pins.get(self.account.key)
            self._noise = NoiseResponder(
                password, options.name, options.noise_key, pinned, self._offered, self._suites
            )
        answer = self._noise.receive(noise)
        if self._noise.channel is not None:
            self._channel, self._binarize = (
                self._noise.channel,
                self._noise.binarize and self._options.binarize,
            )
            self._options.client_pins.setdefault(self.account.key, self._noise.client_key)
        return [] if answer is None else [_text(HiveMessageType.HANDSHAKE, {"noise": answer})]

    def _answer_own(self, own: HubHandshake, payload: Json) -> list[Frame]:
        answer, channel = own.receive(payload[own.field])
        if channel is not None:
            self._channel, self._by_choice = channel, False
            self._binarize = payload.get("binarize") is True and self._options.binarize
        return [] if answer is None else [_text(HiveMessageType.HANDSHAKE, {own.field: answer})]

    def _check_version(self, kind: str) -> None:
        counts, lowest = dict(self._options.likeness.counts_kinds).get(kind), self._options.versions[0]
        if counts is not None and counts < lowest:
            reason = f"legacy handshake at protocol v{counts} is below the configured minimum v{lowest}"
            raise Ended(reason, Farewell(1008, reason))

    def _kind(self, payload: Json) -> str:
        password = self.account.password
        if password and isinstance(payload.get("envelope"), str):
            return "password"
        if isinstance(payload.get("pubkey"), str) and not (password and self._options.likeness.strict):
            return "rsa"
        raise HandshakeError("a handshake of a kind that the hub did not offer")

    def _exchange(self, kind: str, payload: Json) -> tuple[str, bytes]:
        if kind == "rsa":
            return rsa_exchange(self._options.private_key, payload["pubkey"])
        verify = self._options.likeness.verifies_password
        return password_exchange(self.account.password or "", payload["envelope"], verify)

    def _new_channel(self, cipher: str, encoding: str, key: bytes) -> Channel:
        return CipherChannel(self._registry.ciphers[cipher], self._registry.encodings[encoding], key)


def _text(msg_type: HiveMessageType, payload: Json) -> str:
    return json.dumps({"msg_type": msg_type.value, "payload": payload})
