"""Kinds of handshake behind one interface; the hub's offer decides which one runs."""

from __future__ import annotations

from hivemind_core_client.errors import NegotiationRefused, VersionRefused
from hivemind_core_client.kernel.handshake.base import Credentials, Handshake, NoiseKeys, Offer, Terms
from hivemind_core_client.kernel.handshake.noise import VERSION, NoiseHandshake, is_installed
from hivemind_core_client.kernel.handshake.password import PasswordHandshake
from hivemind_core_client.kernel.handshake.preshared import PresharedHandshake
from hivemind_core_client.kernel.handshake.rsa import RsaHandshake

__all__ = ["KINDS", "Credentials", "Handshake", "NoiseKeys", "Offer", "Terms", "choose"]

#: In order of preference. A new kind is a new line here.
KINDS: tuple[type[Handshake], ...] = (NoiseHandshake, PresharedHandshake, PasswordHandshake, RsaHandshake)


def choose(offer: Offer, terms: Terms) -> Handshake:
    """The kind of handshake for this offer and our credentials.

    Raises VersionRefused when no protocol version is common or the hub would fall back behind its pin, and
    NegotiationRefused when no kind fits.
    """
    if offer.min_version > terms.max_version:
        raise VersionRefused(
            f"the hub at {terms.where} speaks protocol versions {offer.min_version} to {offer.max_version}, and this "
            f"client up to {terms.max_version}: update the client, raise max_protocol_version ('--max-protocol') where "
            "it was set, or lower min_protocol_version in the hub's server.json"
        )
    for kind in KINDS:
        if offer.min_version <= min(kind.max_version, terms.max_version) and kind.fits(offer, terms):
            _check_fall_back(kind, terms)
            return kind(offer, terms)
    if offer.min_version >= VERSION and terms.credentials.password:
        why = "none of the Noise patterns and suites that it offers is ours"
        if not is_installed():
            why = "that needs Python 3.10 or later here, and poorman-handshake 2"
        raise VersionRefused(f"the hub at {terms.where} speaks protocol version {VERSION} only: {why}")
    raise NegotiationRefused(_no_kind(offer, terms))


def _check_fall_back(kind: type[Handshake], terms: Terms) -> None:
    noise = terms.credentials.noise
    if kind.max_version >= VERSION or terms.max_version < VERSION or noise is None or noise.pinned() is None:
        return
    raise VersionRefused(
        f"the hub at {terms.where} has spoken protocol version {VERSION} before, and now nothing of it fits: somebody "
        "may stand between. If the hub was really set back, run 'hivemind-client forget-server' for it, or "
        "allow the older version with max_protocol_version=2 ('--max-protocol 2')"
    )


def _no_kind(offer: Offer, terms: Terms) -> str:
    offered = [
        name
        for name, there in (("password", offer.password), ("pre-shared key", offer.preshared_key))
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
    return (
        f"no handshake fits: the hub at {terms.where} has {' and '.join(offered) or 'neither a password nor a key'} "
        f"for this access key, and we have {' and '.join(ours) or 'neither'}. Pass what 'hivemind-core add-client' "
        "printed for this client"
    )
