"""Kinds of handshake of plugins, against the embedded hub, with each kind of client."""

from __future__ import annotations

import hmac
import logging
import os
import sys
from typing import Any, Callable, Optional

import pytest
from Crypto.Hash import SHA256
from Crypto.Protocol.KDF import HKDF

from hivemind_core_client import HiveMessage, NodeIdentity
from hivemind_core_client import errors as err
from hivemind_core_client.plugins.contract import Negotiated
from hivemind_core_client.plugins.handshake_contract import (
    Handshake,
    HandshakeKind,
    Offer,
    Outcome,
    Progress,
    Terms,
)
from hivemind_core_client.testing import Account, EmbeddedHub, check_handshake
from tests.unit.client_support import Make, ask, until
from tests.unit.noise_support import needs_noise
from tests.unit.support import PASSWORD, explode, plugin

SECRET = b"agreed on beforehand"


def derived(secret: bytes, hub_nonce: bytes, nonce: bytes) -> Any:
    """The key, our proof and the hub's."""
    return HKDF(secret, 32, hub_nonce + nonce, SHA256, 3)


class TokenHandshake(Handshake):
    """Both sides know a secret: each shows that it does, by what it makes of two nonces."""

    kind = "token"
    max_version = 1
    secret = SECRET

    @classmethod
    def fits(cls, offer: Offer, terms: Terms) -> bool:
        return isinstance(offer.payload.get("token"), str)

    def begin(self) -> Progress:
        nonce = os.urandom(16)
        hub_nonce = bytes.fromhex(self.offer.payload["token"])
        self.key, ours, self.expected = derived(self.secret, hub_nonce, nonce)
        return Progress(reply={"token": {"nonce": nonce.hex(), "proof": ours.hex()}})

    def receive(self, answer: dict[str, Any]) -> Progress:
        if not hmac.compare_digest(str(answer.get("token")), self.expected.hex()):
            raise err.HubRefused("the hub does not know our token")
        channel = self.terms.channel("AES-GCM", "JSON-B64", self.key)
        return Progress(outcome=Outcome(channel, Negotiated(1, self.kind, "AES-GCM", "JSON-B64", False)))


class HubToken:
    """The hub's half."""

    field = "token"
    secret = SECRET

    def __init__(self, account: Account, new_channel: Callable[..., Any]) -> None:
        self.nonce = os.urandom(16)
        self.new_channel = new_channel

    def offer(self) -> str:
        return self.nonce.hex()

    def receive(self, part: Any) -> tuple[Any, Optional[Any]]:
        key, theirs, ours = derived(self.secret, self.nonce, bytes.fromhex(part["nonce"]))
        if theirs.hex() != part["proof"]:
            raise err.HandshakeError("the client does not know the token")
        return ours.hex(), self.new_channel("AES-GCM", "JSON-B64", key)


def offering(*kinds: HandshakeKind, name: str = "tokens") -> Any:
    return plugin(name, hivemind_handshakes=lambda: list(kinds))


TOKEN = offering(HandshakeKind(TokenHandshake, rank=250))


def token_hub(**options: Any) -> EmbeddedHub:
    return EmbeddedHub([Account("k", PASSWORD)], handshakes=[HubToken], **options)


def changed(**attributes: Any) -> Any:
    """A plugin with a kind that differs from the one above."""
    rank = attributes.pop("rank", 250)
    return offering(HandshakeKind(type("Changed", (TokenHandshake,), attributes), rank))


def test_a_handshake_of_ones_own(make: Make) -> None:
    with token_hub() as hub, make(hub, plugins=[TOKEN]) as client:
        assert client.negotiated.kind == "token"
        assert ask(client) == "you said: hello"
        assert (
            "handshake token"
            in next(info for info in client.plugins.report if info.name == "tokens").provides
        )


def test_without_a_password_too(make: Make) -> None:
    with token_hub() as hub, make(hub, plugins=[TOKEN], password=None) as client:
        assert client.negotiated.kind == "token"
        assert ask(client) == "you said: hello"


def test_a_hub_that_does_not_offer_it_is_met_as_ever(make: Make) -> None:
    with EmbeddedHub({"k": PASSWORD}) as hub, make(hub, plugins=[TOKEN]) as client:
        assert client.negotiated.kind == "password"


def test_it_waits_for_its_rank(make: Make) -> None:
    with token_hub() as hub, make(hub, plugins=[changed(rank=199)]) as client:
        assert client.negotiated.kind == "password"


def test_a_secret_that_differs_is_refused(make: Make) -> None:
    with token_hub() as hub, pytest.raises(err.NegotiationRefused, match="hung up"):
        make(hub, plugins=[changed(secret=b"another")]).connect()


