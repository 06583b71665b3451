"""Version 0: a key that both sides were given beforehand, used at once."""

from __future__ import annotations

from hivemind_core_client.plugins.contract import Negotiated
from hivemind_core_client.plugins.handshake_contract import (
    DEFAULT_CIPHER,
    DEFAULT_ENCODING,
    Handshake,
    Offer,
    Outcome,
    Progress,
    Terms,
)
from hivemind_core_client.wire.errors import HandshakeError
from hivemind_core_client.wire.json_text import Json


class PresharedHandshake(Handshake):
    """Nothing is exchanged: cipher and encoding are the protocol's defaults."""

    kind = "preshared"
    max_version = 0

    @classmethod
    def fits(cls, offer: Offer, terms: Terms) -> bool:
        """The hub holds a key for us, and the caller passed one."""
        return offer.preshared_key and terms.credentials.crypto_key is not None

    def begin(self) -> Progress:
        """Done at once. Raises InvalidKeySize for a key that the cipher does not take."""
        terms = self.terms
        cipher = terms.accepted({}, "cipher", DEFAULT_CIPHER, terms.ciphers)
        encoding = terms.accepted({}, "encoding", DEFAULT_ENCODING, terms.encodings)
        channel = terms.channel(cipher, encoding, terms.credentials.crypto_key or b"")
        negotiated = Negotiated(0, self.kind, cipher, encoding, binarize=False)
        return Progress(outcome=Outcome(channel, negotiated))

    def receive(self, answer: Json) -> Progress:
        """Raises HandshakeError: there is nothing to answer."""
        raise HandshakeError("an answer to a handshake that was never asked for")
