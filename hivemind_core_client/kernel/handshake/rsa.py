"""Version 1 without a password: the hub sends a random key, wrapped for our RSA key and signed with its own."""

from __future__ import annotations

from hivemind_core_client.kernel.handshake.base import envelope_of
from hivemind_core_client.plugins.contract import Negotiated
from hivemind_core_client.plugins.handshake_contract import Handshake, Offer, Outcome, Progress, Terms
from hivemind_core_client.wire.errors import HandshakeError, HubRefused
from hivemind_core_client.wire.json_text import Json
from hivemind_core_client.wire.keys import public_pem

_KEY_BYTES = 32


class RsaHandshake(Handshake):
    """We send our public key; the hub's envelope is `hex(signature ‖ wrapped key)`."""

    kind = "rsa"
    max_version = 1

    @classmethod
    def fits(cls, offer: Offer, terms: Terms) -> bool:
        """We have no password or key. With one, falling back to RSA would be a downgrade."""
        return not terms.credentials.password and terms.credentials.crypto_key is None

    def begin(self) -> Progress:
        """Our public key, with what we allow. Raises HandshakeError when the hub showed no key of its own."""
        self._hub_key()
        return Progress(
            reply={**self.terms.proposal(self.offer), "pubkey": self.terms.credentials.public_key()}
        )

    def receive(self, answer: Json) -> Progress:
        """Verify, then unwrap. Raises HubRefused when the signature is not the hub's."""
        key = self._unwrap(*self._split(envelope_of(answer)))
        cipher, encoding = self.chosen(answer)
        negotiated = Negotiated(1, self.kind, cipher, encoding, self.terms.binarizes(self.offer))
        return Progress(outcome=Outcome(self.terms.channel(cipher, encoding, key), negotiated))

    def _hub_key(self) -> str:
        key = self.terms.credentials.hub_key or self.terms.hub.public_key
        if not key:
            raise HandshakeError("the hub showed no public key, so its RSA handshake cannot be verified")
        return public_pem(key) or key

    def _split(self, envelope: str) -> tuple[bytes, bytes]:
        from Crypto.PublicKey import RSA

        try:
            size = RSA.import_key(self._hub_key()).size_in_bytes()
            sealed = bytes.fromhex(envelope)
        except (ValueError, IndexError, TypeError) as error:
            raise HandshakeError("the hub's RSA key or envelope cannot be read") from error
        return sealed[:size], sealed[size:]

    def _unwrap(self, signature: bytes, wrapped: bytes) -> bytes:
        from poorman_handshake.asymmetric.utils import decrypt_RSA, verify_RSA

        if not verify_RSA(self._hub_key(), wrapped, signature):
            raise HubRefused(
                f"the envelope of {self.terms.where} is not signed with the hub's key: another machine answers in its "
                "place, or the pinned key is of another hub"
            )
        private_key = self.terms.credentials.private_key()  # not in the try: its errors are ValueErrors too
        try:
            key = bytes(decrypt_RSA(private_key, wrapped))
        except ValueError as error:
            raise HandshakeError("the hub's RSA envelope is not wrapped for our key") from error
        if len(key) != _KEY_BYTES:
            raise HandshakeError(f"the hub's RSA envelope holds a key of {len(key)} bytes, not {_KEY_BYTES}")
        return key
