"""Which kind of handshake runs: the hub's offer, our credentials and what was spoken with the hub before decide."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Optional

from attrs import evolve

from hivemind_core_client.wire.errors import Mend, NegotiationRefused, Setting, VersionRefused, forget_server
from hivemind_core_client.wire.mends import ADD_CLIENT, OLDER_VERSION
from hivemind_core_client.wire.text import few_of

if TYPE_CHECKING:
    from hivemind_core_client.kernel.handshake.base import Handshake, Offer, Terms

log = logging.getLogger(__name__)

#: The protocol version of Noise, in which a hub's key gets pinned.
NOISE_VERSION = 3

Kinds = Sequence["type[Handshake]"]

_RAISE = Mend(
    "raise ",
    Setting("max_protocol_version", "--max-protocol", both=True),
    ", which was lowered here",
    joint=": ",
)
_UPDATE = Mend("update the client", joint=": ")
_LOWER = Mend("or lower min_protocol_version in the hub's server.json", joint=", ")


def choose(kinds: Kinds, offer: Offer, terms: Terms) -> Handshake:
    """The first of these kinds that fits this offer and our credentials.

    Raises VersionRefused when no protocol version is common or the hub would fall back behind its pin, and
    NegotiationRefused when no kind fits, or only an older one for the sake of the ciphers that the user lists. Warns
    where the hub offers Noise and an older kind is taken.
    """
    if offer.min_version > terms.max_version:
        raise _no_version(offer, terms)
    kind = _first_fit(kinds, offer, terms)
    _check_ciphers(kinds, kind, offer, terms)
    if kind is not None:
        _check_fall_back(kinds, kind, offer, terms)
        return kind(offer, terms)
    if offer.min_version >= NOISE_VERSION and terms.credentials.password:
        why = _obstacle(kinds, terms)
        raise VersionRefused(
            f"the hub at {terms.where} speaks protocol version {NOISE_VERSION} only", Mend(why, joint=": ")
        )
    raise _no_kind(offer, terms)


def _first_fit(kinds: Kinds, offer: Offer, terms: Terms) -> Optional[type[Handshake]]:
    for kind in kinds:
        if offer.min_version <= min(kind.max_version, terms.max_version) and kind.fits(offer, terms):
            return kind
    return None


def _check_ciphers(kinds: Kinds, kind: Optional[type[Handshake]], offer: Offer, terms: Terms) -> None:
    """Raises NegotiationRefused where the ciphers that the user lists keep a newer version from being spoken."""
    unlisted = terms.registry.unasked_ciphers()
    spoken = -1 if kind is None else min(kind.max_version, terms.max_version)
    best = _first_fit(kinds, offer, evolve(terms, ciphers=unlisted))
    version = spoken if best is None else min(best.max_version, terms.max_version)
    if version <= spoken:
        return
    newer = [name for name in unlisted if _first_fit(kinds, offer, evolve(terms, ciphers=(name,))) is best]
    raise NegotiationRefused(
        f"the hub at {terms.where} speaks protocol version {version}, in which none of the ciphers that were asked for "
        f"can be used ({few_of(terms.ciphers)}). No older version is spoken for that",
        Mend(f"list {' or '.join(newer)} too", joint=": "),
        *(() if kind is None else (Mend("or allow the older version with ", OLDER_VERSION, joint=", "),)),
    )


def _no_version(offer: Offer, terms: Terms) -> VersionRefused:
    lowest, highest = offer.min_version, max(offer.min_version, offer.max_version)
    theirs = f"version {lowest} only" if lowest == highest else f"versions {lowest} to {highest}"
    return VersionRefused(
        f"the hub at {terms.where} speaks protocol {theirs}, and this client up to {terms.max_version}",
        _RAISE if terms.max_version < NOISE_VERSION else _UPDATE,
        *(() if offer.only_noise else (_LOWER,)),
    )


def _check_fall_back(kinds: Kinds, kind: type[Handshake], offer: Offer, terms: Terms) -> None:
    """Raises VersionRefused where something older than Noise is about to be spoken with a hub that has a pin."""
    noise = terms.credentials.noise
    if kind.max_version >= NOISE_VERSION or terms.max_version < NOISE_VERSION or noise is None:
        return
    offers_noise = offer.noise is not None and offer.max_version >= NOISE_VERSION
    if noise.pinned() is not None:
        raise _fall_back(kinds, terms, offers_noise)
    if offers_noise:
        _warn_of_older(terms.where, _obstacle(kinds, terms), kind.kind)


def _fall_back(kinds: Kinds, terms: Terms, offers_noise: bool) -> VersionRefused:
    if offers_noise:
        what = f"and offers it, but {_obstacle(kinds, terms)}"
        first = "mend that. Only if the hub's owner agrees to an older version: run "
    else:
        what = f"and the hub no longer offers version {NOISE_VERSION}: somebody may stand between"
        first = "only if the hub's owner says that it was set back: run "
    return VersionRefused(
        f"the hub at {terms.where} has spoken protocol version {NOISE_VERSION} before, {what}",
        Mend(
            first,
            forget_server(terms.address),
            ", or allow the older version with ",
            OLDER_VERSION,
        ),
    )


def _obstacle(kinds: Kinds, terms: Terms) -> str:
    """What keeps us from the newest kind with a hub that offers it."""
    return max(kinds, key=lambda kind: kind.max_version).obstacle(terms)


@lru_cache(maxsize=64)
def _warn_of_older(where: str, why: str, kind: str) -> None:
    """Warn once for each hub and reason, and not at each reconnection."""
    log.warning(
        "the hub at %s offers protocol version %d, but %s. Taken is a weaker handshake (%s): who learns the secret "
        "later can open what was recorded, and no key of the hub is pinned (docs/security.md)",
        where,
        NOISE_VERSION,
        why,
        kind,
    )


def _no_kind(offer: Offer, terms: Terms) -> NegotiationRefused:
    offered = [
        name
        for name, there in (
            ("password", offer.password or offer.only_noise),
            ("pre-shared key", offer.preshared_key),
        )
        if there
    ]
    ours = [
        name
        for name, there in (
            ("password", terms.credentials.password),
            ("crypto_key", terms.credentials.crypto_key),
        )
        if there
    ]
    return NegotiationRefused(
        f"no handshake fits: the hub at {terms.where} has {' and '.join(offered) or 'neither a password nor a key'} "
        f"for this access key, and we have {' and '.join(ours) or 'neither'}",
        Mend("pass what ", ADD_CLIENT, " printed for this client"),
    )
