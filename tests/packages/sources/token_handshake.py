"""A kind of handshake: both sides know a secret, and show it by what they make of two nonces."""

import hmac
import os

from hivemind_core_client.errors import HandshakeError, HubRefused
from hivemind_core_client.plugins.contract import Negotiated
from hivemind_core_client.plugins.handshake_contract import Handshake, HandshakeKind, Outcome, Progress
from hivemind_core_client.plugins.hookspecs import hookimpl

SECRET = b"agreed on beforehand"


def derived(hub_nonce, nonce):
    """The key, our proof and the hub's."""
    return [
        hmac.new(SECRET, hub_nonce + nonce + each, "sha256").digest() for each in (b"key", b"node", b"hub")
    ]


class TokenHandshake(Handshake):
    kind = "token"
    max_version = 1

    @classmethod
    def fits(cls, offer, terms):
        return isinstance(offer.payload.get("token"), str)

    def begin(self):
        nonce = os.urandom(16)
        self.key, ours, self.expected = derived(bytes.fromhex(self.offer.payload["token"]), nonce)
        return Progress(reply={"token": {"nonce": nonce.hex(), "proof": ours.hex()}})

    def receive(self, answer):
        if not hmac.compare_digest(str(answer.get("token")), self.expected.hex()):
            raise HubRefused("the hub does not know our token")
        channel = self.terms.channel("AES-GCM", "JSON-B64", self.key)
        return Progress(outcome=Outcome(channel, Negotiated(1, self.kind, "AES-GCM", "JSON-B64", False)))


class HubToken:
    """The hub's half."""

    field = "token"

    def __init__(self, account, new_channel):
        self.nonce = os.urandom(16)
        self.new_channel = new_channel

    def offer(self):
        return self.nonce.hex()

    def receive(self, part):
        key, theirs, ours = derived(self.nonce, bytes.fromhex(part["nonce"]))
        if not hmac.compare_digest(theirs.hex(), part["proof"]):
            raise HandshakeError("the client does not know the token")
        return ours.hex(), self.new_channel("AES-GCM", "JSON-B64", key)


#: What an EmbeddedHub is to be made with, where this plugin is tried.
HUB_OPTIONS = {"handshakes": [HubToken]}


@hookimpl
def hivemind_handshakes():
    return [HandshakeKind(TokenHandshake, rank=250)]
