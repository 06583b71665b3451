"""Which kind of handshake runs: the hub's offer, our credentials and what was spoken with the hub before decide."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Optional

from attrs import evolve

from hivemind_core_client.kernel.handshake.faults import fault_of, guarded
from hivemind_core_client.wire.errors import Mend, NegotiationRefused, Setting, VersionRefused, forget_server
from hivemind_core_client.wire.mends import ADD_CLIENT, OLDER_VERSION
from hivemind_core_client.wire.text import few_of

if TYPE_CHECKING:
    from hivemind_core_client.kernel.handshake.faults import OfferedKind
    from hivemind_core_client.plugins.handshake_contract import Offer, Terms

log = logging.getLogger(__name__)

#: The protocol version of Noise, in which a hub's key gets pinned.
NOISE_VERSION = 3

#: The name of the kind that pins a hub's key, and holds the hub to it.
NOISE = "noise"

Kinds = Sequence["OfferedKind"]

_RAISE = Mend(
    "raise ",
    Setting("max_protocol_version", "--max-protocol", both=True),
    ", which was lowered here",
    joint=": ",
)
_UPDATE = Mend("update the client", joint=": ")
_OTHER_TRANSPORT = Mend("reach the hub over another transport", joint=": ")
_OR_ALLOW = Mend("or allow the older version with ", OLDER_VERSION, joint=", ")
_LOWER = Mend("or lower min_protocol_version in the hub's server.json", joint=", ")


def fitting(kinds: Kinds, offer: Offer, terms: Terms) -> OfferedKind:
    """The first of these kinds that fits this offer and our credentials; for a hub with a pin the one that checks it.

    Raises VersionRefused when no protocol version is common, the hub would fall back behind its pin, or the transport
    cannot do the version that was named; and NegotiationRefused when no kind fits, or only an older one for the sake of
    the ciphers that the user lists. Warns where the hub offers Noise and another kind is taken.
    """
    if terms.insists:
        raise VersionRefused(
            f"protocol version {NOISE_VERSION} was asked for, but {terms.hindrance}",
            _OTHER_TRANSPORT,
            _OR_ALLOW,
        )
    if offer.min_version > terms.max_version:
        raise _no_version(offer, terms)
    kind = _first_fit(_checking_pins(kinds), offer, terms) if _is_pinned(terms) else None
    kind = kind or _first_fit(kinds, offer, terms)
    _check_ciphers(kinds, kind, offer, terms)
    if kind is not None:
        _check_fall_back(kinds, kind, offer, terms)
        return kind
    if offer.min_version >= NOISE_VERSION and terms.credentials.password:
        why = _obstacle(kinds, terms)
        raise VersionRefused(
            f"the hub at {terms.where} speaks protocol version {NOISE_VERSION} only", Mend(why, joint=": ")
        )
    raise _no_kind(offer, terms)


def highest_version(kind: OfferedKind, terms: Terms) -> int:
    """The highest protocol version that a kind can count as here."""
    return min(kind.item.max_version, terms.max_version)


def _first_fit(kinds: Kinds, offer: Offer, terms: Terms) -> Optional[OfferedKind]:
    for kind in kinds:
        if offer.min_version <= highest_version(kind, terms) and guarded(kind, _fits, kind, offer, terms):
            return kind
    return None


def _wants_noise(terms: Terms) -> bool:
    """Whether the user allows Noise, also where it is the transport that does not."""
    return terms.max_version >= NOISE_VERSION or bool(terms.hindrance)


def _fits(kind: OfferedKind, offer: Offer, terms: Terms) -> bool:
    """A bool, whatever the kind returns: what that says when it is asked may raise as well."""
    return bool(kind.item.handshake.fits(offer, terms))


def _checking_pins(kinds: Kinds) -> Kinds:
    return [kind for kind in kinds if _checks_pins(kind)]


def _checks_pins(kind: OfferedKind) -> bool:
    return kind.item.name == NOISE and kind.item.max_version >= NOISE_VERSION


def _is_pinned(terms: Terms) -> bool:
    """Whether the hub has a pin, and the user does not allow what does not check it."""
    noise = terms.credentials.noise
    return _wants_noise(terms) and noise is not None and noise.pinned() is not None


def _check_ciphers(kinds: Kinds, kind: Optional[OfferedKind], offer: Offer, terms: Terms) -> None:
    """Raises NegotiationRefused where the ciphers that the user lists keep a newer version from being spoken."""
    spoken = -1 if kind is None else highest_version(kind, terms)
    if spoken == terms.max_version:
        return
    unlisted = terms.registry.unasked_ciphers()
    best = _first_fit(kinds, offer, evolve(terms, ciphers=unlisted))
    version = spoken if best is None else highest_version(best, terms)
    if version <= spoken:
        return
    newer = [name for name in unlisted if _first_fit(kinds, offer, evolve(terms, ciphers=(name,))) is best]
    raise NegotiationRefused(
        f"the hub at {terms.where} speaks protocol version {version}, in which none of the ciphers that were asked for "
        f"can be used ({few_of(terms.ciphers)}). No older version is spoken for that",
        Mend(f"list {' or '.join(newer)} too", joint=": "),
        *(() if kind is None else (_OR_ALLOW,)),
    )


def _no_version(offer: Offer, terms: Terms) -> VersionRefused:
    lowest, highest = offer.min_version, max(offer.min_version, offer.max_version)
    theirs = f"version {lowest} only" if lowest == highest else f"versions {lowest} to {highest}"
    if terms.hindrance:
        return VersionRefused(
            f"the hub at {terms.where} speaks protocol {theirs}, but {terms.hindrance}", _OTHER_TRANSPORT
        )
    return VersionRefused(
        f"the hub at {terms.where} speaks protocol {theirs}, and this client up to {terms.max_version}",
        _RAISE if terms.max_version < NOISE_VERSION else _UPDATE,
        *(() if offer.only_noise else (_LOWER,)),
    )


def _check_fall_back(kinds: Kinds, kind: OfferedKind, offer: Offer, terms: Terms) -> None:
    """Raises VersionRefused where anything but Noise is about to be spoken with a hub that has a pin."""
    noise = terms.credentials.noise
    if not _wants_noise(terms) or noise is None:
        return
    offers_noise = offer.noise is not None and offer.max_version >= NOISE_VERSION
    if offers_noise and _checks_pins(kind) and terms.max_version >= NOISE_VERSION:
        return
    if noise.pinned() is not None:
        raise _fall_back(kinds, terms, offers_noise)
    if not offers_noise:
        return
    if _first_fit(_checking_pins(kinds), offer, terms) is not None:
        _warn_of_rank(terms.where, kind.item.name, kind.plugin)
    else:
        _warn_of_older(terms.where, _obstacle(kinds, terms), kind.item.name)


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
    """What keeps us from Noise, or else from the newest kind, with a hub that offers it."""
    if terms.hindrance:
        return terms.hindrance
    newest = max(kinds, key=lambda kind: (kind.item.name == NOISE, kind.item.max_version))
    why = guarded(newest, newest.item.handshake.obstacle, terms)
    if not isinstance(why, str):
        raise fault_of(newest, f"returned a {type(why).__name__}, not text, as its obstacle")
    return why


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


@lru_cache(maxsize=64)
def _warn_of_rank(where: str, kind: str, plugin: str) -> None:
    """Likewise."""
    log.warning(
        "the hub at %s offers protocol version %d, but the handshake %r of the plugin %s comes before it by its rank: "
        "no key of the hub is pinned (docs/plugins-handshakes.md)",
        where,
        NOISE_VERSION,
        kind,
        plugin,
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