@needs_noise
@pytest.mark.otherwise("http", why="each of its gateways is another address, and a pin belongs to one")
def test_a_hub_with_a_pin_is_met_by_noise_whatever_the_rank(
    make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    high, identity = changed(rank=1000), NodeIdentity({})
    with token_hub(versions=(0, 3)) as hub:
        with make(hub, plugins=[high], identity=identity) as client:
            assert client.negotiated.kind == "token"  # by its rank; and that is told
        text = "offers protocol version 3, but the handshake 'token' of the plugin tokens comes before it by its rank"
        assert text in caplog.text
        with make(hub, identity=identity) as client:
            assert client.negotiated.kind == "noise"
        with make(hub, plugins=[high], identity=identity) as client:
            assert client.negotiated.kind == "noise"
        with make(hub, plugins=[high], identity=identity, max_protocol_version=2) as client:
            assert client.negotiated.kind == "token"  # the user's own wish


@needs_noise
@pytest.mark.otherwise(
    "http", why="its gateway is elsewhere the second time, and the pin belongs to an address"
)
@pytest.mark.parametrize("version", [1, 3])
def test_a_hub_with_a_pin_is_not_met_by_a_plugin_where_it_offers_no_noise(version: int, make: Make) -> None:
    identity, own = NodeIdentity({}), changed(rank=1000, max_version=version)
    with EmbeddedHub({"k": PASSWORD}, versions=(3, 3)) as first:
        make(first, identity=identity).connect()
        port = first.port
    with (
        token_hub(port=port) as second,
        pytest.raises(err.VersionRefused, match="no longer offers version 3"),
    ):
        make(second, plugins=[own], identity=identity).connect()


class OwnPassword(TokenHandshake):
    """Under the name of a built-in kind."""

    kind = "password"


def test_a_kind_that_replaces_a_built_in_one_is_warned_of(
    make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    own = offering(HandshakeKind(OwnPassword, rank=5), name="replaces")
    with token_hub() as hub, caplog.at_level(logging.WARNING):
        client = make(hub, plugins=[own])
        assert "plugin replaces: its handshake password replaces the built-in one" in caplog.text
        with client:
            assert ask(client) == "you said: hello"


FAULTS: dict[str, dict[str, Any]] = {
    "fits": {"fits": explode},
    "init": {"__init__": explode},
    "begin": {"begin": explode},
    "exits": {"begin": lambda self: sys.exit(3)},
    "receive": {"receive": explode},
    "begin returns None": {"begin": lambda self: None},
    "a reply that is no JSON": {"begin": lambda self: Progress(reply={"token": b"bytes"})},
    "no outcome": {"begin": lambda self: Progress(outcome="done")},  # type: ignore[arg-type]  # that is the fault
    "work": {"begin": lambda self: Progress(reply={"token": {}}, during_wait=explode)},
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_kind_that_misbehaves_is_named_and_takes_nobody_down(fault: str, make: Make) -> None:
    with token_hub() as hub:
        client = make(hub, plugins=[changed(**FAULTS[fault])])
        with pytest.raises((err.HandshakeError, err.NegotiationRefused)) as told:
            client.connect(handshake_max_retries=1)
        if fault != "work":  # the hub hangs up on that one, perhaps sooner
            assert "the handshake 'token' of the plugin tokens" in str(told.value)
        client.close()


class Broken:
    """A channel that fails while it is told to."""

    def __init__(self, inner: Any) -> None:
        self.inner, self.seals, self.opens = inner, True, True

    def seal(self, plain: Any) -> Any:
        return self.inner.seal(plain) if self.seals else explode()

    def open(self, frame: Any) -> Any:
        return self.inner.open(frame) if self.opens else explode()


def test_a_channel_that_misbehaves_costs_its_messages_only(make: Make) -> None:
    channels: list[Broken] = []

    def receive(self: TokenHandshake, answer: dict[str, Any]) -> Progress:
        channels.append(Broken(self.terms.channel("AES-GCM", "JSON-B64", self.key)))
        return Progress(outcome=Outcome(channels[-1], Negotiated(1, "token", "AES-GCM", "JSON-B64", False)))

    with token_hub() as hub, make(hub, plugins=[changed(receive=receive)]) as client:
        assert ask(client) == "you said: hello"
        channels[0].seals = False
        with pytest.raises(err.EncryptionFailed, match="the channel of the plugin tokens could not seal"):
            client.emit(HiveMessage("bus", {"type": "x", "data": {}, "context": {}}))
        channels[0].seals, channels[0].opens = True, False
        dropped = client.rejected
        hub.broadcast(HiveMessage("bus", {"type": "x", "data": {}, "context": {}}))
        assert until(lambda: client.rejected > dropped)
        channels[0].opens = True
        assert ask(client, "again") == "you said: again"


def test_it_passes_the_kit() -> None:
    check_handshake(HandshakeKind(TokenHandshake), offers=[{"token": "00" * 16}])


@pytest.mark.parametrize(
    ("attributes", "fault"),
    [
        ({"fits": explode}, "fits raises RuntimeError: raise HandshakeError"),
        ({"fits": lambda *_: 1}, "fits returns a int: return True or False"),
        ({"obstacle": lambda *_: ""}, "obstacle returns no text"),
        ({"__init__": explode}, "it raises RuntimeError"),
        ({"begin": explode}, "begin raises RuntimeError"),
        ({"begin": lambda self: {}}, "begin returns a dict: return a Progress"),
        ({"begin": lambda self: Progress(reply={"a": b"b"})}, "begin replies with what JSON cannot carry"),
        ({"receive": lambda self, answer: answer["token"]}, "receive raises KeyError"),
        ({"interrupted": lambda self, by_policy: "no"}, "interrupted returns a str"),
    ],
)
def test_what_is_wrong_is_told_by_the_kit(attributes: dict[str, Any], fault: str) -> None:
    kind = HandshakeKind(type("Changed", (TokenHandshake,), attributes))
    with pytest.raises(AssertionError, match=f"handshake token: {fault}"):
        check_handshake(kind, [{"token": "00" * 16}])


def test_what_is_no_kind_is_told_by_the_kit() -> None:
    nothing: Any = TokenHandshake
    with pytest.raises(AssertionError, match="is no HandshakeKind"):
        check_handshake(nothing)
