"""Version 3: the Noise Protocol Framework, keyed by the password (docs/protocol.md, "Noise")."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any, NoReturn, Optional

from attrs import evolve

from hivemind_core_client.kernel.handshake.base import warn_of_weakness
from hivemind_core_client.kernel.handshake.choice import NOISE, NOISE_VERSION
from hivemind_core_client.kernel.handshake.noise_exchange import (
    KK,
    XX,
    canonical,
    derived_psk,
    is_installed,
    keys_of,
    new_exchange,
    prologue_of,
    protocol_name,
)
from hivemind_core_client.kernel.noise_channel import CHUNK, NoiseChannel
from hivemind_core_client.plugins.contract import Cipher, Negotiated
from hivemind_core_client.plugins.handshake_contract import (
    Doubt,
    Handshake,
    NoiseKeys,
    Offer,
    Outcome,
    Progress,
    Terms,
)
from hivemind_core_client.plugins.noise_suites import function_of, suites_of
from hivemind_core_client.wire.errors import (
    HandshakeAgain,
    HandshakeError,
    HiveMindError,
    HubKeyChanged,
    HubRefused,
    Mend,
    PasswordRefused,
)
from hivemind_core_client.wire.json_text import Json
from hivemind_core_client.wire.keys import fingerprint
from hivemind_core_client.wire.mends import RESET_NOISE_PIN, SET_PASSWORD
from hivemind_core_client.wire.text import few_of, text_of

log = logging.getLogger(__name__)

#: For the first message of XXpsk2, into which no key goes.
_NO_PSK_YET = bytes(32)


class NoiseHandshake(Handshake):
    """We begin. XXpsk2 shows both static keys under way, KKpsk0 needs both sides to have pinned the other's.

    The password enters through a key derived with argon2id, which takes 0.1 s to seconds where it is not remembered.
    """

    kind = NOISE
    max_version = NOISE_VERSION

    def __init__(self, offer: Offer, terms: Terms) -> None:
        super().__init__(offer, terms)
        self._keys = _keys(terms)
        self._pattern = _pattern(offer, self._keys) or XX
        self._cipher, self._suite = _chosen(offer, terms)
        self._binarize = terms.binarizes(offer)
        self._remembered = self._keys.psk(terms.hub.node_id)
        self._psk: Optional[bytes] = self._remembered or (self._derived() if self._pattern == KK else None)
        self._exchange = self._new_exchange()

    @classmethod
    def fits(cls, offer: Offer, terms: Terms) -> bool:
        """Both speak version 3 with a pattern and a suite in common, and we have a password and what Noise needs."""
        credentials = terms.credentials
        if min(terms.max_version, offer.max_version) < NOISE_VERSION or credentials.noise is None:
            return False
        if not credentials.password or not is_installed():
            return False
        return _pattern(offer, credentials.noise) is not None and any(_common(offer, terms))

    @classmethod
    def obstacle(cls, terms: Terms) -> str:
        """Why this kind does not fit a hub that offers it."""
        if not terms.credentials.password:
            return "that needs a password, and there is none here"
        if not is_installed():
            return "that needs Python 3.10 or later here, and poorman-handshake 2"
        return (
            "none of the Noise patterns and suites that it offers is ours, with the ciphers that we allow: "
            + few_of(terms.ciphers)
        )

    def begin(self) -> Progress:
        """The first Noise message, with what we take in its payload."""
        if self._pattern == KK:
            self._keys.kk_in_doubt = True
        encodings = [name for name in self.terms.encodings if name in self.offer.encodings]
        message = self._exchange.write_message(
            canonical({"binarize": self._binarize, "encodings": encodings})
        )
        chosen = {"pattern": self._pattern, "suite": self._suite, "msg": message.hex()}
        # We derive our key while the hub derives its own, so that the two waits overlap.
        return Progress(reply={"noise": chosen}, during_wait=self._derive if self._psk is None else None)

    def receive(self, answer: Json) -> Progress:
        """The hub's Noise message, and with XXpsk2 our second.

        Raises PasswordRefused, HubKeyChanged, HandshakeError for what is no Noise message, and HandshakeAgain where
        another pattern or a newly derived key may do.
        """
        message = _message_of(answer)
        self._derive()
        try:
            said = self._exchange.read_message(message)
        except Exception as error:  # whatever the library raises: it does not verify
            self._refuse(error)
        is_first = self._check_pin()
        reply: Optional[Json] = None
        if self._pattern == XX:
            reply = {"noise": {"msg": self._exchange.write_message(b"").hex()}}
        self._remember(pin=is_first)
        return Progress(reply=reply, outcome=evolve(self._outcome(), said=bytes(said)))

    def interrupted(self, by_policy: bool) -> Optional[HiveMindError]:
        """After KKpsk0, most likely that the hub has lost our key or the password changed: XXpsk2 will tell.

        A hub of this version refuses with 1008; any other code says that it went away.
        """
        if self._pattern == KK:
            return HandshakeAgain(f"the hub at {self.terms.where} refused a handshake of the pattern {KK}")
        if not by_policy:
            return None
        return HubRefused(
            f"the hub at {self.terms.where} hung up on our Noise handshake: its offer was changed on the way, so that "
            "somebody may stand between, or it has no password for this access key",
            Mend("its log says which"),
        )

    def _derive(self) -> None:
        """The key that the answer to XXpsk2 is read with, unless it is there."""
        if self._psk is None:
            self._psk = self._derived()
            _weigh(self.terms.credentials.password or "")
            self._exchange.set_psk(self._psk)

    def _derived(self) -> bytes:
        try:
            return derived_psk(self.terms.credentials.password or "", self.terms.hub.node_id)
        except Exception as error:  # whatever argon2 raises, for want of memory above all
            raise HandshakeError(
                f"no key can be derived from the password: {type(error).__name__}"
            ) from error

    def _new_exchange(self) -> Any:
        name = protocol_name(self._pattern, self._suite)
        psk = self._psk or _NO_PSK_YET
        static_key = self._keys.noise_key()
        pinned = self._keys.pinned() if self._pattern == KK else None
        try:
            prologue = prologue_of(self.terms.hub.payload, self.offer.payload, name)
        except (RecursionError, ValueError) as error:
            raise HandshakeError("the hub's HELLO or offer cannot be written again as it came") from error
        try:
            return new_exchange(True, name, static_key, psk, prologue, pinned)
        except Exception as error:  # whatever the library raises for a key that is none
            raise HandshakeError(f"a static key for Noise cannot be used: {text_of(error)}") from error

    def _refuse(self, error: Exception) -> NoReturn:
        if self._remembered is not None:
            self._keys.drop_psk(self.terms.hub.node_id)
        if self._remembered is not None or self._pattern == KK:
            raise HandshakeAgain(
                f"the hub at {self.terms.where} did not verify with what is remembered of it"
            ) from error
        raise PasswordRefused(
            f"the hub at {self.terms.where} does not prove that it knows our password: the two differ, or its offer "
            "was changed on the way",
            SET_PASSWORD,
        ) from error

    def _check_pin(self) -> bool:
        """Whether no key of the hub is pinned yet. Raises HubKeyChanged where another one is."""
        pinned, shown = self._keys.pinned(), self._exchange.remote_pubkey
        if pinned is not None and pinned != shown:
            terms = self.terms
            raise HubKeyChanged(terms.where, terms.address, fingerprint(pinned), fingerprint(shown))
        return pinned is None

    def _remember(self, pin: bool) -> None:
        keys, node_id = self._keys, self.terms.hub.node_id
        keys.kk_in_doubt = False
        if pin:
            keys.pin(self._exchange.remote_pubkey)
        if self._remembered is None and self._psk is not None:
            keys.keep_psk(node_id, self._psk)

    def _outcome(self) -> Outcome:
        if not self.offer.only_noise:
            log.warning(
                "%s takes and sends no message beyond %d bytes in protocol version 3: longer speech or files are "
                "lost. Hubs before 5.0 are like that; max_protocol_version=2 lifts it, with a weaker handshake",
                self.terms.where,
                CHUNK,
            )
        keys = keys_of(self._exchange)
        limit, where, takes_pieces = self.terms.limit, self.terms.where, self.offer.only_noise
        channel = NoiseChannel(self._cipher, self._suite, keys, limit, where, takes_pieces)
        negotiated = Negotiated(
            NOISE_VERSION, self.kind, self._cipher.name, "binary", self._binarize, self._pattern
        )
        if self._pattern == XX:
            return Outcome(channel, negotiated, Doubt(self._end_refused, self._end_taken))
        self._end_taken()
        return Outcome(channel, negotiated)

    def _end_taken(self) -> None:
        self._keys.end_refused = False

    def _end_refused(self) -> HiveMindError:
        # Once may be a frame that was changed on the way; a hub that has pinned another key refuses it each time.
        if not self._keys.end_refused:
            self._keys.end_refused = True
            return HandshakeAgain(f"the hub at {self.terms.where} refused the end of our Noise handshake")
        self._keys.end_refused = False
        return HubRefused(
            f"the hub at {self.terms.where} hung up on the end of our handshake: most likely it has pinned another "
            "static key for this access key",
            Mend("run ", RESET_NOISE_PIN, " on the hub's machine, or put this node's old Noise key back"),
            about=("noise_key",),
        )


def _weigh(password: str) -> None:
    """Warn of a password that is easy to guess. Slow, so it is done only where the key is derived anew."""
    from poorman_handshake.symmetric import check_password_strength

    try:
        check_password_strength(password)
    except ValueError:
        warn_of_weakness(password)


def _keys(terms: Terms) -> NoiseKeys:
    keys = terms.credentials.noise
    if keys is None:
        raise HandshakeError("a Noise handshake needs this node's static key")
    return keys


def _pattern(offer: Offer, keys: NoiseKeys) -> Optional[str]:
    offered = offer.noise.patterns if offer.noise else ()
    if KK in offered and keys.pinned() is not None and not keys.kk_in_doubt:
        return KK
    return XX if XX in offered else None


def _common(offer: Offer, terms: Terms) -> Iterator[tuple[Cipher, str]]:
    """What both sides can seal with in a suite that both know, in our order of preference."""
    offered = offer.noise.suites if offer.noise else ()
    for cipher in filter(None, map(terms.registry.ciphers.get, terms.ciphers)):
        yield from ((cipher, suite) for suite in suites_of(cipher) if suite in offered and function_of(suite))


def _chosen(offer: Offer, terms: Terms) -> tuple[Cipher, str]:
    for chosen in _common(offer, terms):
        return chosen
    raise HandshakeError("none of the Noise suites that the hub offers is ours")


def _message_of(answer: Json) -> bytes:
    noise = answer.get("noise")
    text = noise.get("msg") if isinstance(noise, dict) else None
    try:
        message = bytes.fromhex(text) if isinstance(text, str) else b""
    except ValueError:
        message = b""
    if not message:
        raise HandshakeError("the hub's HANDSHAKE carries no Noise message")
    return message
