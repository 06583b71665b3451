"""Kinds of handshake behind one interface; the hub's offer decides which one runs."""

from __future__ import annotations

from hivemind_core_client.errors import NegotiationRefused, VersionRefused
from hivemind_core_client.kernel.handshake.base import Credentials, Handshake, Offer, Terms
from hivemind_core_client.kernel.handshake.password import PasswordHandshake
from hivemind_core_client.kernel.handshake.preshared import PresharedHandshake
from hivemind_core_client.kernel.handshake.rsa import RsaHandshake

__all__ = ["KINDS", "Credentials", "Handshake", "Offer", "Terms", "choose"]

#: In order of preference. A new kind is a new line here.
KINDS: tuple[type[Handshake], ...] = (PresharedHandshake, PasswordHandshake, RsaHandshake)


def choose(offer: Offer, terms: Terms) -> Handshake:
    """The kind of handshake for this offer and our credentials.

    Raises VersionRefused when no protocol version is common, and NegotiationRefused when no kind fits.
    """
    if offer.min_version > terms.max_version:
        raise VersionRefused(
            f"the hub at {terms.where} speaks protocol versions {offer.min_version} to {offer.max_version}, and this "
            f"client up to {terms.max_version}: update the client, or lower min_protocol_version in the "
            "hub's server.json"
        )
    for kind in KINDS:
        if offer.min_version <= min(kind.max_version, terms.max_version) and kind.fits(offer, terms):
            return kind(offer, terms)
    raise NegotiationRefused(_no_kind(offer, terms))


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
