"""What a kind of handshake is, and the facts that it works on: the interface between kinds and kernel.

A plugin returns `HandshakeKind`s from `hivemind_handshakes` (docs/plugins-handshakes.md).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Callable, ClassVar, Optional, Protocol

from attrs import field, frozen
from attrs.validators import instance_of

from hivemind_core_client.wire.errors import HandshakeError, HiveMindError, Mend, NegotiationRefused
from hivemind_core_client.wire.keys import pin_name
from hivemind_core_client.wire.mends import RESET_PGP, SHOW_PLUGINS
from hivemind_core_client.wire.text import few_of, printable

if TYPE_CHECKING:
    from hivemind_core_client.plugins.contract import Cipher, Encoding, Frame, HubFacts, Negotiated
    from hivemind_core_client.plugins.registry import Registry
    from hivemind_core_client.wire.json_text import Json

#: What a hub means that names no cipher or encoding.
DEFAULT_CIPHER = "AES-GCM"
DEFAULT_ENCODING = "JSON-HEX"

#: Fields of an offer, which no answer has.
_OF_OFFERS = frozenset(
    {"handshake", "max_protocol_version", "min_protocol_version", "password", "preshared_key"}
)
#: Hubs of this protocol version and later answer QUERY and CASCADE.
_ASKING_VERSION = 2
#: What is left of the metadata of a binary frame for the name of who answers, in bytes: the ids take the rest.
_LONGEST_NAME_BYTES = 80


class Channel(Protocol):
    """What both sides have once a handshake is done: it seals and opens frames."""

    def seal(self, plain: Frame) -> list[Frame]:
        """The sealed frames that carry `plain`. Send them in this order, with no other frame between them."""

    def open(self, frame: Frame) -> Optional[Frame]:
        """What a sealed frame carries, or None while more frames must come."""


class NoiseKeys(Protocol):
    """What this node keeps for the Noise handshakes with one hub. Keys are 32 bytes.

    `kk_in_doubt` becomes True when a handshake of pattern KKpsk0 begins. It stays True until a handshake succeeds.
    `end_refused` becomes True when the hub first refuses the end of an XXpsk2. It stays True until the hub takes one.
    """

    kk_in_doubt: bool
    end_refused: bool

    def noise_key(self) -> bytes:
        """Our private static key (X25519). If there is none, one is made."""

    def pinned(self) -> Optional[bytes]:
        """The hub's static key if one is pinned, else None."""

    def pin(self, key: bytes) -> None:
        """Pin the hub's static key."""

    def psk(self, node_id: str) -> Optional[bytes]:
        """The key that was derived from our password for the hub of this name. None if it is not remembered."""

    def keep_psk(self, node_id: str, psk: bytes) -> None:
        """Remember a derived key that fitted."""

    def drop_psk(self, node_id: str) -> None:
        """Forget a derived key that did not fit."""


def _no_private_key() -> str:
    raise HandshakeError(
        "the hub asks for an RSA handshake, and this node has no RSA key", Mend("run ", RESET_PGP, joint=": ")
    )


@frozen
class Credentials:
    """What this node can prove itself with. Nothing of it is ever shown.

    `crypto_key` is the pre-shared key in bytes. `private_key` and `public_key` return PEM text. They are called only
    when an RSA handshake needs them. `hub_key` is the hub's public key in PEM text if it is pinned. Else the key in
    the hub's HELLO counts. `noise` is what Noise handshakes need. Without it there are no Noise handshakes.
    """

    password: Optional[str] = field(default=None, repr=False)
    crypto_key: Optional[bytes] = field(default=None, repr=False)
    private_key: Callable[[], str] = field(default=_no_private_key, repr=False)
    public_key: Callable[[], str] = field(default=str, repr=False)
    hub_key: Optional[str] = field(default=None, repr=False)
    noise: Optional[NoiseKeys] = field(default=None, repr=False)


@frozen
class NoiseOffer:
    """The patterns and suites of Noise that the hub offers, by their names on the wire."""

    patterns: tuple[str, ...]
    suites: tuple[str, ...]


@frozen
class Offer:
    """The hub's HANDSHAKE payload, read. `payload` is all of it, as it came.

    `only_noise` is True for a hub that knows no older kind: hubs from 5.0 on do not name the other kinds.
    """

    min_version: int
    max_version: int
    binarize: bool
    preshared_key: bool
    password: bool
    ciphers: tuple[str, ...]
    encodings: tuple[str, ...]
    noise: Optional[NoiseOffer] = None
    only_noise: bool = False
    payload: Json = field(factory=dict, repr=False, eq=False)

    @classmethod
    def read(cls, payload: Json) -> Offer:
        """Read a payload. A missing field gets the value that old hubs mean. Raises HandshakeError for a wrong one."""
        noise = _noise(payload)
        only_noise = noise is not None and "password" not in payload
        return cls(
            min_version=_integer(payload, "min_protocol_version", 3 if only_noise else 0),
            max_version=_integer(payload, "max_protocol_version", 1),
            binarize=payload.get("binarize") is True,
            preshared_key=payload.get("preshared_key") is True,
            password=payload.get("password") is True,
            ciphers=_names(payload, "ciphers"),
            encodings=_names(payload, "encodings"),
            noise=noise,
            only_noise=only_noise,
            payload=payload,
        )


