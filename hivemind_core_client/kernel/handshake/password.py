"""Versions 1 and 2: both sides prove that they know one password, and derive the key from it."""

from __future__ import annotations

import logging
import warnings
from typing import Any, Optional

from poorman_handshake import PasswordHandShake

from hivemind_core_client.kernel.handshake.base import envelope_of, warn_of_weakness
from hivemind_core_client.plugins.contract import Negotiated
from hivemind_core_client.plugins.handshake_contract import Handshake, Offer, Outcome, Progress, Terms
from hivemind_core_client.wire.errors import HandshakeError, HiveMindError, Mend, PasswordRefused
from hivemind_core_client.wire.json_text import Json
from hivemind_core_client.wire.mends import ADD_CLIENT, ASK_PASSWORD, SET_PASSWORD

log = logging.getLogger(__name__)

_IV_DIGITS = 16


class PasswordHandshake(Handshake):
    """Each side sends a salted hash of the password; the key comes of both salts."""

    kind = "password"
    max_version = 2

    def __init__(self, offer: Offer, terms: Terms) -> None:
        super().__init__(offer, terms)
        self._exchange = new_exchange(terms.credentials.password or "")
        self._envelope = ""

    @classmethod
    def fits(cls, offer: Offer, terms: Terms) -> bool:
        """The hub holds a password for us, and we have one."""
        return offer.password and bool(terms.credentials.password)

    def begin(self) -> Progress:
        """Our envelope, with what we allow."""
        proposal = self.terms.proposal(self.offer)
        self._envelope = self._exchange.generate_handshake()
        return Progress(reply={**proposal, "envelope": self._envelope})

    def receive(self, answer: Json) -> Progress:
        """Check the hub's envelope, and derive the key. Raises PasswordRefused or NegotiationRefused."""
        envelope = envelope_of(answer)
        if envelope[:_IV_DIGITS].lower() == self._envelope[:_IV_DIGITS]:
            raise HandshakeError(
                "the hub sent our own envelope back instead of proving that it knows the password"
            )
        if not self._exchange.receive_and_verify(envelope):
            raise PasswordRefused(
                f"the hub at {self.terms.where} does not prove that it knows our password: the two differ",
                Mend(
                    "set the one that ",
                    ADD_CLIENT,
                    " printed, with ",
                    ASK_PASSWORD,
                    " (other clients say: got encrypted message, but could not decrypt!)",
                ),
            )
        cipher, encoding = self.chosen(answer)
        version = min(self.max_version, self.offer.max_version, self.terms.max_version)
        negotiated = Negotiated(version, self.kind, cipher, encoding, self.terms.binarizes(self.offer))
        return Progress(
            outcome=Outcome(self.terms.channel(cipher, encoding, self._exchange.secret), negotiated)
        )

    def interrupted(self, by_policy: bool) -> Optional[HiveMindError]:
        """Hubs that know version 2 verify our envelope too, and hang up on a wrong password without a word."""
        if self.offer.max_version < 2:
            return super().interrupted(by_policy)
        return PasswordRefused(
            f"the hub at {self.terms.where} hung up on our handshake: most likely the passwords differ, or it does not "
            "take this protocol version",
            SET_PASSWORD,
            Mend("its min_protocol_version is in its server.json", joint="; "),
        )


def new_exchange(password: str) -> Any:
    """One side of the exchange.

    poorman-handshake 2 warns of this kind of handshake, which the hub chose, and refuses guessable passwords, which a
    satellite cannot change.
    """
    while True:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            try:
                return _of_any_strength(password)
            except (
                DeprecationWarning
            ):  # an error by the user's wish, and another thread has just put that back
                log.debug("a warning came through: once more")


def _of_any_strength(password: str) -> Any:
    try:
        return PasswordHandShake(password)
    except ValueError:
        warn_of_weakness(password)
        return PasswordHandShake(password, min_bits=0)
