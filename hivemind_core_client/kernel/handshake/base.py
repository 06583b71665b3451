"""The interface of a kind of handshake, and the facts it works on."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Callable, ClassVar, Optional

from attrs import field, frozen

from hivemind_core_client.errors import HandshakeError, HiveMindError, NegotiationRefused
from hivemind_core_client.jsontext import Json
from hivemind_core_client.kernel.crypto import Channel, CipherChannel
from hivemind_core_client.labels import printable
from hivemind_core_client.plugins.contract import HubFacts, Negotiated
from hivemind_core_client.plugins.registry import Registry

DEFAULT_CIPHER = "AES-GCM"
DEFAULT_ENCODING = "JSON-HEX"


def _no_private_key() -> str:
    raise HandshakeError(
        "the hub asks for an RSA handshake, and this node has no RSA key: run 'hivemind-client reset-pgp'"
    )


#: Hubs of this protocol version and later answer QUERY and CASCADE.
_ASKING_VERSION = 2
#: What is left of the metadata of a binary frame for the name of who answers, in bytes: the ids take the rest.
_LONGEST_NAME = 80


@frozen
class Credentials:
    """What this node can prove itself with; nothing of it is ever shown.

    `crypto_key` is the pre-shared key in bytes. `private_key` returns PEM text and is called only when an RSA
    handshake needs it; `public_key` likewise. `hub_key` is the hub's public key in PEM text where it
    is pinned, else the one in the hub's HELLO counts.
    """

    password: Optional[str] = field(default=None, repr=False)
    crypto_key: Optional[bytes] = field(default=None, repr=False)
    private_key: Callable[[], str] = field(default=_no_private_key, repr=False)
    public_key: Callable[[], str] = field(default=str, repr=False)
    hub_key: Optional[str] = field(default=None, repr=False)


@frozen
class Offer:
    """The hub's HANDSHAKE payload, read."""

    min_version: int
    max_version: int
    binarize: bool
    preshared_key: bool
    password: bool
    ciphers: tuple[str, ...]
    encodings: tuple[str, ...]

    @classmethod
    def read(cls, payload: Json) -> Offer:
        """Raises HandshakeError for fields of the wrong kind; missing ones get what old hubs mean."""
        return cls(
            min_version=_integer(payload, "min_protocol_version", 0),
            max_version=_integer(payload, "max_protocol_version", 1),
            binarize=payload.get("binarize") is True,
            preshared_key=payload.get("preshared_key") is True,
            password=payload.get("password") is True,
            ciphers=_names(payload, "ciphers"),
            encodings=_names(payload, "encodings"),
        )


@frozen
class Terms:
    """Our side of the negotiation: credentials, what we can do, and what we know of the hub."""

    credentials: Credentials
    registry: Registry = field(repr=False)
    hub: HubFacts
    ciphers: tuple[str, ...]
    encodings: tuple[str, ...]
    binarize: bool
    max_version: int
    where: str

    def proposal(self, offer: Offer) -> Json:
        """The fields of our HANDSHAKE: what both sides allow, in our order of preference."""
        return {
            "binarize": self.binarize and offer.binarize and self._answers_fit(offer),
            "encodings": self._common("encoding", self.encodings, offer.encodings),
            "ciphers": self._common("cipher", self.ciphers, offer.ciphers),
        }

    def channel(self, cipher: str, encoding: str, key: bytes) -> Channel:
        """A channel over a negotiated cipher and encoding."""
        return CipherChannel(self.registry.ciphers[cipher], self.registry.encodings[encoding], key)

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

        It signs with its public key as its name, in metadata of 255 bytes at most. Hub 4.15.0a1 raises and drops
        the connection where that does not fit, so with such a hub only BINARY goes binary.
        """
        asks = offer.max_version >= _ASKING_VERSION
        return not asks or len(self.hub.public_key) <= _LONGEST_NAME

    def _common(self, what: str, ours: tuple[str, ...], theirs: tuple[str, ...]) -> list[str]:
        common = [name for name in ours if name in theirs] if theirs else list(ours)
        if not common:
            raise NegotiationRefused(
                f"no common {what}: the hub at {self.where} allows {shown(theirs)}, we {shown(ours)}. Set "
                f"allowed_{what}s in the hub's server.json, or install a plugin that brings one"
            )
        return common


@frozen
class Outcome:
    """A handshake that is done."""

    channel: Channel
    negotiated: Negotiated


@frozen
class Progress:
    """One step of a handshake: fields for a HANDSHAKE to the hub, the outcome, or both."""

    reply: Optional[Json] = field(default=None, repr=False)
    outcome: Optional[Outcome] = None


class Handshake(ABC):
    """One kind of handshake with one hub, from our first message to the key."""

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

    @abstractmethod
    def begin(self) -> Progress:
        """Our first step, once the offer is there."""

    @abstractmethod
    def receive(self, answer: Json) -> Progress:
        """The next step, once the hub answered. Raises HubRefused or HandshakeError."""

    def interrupted(self) -> Optional[HiveMindError]:
        """What it means that the hub hung up on our part, or None for an ordinary loss."""
        return NegotiationRefused(
            f"the hub at {self.terms.where} hung up on our handshake: it allows none of our ciphers, encodings or "
            "protocol versions. Compare allowed_ciphers and allowed_encodings in its server.json with "
            "'hivemind-client plugins'"
        )


def shown(names: tuple[str, ...]) -> str:
    """Names for an error's text: a few, and none of them long, since a hub may send anything."""
    few = ", ".join(printable(name, 40) for name in names[:10])
    return f"{few} and {len(names) - 10} more" if len(names) > 10 else few


def envelope_of(answer: Json) -> str:
    """The hub's envelope. Raises HandshakeError when there is none or it is no text."""
    envelope = answer.get("envelope")
    if not isinstance(envelope, str):
        raise HandshakeError("the hub's HANDSHAKE carries no envelope")
    return envelope


def _integer(payload: Json, name: str, default: int) -> int:
    value: Any = payload.get(name, default)
    if type(value) is not int:
        raise HandshakeError(f"{name!r} of the hub's offer is a {type(value).__name__}, not a number")
    return value


def _names(payload: Json, name: str) -> tuple[str, ...]:
    value = payload.get(name)
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(entry, str) for entry in value):
        raise HandshakeError(f"{name!r} of the hub's offer is no list of names")
    return tuple(value)