@frozen
class Terms:
    """Our side of the negotiation: credentials, what we can do, and what we know of the hub.

    `ciphers` and `encodings` are wire names in order of preference. Look them up in `registry`. `max_version` is the
    highest protocol version that user and transport allow. If the transport allows less than the user, `hindrance` says
    why. Otherwise it is empty. `insists` is True if the user named a version that the transport cannot do.
    `where` names the hub in errors. `limit` is the most bytes of a message that comes or goes in pieces.
    `make_channel` makes what `channel` returns.
    """

    credentials: Credentials
    registry: Registry = field(repr=False)
    hub: HubFacts
    ciphers: tuple[str, ...]
    encodings: tuple[str, ...]
    binarize: bool
    max_version: int
    where: str
    limit: int
    make_channel: Callable[[Cipher, Encoding, bytes], Channel] = field(repr=False)
    hindrance: str = ""
    insists: bool = False

    @property
    def address(self) -> str:
        """The hub's `host:port`, with its path if it has one. The hub's key is pinned under this name."""
        wanted, _, _ = self.where.partition(" (")  # behind that: where it was found
        return pin_name(wanted)

    def proposal(self, offer: Offer) -> Json:
        """The fields of our HANDSHAKE: what both sides allow, in our order of preference."""
        return {
            "binarize": self.binarizes(offer),
            "encodings": self._common("encoding", self.encodings, offer.encodings),
            "ciphers": self._common("cipher", self.ciphers, offer.ciphers),
        }

    def binarizes(self, offer: Offer) -> bool:
        """True if both sides send messages other than BINARY in binary frames too."""
        return self.binarize and offer.binarize and self._answers_fit(offer)

    def channel(self, cipher: str, encoding: str, key: bytes) -> Channel:
        """A channel over a negotiated cipher and encoding. It uses a new random nonce for each message.

        Raises InvalidKeySize for a key that the cipher does not take.
        """
        return self.make_channel(self.registry.ciphers[cipher], self.registry.encodings[encoding], key)

    def accepted(self, answer: Json, field_name: str, default: str, ours: tuple[str, ...]) -> str:
        """What the hub chose. Raises NegotiationRefused for what we did not offer."""
        name = answer.get(field_name) or default
        if name not in ours:
            chosen = printable(str(name), 40)
            raise NegotiationRefused(
                f"the hub at {self.where} chose the {field_name} {chosen!r}, which we do not allow here "
                f"({', '.join(ours)})"
            )
        return str(name)

    def _answers_fit(self, offer: Offer) -> bool:
        """Whether the hub can put its answer to a QUERY into a binary frame.

        It signs with its public key as its name, in metadata of 255 bytes at most. Hubs 4.15 and 5.3 raise and drop
        the connection where that does not fit, so with such a hub only BINARY goes binary.
        """
        asks = offer.max_version >= _ASKING_VERSION
        return not asks or len(self.hub.public_key) <= _LONGEST_NAME_BYTES

    def _common(self, what: str, ours: tuple[str, ...], theirs: tuple[str, ...]) -> list[str]:
        common = [name for name in ours if name in theirs] if theirs else list(ours)
        if not common:
            raise NegotiationRefused(
                f"no common {what}: the hub at {self.where} allows {few_of(theirs)}, we {few_of(ours)}",
                Mend(f"set allowed_{what}s in the hub's server.json, or install a plugin that brings one"),
            )
        return common


@frozen
class Doubt:
    """The doubt about a handshake whose last message is ours: will the hub take it? A hub refuses it by closing.

    `refused` says what a refusal means. Call `taken` once the hub has shown that it took the handshake.
    """

    refused: Callable[[], HiveMindError]
    taken: Callable[[], None]


@frozen
class Outcome:
    """A handshake that is done. With a `doubt` the hub may still refuse its end.

    `said` is what the hub's last message of a Noise handshake carried: what the hub chose, as JSON text in bytes.
    """

    channel: Channel
    negotiated: Negotiated
    doubt: Optional[Doubt] = None
    said: bytes = b""


