"""The interface of a kind of handshake, and the facts it works on."""

from __future__ import annotations

import hashlib
import logging
from abc import ABC, abstractmethod
from functools import lru_cache
from typing import TYPE_CHECKING, Callable, ClassVar, Optional

from attrs import field, frozen

from hivemind_core_client.kernel.crypto import CipherChannel
from hivemind_core_client.wire.errors import HandshakeError, HiveMindError, Mend, NegotiationRefused
from hivemind_core_client.wire.mends import SHOW_PLUGINS
from hivemind_core_client.wire.text import few_of, printable

if TYPE_CHECKING:
    from hivemind_core_client.kernel.crypto import Channel
    from hivemind_core_client.kernel.options import Credentials, LinkOptions
    from hivemind_core_client.plugins.contract import HubFacts, Negotiated
    from hivemind_core_client.plugins.registry import Registry
    from hivemind_core_client.wire.json_text import Json
from hivemind_core_client.wire.keys import pin_name

log = logging.getLogger(__name__)

DEFAULT_CIPHER = "AES-GCM"
DEFAULT_ENCODING = "JSON-HEX"


#: Hubs of this protocol version and later answer QUERY and CASCADE.
_ASKING_VERSION = 2
#: What is left of the metadata of a binary frame for the name of who answers, in bytes: the ids take the rest.
_LONGEST_NAME_BYTES = 80


@frozen
class NoiseOffer:
    """The patterns and suites of Noise that the hub offers, by their names on the wire."""

    patterns: tuple[str, ...]
    suites: tuple[str, ...]


@frozen
class Offer:
    """The hub's HANDSHAKE payload, read; `payload` is all of it, as it came.

    `only_noise` is True for a hub that knows nothing older: hubs from 5.0 on have no word for the other kinds.
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
        """Raises HandshakeError for fields of the wrong kind; missing ones get what old hubs mean."""
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

    `limit` bounds, in bytes, a message that comes or goes in pieces.
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

    @classmethod
    def of(cls, options: LinkOptions, registry: Registry, hub: HubFacts) -> Terms:
        """What these options ask for, with all that is registered where they name nothing."""
        return cls(
            credentials=options.credentials,
            registry=registry,
            hub=hub,
            ciphers=options.ciphers or registry.unasked_ciphers(),
            encodings=options.encodings or tuple(registry.encodings),
            binarize=options.binarize,
            max_version=options.max_version,
            where=options.where,
            limit=options.limits.assembled,
        )

    @property
    def address(self) -> str:
        """Where the hub is as `host:port`, under which its key is pinned."""
        return pin_name(self.where)

    def proposal(self, offer: Offer) -> Json:
        """The fields of our HANDSHAKE: what both sides allow, in our order of preference."""
        return {
            "binarize": self.binarizes(offer),
            "encodings": self._common("encoding", self.encodings, offer.encodings),
            "ciphers": self._common("cipher", self.ciphers, offer.ciphers),
        }

    def binarizes(self, offer: Offer) -> bool:
        """Whether both sides send what is not BINARY in binary frames too."""
        return self.binarize and offer.binarize and self._answers_fit(offer)

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
    """Whether the hub takes a handshake whose last message is ours; it refuses by closing.

    `refused` tells what that means; `taken` is to be called once the hub has shown that it took it.
    """

    refused: Callable[[], HiveMindError]
    taken: Callable[[], None]


@frozen
class Outcome:
    """A handshake that is done, but for a doubt whether the hub takes its end."""

    channel: Channel
    negotiated: Negotiated
    doubt: Optional[Doubt] = None


@frozen
class Progress:
    """One step of a handshake: fields for a HANDSHAKE to the hub, the outcome, or both.

    `during_wait` is work for the time in which the hub makes its answer; it raises HandshakeError.
    """

    reply: Optional[Json] = field(default=None, repr=False)
    outcome: Optional[Outcome] = None
    during_wait: Optional[Callable[[], None]] = None


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

    @classmethod
    def obstacle(cls, terms: Terms) -> str:
        """What keeps us from this kind with a hub that offers it, in words that may follow a "but"."""
        return f"the handshake {cls.kind!r} is the newest here, and does not fit"

    @abstractmethod
    def begin(self) -> Progress:
        """Our first step, once the offer is there."""

    @abstractmethod
    def receive(self, answer: Json) -> Progress:
        """The next step, once the hub answered. Raises HubRefused or HandshakeError."""

    def interrupted(self, by_policy: bool) -> Optional[HiveMindError]:
        """What it means that the hub hung up on our part, or None for an ordinary loss.

        `by_policy` says that it did so with code 1008.
        """
        return NegotiationRefused(
            f"the hub at {self.terms.where} hung up on our handshake: it allows none of our ciphers, encodings or "
            "protocol versions",
            Mend("compare allowed_ciphers and allowed_encodings in its server.json with ", SHOW_PLUGINS),
        )

    def _chosen(self, answer: Json) -> tuple[str, str]:
        """The cipher and the encoding that the hub chose of our proposal. Raises NegotiationRefused."""
        terms, proposal = self.terms, self.terms.proposal(self.offer)
        cipher = terms.accepted(answer, "cipher", DEFAULT_CIPHER, tuple(proposal["ciphers"]))
        return cipher, terms.accepted(answer, "encoding", DEFAULT_ENCODING, tuple(proposal["encodings"]))


def warn_of_weakness(password: str) -> None:
    """Warn once of a password that is easy to guess: the hub chose it, and a satellite cannot change it."""
    _warn_of_weakness(hashlib.sha256(password.encode()).digest())


@lru_cache(maxsize=64)
def _warn_of_weakness(_digest: bytes) -> None:
    """A password is remembered by its hash alone."""
    log.warning(
        "the password for this hub is easy to guess, and who records a handshake below protocol version 3, or begins "
        "one of version 3 with this access key, can try guesses at leisure: give this client a long random one with "
        "'hivemind-core add-client'"
    )


def envelope_of(answer: Json) -> str:
    """The hub's envelope. Raises HandshakeError when there is none or it is no text."""
    envelope = answer.get("envelope")
    if not isinstance(envelope, str):
        raise HandshakeError("the hub's HANDSHAKE carries no envelope")
    return envelope


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