@frozen
class Progress:
    """One step of a handshake: fields for a HANDSHAKE to the hub, the outcome, or both.

    `during_wait` is work to do while the hub makes its answer. It may raise HandshakeError.
    """

    reply: Optional[Json] = field(default=None, repr=False)
    outcome: Optional[Outcome] = None
    during_wait: Optional[Callable[[], None]] = None


class Handshake(ABC):
    """One kind of handshake with one hub, from our first message to the key. Made once for each connection."""

    #: How this kind is named in `Negotiated.kind`.
    kind: ClassVar[str]
    #: The highest protocol version this kind counts as.
    max_version: ClassVar[int]

    def __init__(self, offer: Offer, terms: Terms) -> None:
        self.offer = offer
        self.terms = terms

    @classmethod
    @abstractmethod
    def fits(cls, offer: Offer, terms: Terms) -> bool:
        """True when the hub offers this kind and we have what it needs."""

    @classmethod
    def obstacle(cls, terms: Terms) -> str:
        """Why we cannot use this kind with a hub that offers it, in words that can follow a "but"."""
        return f"the handshake {cls.kind!r} is the newest here, and does not fit"

    @abstractmethod
    def begin(self) -> Progress:
        """Our first step, after the offer came."""

    @abstractmethod
    def receive(self, answer: Json) -> Progress:
        """The next step, after the hub answered. Raises HubRefused or HandshakeError."""

    def is_answer(self, payload: Json) -> bool:
        """True if this HANDSHAKE of the hub answers ours. Else it is another offer, and is ignored.

        This is not called for one with an `envelope` or a Noise message: that is always an answer.
        """
        return _OF_OFFERS.isdisjoint(payload)

    def interrupted(self, by_policy: bool) -> Optional[HiveMindError]:
        """What it means that the hub ended the connection after our part. None for an ordinary loss.

        `by_policy` is True if the hub used code 1008.
        """
        return NegotiationRefused(
            f"the hub at {self.terms.where} hung up on our handshake: it allows none of our ciphers, encodings or "
            "protocol versions",
            Mend("compare allowed_ciphers and allowed_encodings in its server.json with ", SHOW_PLUGINS),
        )

    def chosen(self, answer: Json) -> tuple[str, str]:
        """The cipher and the encoding that the hub chose from our proposal. Raises NegotiationRefused."""
        terms, proposal = self.terms, self.terms.proposal(self.offer)
        cipher = terms.accepted(answer, "cipher", DEFAULT_CIPHER, tuple(proposal["ciphers"]))
        return cipher, terms.accepted(answer, "encoding", DEFAULT_ENCODING, tuple(proposal["encodings"]))


def _is_kind(_instance: Any, _attribute: Any, value: Any) -> None:
    if not (isinstance(value, type) and issubclass(value, Handshake)):
        raise TypeError("HandshakeKind takes a subclass of Handshake")
    missing = sorted(getattr(value, "__abstractmethods__", ()))
    if missing:
        raise TypeError(f"the handshake {value.__name__} lacks {', '.join(missing)}")
    name, version = getattr(value, "kind", None), getattr(value, "max_version", None)
    if not (isinstance(name, str) and name and type(version) is int):
        raise TypeError(
            f"the handshake {value.__name__} needs a `kind`, which is text, and a `max_version`, a number"
        )


@frozen
class HandshakeKind:
    """A kind of handshake that a plugin offers: a subclass of Handshake, and its rank.

    Several kinds may fit the hub's offer. Then the one with the highest rank runs. Raises TypeError for a class that
    lacks something.
    """

    handshake: type[Handshake] = field(validator=_is_kind)
    rank: int = field(default=0, validator=instance_of(int))

    @property
    def name(self) -> str:
        """Its name in `Negotiated.kind`."""
        return self.handshake.kind

    @property
    def max_version(self) -> int:
        """The highest protocol version that this kind counts as."""
        return self.handshake.max_version


def _integer(payload: Json, name: str, default: int) -> int:
    value = payload.get(name, default)
    if type(value) is not int:
        raise HandshakeError(f"{name!r} of the hub's offer is a {type(value).__name__}, not a number")
    return value


def _noise(payload: Json) -> Optional[NoiseOffer]:
    offered = payload.get("noise")
    if offered is None:
        return None
    if not isinstance(offered, dict):
        raise HandshakeError(f"'noise' of the hub's offer is a {type(offered).__name__}, not an object")
    return NoiseOffer(_names(offered, "patterns"), _names(offered, "suites"))


def _names(payload: Json, name: str) -> tuple[str, ...]:
    value = payload.get(name)
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(entry, str) for entry in value):
        raise HandshakeError(f"{name!r} of the hub's offer is no list of names")
    return tuple(value)
