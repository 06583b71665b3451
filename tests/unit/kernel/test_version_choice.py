"""Which protocol version is spoken, what is said where it is not the best one, and what where there is none."""

from __future__ import annotations

import logging
import sys
import uuid
from typing import Any, Optional

import pytest

from hivemind_core_client.errors import NegotiationRefused, VersionRefused
from hivemind_core_client.kernel.crypto import CipherChannel
from hivemind_core_client.kernel.handshake.guarding import choose
from hivemind_core_client.kernel.handshake.password import PasswordHandshake
from hivemind_core_client.kernel.handshake.preshared import PresharedHandshake
from hivemind_core_client.kernel.options import Credentials
from hivemind_core_client.kernel.policy import Limits
from hivemind_core_client.plugins.contract import HubFacts
from hivemind_core_client.plugins.handshake_contract import HandshakeKind, Offer, Terms
from hivemind_core_client.plugins.registry import Offered
from tests.unit.noise_support import kept, needs_noise
from tests.unit.support import CIPHERS, KEY, PASSWORD, offer_payload, registry

KINDS = registry().handshakes

WHERE = "ws://hub.local:5679"  # each test has its own
NOISE = {"patterns": ["XXpsk2"], "suites": ["25519_ChaChaPoly_SHA256"]}
FOREIGN = {"patterns": ["XXpsk2"], "suites": ["448_ChaChaPoly_SHA256"]}


@pytest.fixture(autouse=True)
def _another_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that nobody was warned of yet."""
    monkeypatch.setattr(sys.modules[__name__], "WHERE", f"ws://hub-{uuid.uuid4()}.local:5679")


def terms(
    password: Optional[str] = PASSWORD,
    crypto_key: Optional[bytes] = None,
    pinned: Optional[bytes] = None,
    max_version: int = 3,
    ciphers: tuple[str, ...] = tuple(CIPHERS),
    hindrance: str = "",
    insists: bool = False,
) -> Terms:
    return Terms(
        Credentials(password=password, crypto_key=crypto_key, noise=kept(pinned)),
        registry(),
        HubFacts("node"),
        ciphers,
        tuple(registry().encodings),
        binarize=True,
        max_version=max_version,
        where=WHERE,
        limit=Limits().assembled,
        make_channel=CipherChannel,
        hindrance=hindrance,
        insists=insists,
    )


def offer(**changes: Any) -> Offer:
    return Offer.read({**offer_payload(), "max_protocol_version": 3, **changes})


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


# an older kind at the first contact


def test_a_suite_that_is_not_ours_is_told(caplog: pytest.LogCaptureFixture) -> None:
    if sys.version_info >= (3, 10):
        assert choose(KINDS, offer(noise=FOREIGN), terms()).kind == PasswordHandshake.kind
        (text,) = warnings(caplog)
        assert WHERE in text
        assert "none of the Noise patterns and suites" in text
        assert "weaker handshake (password)" in text


def test_a_library_that_is_missing_is_told(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "poorman_handshake.noise", None)
    assert choose(KINDS, offer(noise=NOISE), terms()).kind == PasswordHandshake.kind
    (text,) = warnings(caplog)
    assert "Python 3.10 or later here, and poorman-handshake 2" in text


def test_a_password_that_is_missing_is_told(caplog: pytest.LogCaptureFixture) -> None:
    keyed = terms(password=None, crypto_key=KEY)
    assert choose(KINDS, offer(noise=NOISE, preshared_key=True), keyed).kind == PresharedHandshake.kind
    (text,) = warnings(caplog)
    assert "needs a password" in text
    assert "handshake (preshared)" in text


def test_it_is_told_once_and_not_at_each_reconnection(caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(3):
        choose(KINDS, offer(noise=FOREIGN), terms())
    assert len(warnings(caplog)) == 1


@pytest.mark.parametrize(
    ("changes", "facts"),
    [
        ({}, {}),  # an older hub
        ({"noise": NOISE, "max_protocol_version": 2}, {}),
        ({"noise": NOISE}, {"max_version": 2}),  # as it was asked for
    ],
)
def test_an_older_kind_that_nobody_could_better_is_no_matter(
    changes: dict[str, Any], facts: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    assert choose(KINDS, offer(**changes), terms(**facts)).kind == PasswordHandshake.kind
    assert warnings(caplog) == []


# an older kind after it


def test_a_hub_that_fell_back_names_the_command_with_its_address() -> None:
    with pytest.raises(VersionRefused) as refused:
        choose(KINDS, offer(), terms(pinned=bytes(32)))
    text = str(refused.value)
    assert "the hub no longer offers version 3" in text
    assert "Only if the hub's owner says that it was set back: run 'hivemind-client forget-server" in text
    assert f"'hivemind-client forget-server {WHERE[5:]}'" in text
    assert "'--max-protocol 2'" in text


def test_what_keeps_us_from_it_is_not_laid_at_the_hubs_door(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "poorman_handshake.noise", None)
    with pytest.raises(VersionRefused) as refused:
        choose(KINDS, offer(noise=NOISE), terms(pinned=bytes(32)))
    text = str(refused.value)
    assert "no longer offers" not in text
    assert "Only if the hub's owner agrees to an older version: run 'hivemind-client forget-server" in text
    assert "poorman-handshake 2" in text
    assert f"'hivemind-client forget-server {WHERE[5:]}'" in text


# a transport that can do no better

TEXT_ONLY = "the transport for own carries text only"
CAPPED: dict[str, Any] = {"max_version": 2, "hindrance": TEXT_ONLY}


def test_a_transport_that_lowers_the_version_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(3):
        assert choose(KINDS, offer(noise=NOISE), terms(**CAPPED)).kind == PasswordHandshake.kind
    (text,) = warnings(caplog)
    assert f"offers protocol version 3, but {TEXT_ONLY}. Taken is a weaker handshake (password)" in text


def test_a_transport_that_lowers_nothing_is_no_matter(caplog: pytest.LogCaptureFixture) -> None:
    assert choose(KINDS, offer(), terms(**CAPPED)).kind == PasswordHandshake.kind
    assert warnings(caplog) == []


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"noise": NOISE}, f"and offers it, but {TEXT_ONLY}"),
        ({}, "and the hub no longer offers version 3"),
    ],
)
def test_a_transport_never_lowers_the_version_of_a_hub_with_a_pin(changes: dict[str, Any], what: str) -> None:
    with pytest.raises(VersionRefused) as refused:
        choose(KINDS, offer(**changes), terms(pinned=bytes(32), **CAPPED))
    assert what in str(refused.value)
    assert "max_protocol_version=2" in str(refused.value)


@pytest.mark.parametrize("changes", [{"noise": NOISE}, {}])
def test_a_transport_never_lowers_the_version_that_was_named(changes: dict[str, Any]) -> None:
    with pytest.raises(VersionRefused) as refused:
        choose(KINDS, offer(**changes), terms(insists=True, **CAPPED))
    assert str(refused.value) == (
        f"protocol version 3 was asked for, but {TEXT_ONLY}: reach the hub over another transport, or allow the older "
        "version with max_protocol_version=2 ('--max-protocol 2')"
    )


def test_a_hub_whose_versions_a_transport_cannot_do() -> None:
    text = refusal(ONLY_NOISE, terms(**CAPPED))
    assert f"speaks protocol version 3 only, but {TEXT_ONLY}: reach the hub over another transport" in text
    assert "--max-protocol" not in text


# ciphers that the user lists


@needs_noise
@pytest.mark.parametrize("pinned", [None, bytes(32)], ids=["first-contact", "pinned"])
@pytest.mark.parametrize("listed", ["XChaCha20-Poly1305", "AES-GCM"])
def test_a_listed_cipher_never_lowers_the_version(listed: str, pinned: Optional[bytes]) -> None:
    with pytest.raises(NegotiationRefused) as refused:
        choose(KINDS, offer(noise=NOISE), terms(ciphers=(listed,), pinned=pinned))
    assert str(refused.value) == (
        f"the hub at {WHERE} speaks protocol version 3, in which none of the ciphers that were asked for can be used "
        f"({listed}). No older version is spoken for that: list CHACHA20-POLY1305 too, or allow the older version with "
        "max_protocol_version=2 ('--max-protocol 2')"
    )


@needs_noise
def test_a_hub_without_older_versions_has_none_to_allow() -> None:
    with pytest.raises(NegotiationRefused, match=r"too$"):
        choose(KINDS, Offer.read(ONLY_NOISE), terms(ciphers=("XChaCha20-Poly1305",)))


@pytest.mark.parametrize(
    ("changes", "facts"),
    [
        ({}, {}),  # the hub speaks nothing newer
        ({"noise": NOISE}, {"max_version": 2}),
        ({"noise": FOREIGN}, {}),  # no cipher of ours would do better
    ],
)
def test_a_listed_cipher_that_lowers_nothing_is_taken(changes: dict[str, Any], facts: dict[str, Any]) -> None:
    asked = terms(ciphers=("XChaCha20-Poly1305",), **facts)
    assert choose(KINDS, offer(**changes), asked).kind == PasswordHandshake.kind


# no version in common


ONLY_NOISE = {"max_protocol_version": 3, "noise": NOISE}


def refusal(payload: dict[str, Any], ours: Terms) -> str:
    with pytest.raises(VersionRefused) as refused:
        choose(KINDS, Offer.read(payload), ours)
    return str(refused.value)


def test_a_version_that_was_lowered_here_is_raised_first() -> None:
    text = refusal(ONLY_NOISE, terms(max_version=2))
    assert "speaks protocol version 3 only, and this client up to 2" in text
    assert "raise max_protocol_version ('--max-protocol')" in text
    assert "update the client" not in text
    assert "server.json" not in text  # such a hub has no older version to allow


def test_a_hub_with_a_floor_can_lower_it() -> None:
    payload = {**offer_payload(), "min_protocol_version": 2, "max_protocol_version": 3}
    text = refusal(payload, terms(max_version=1))
    assert "speaks protocol versions 2 to 3, and this client up to 1" in text
    assert "min_protocol_version" in text


def test_a_hub_of_the_future() -> None:
    payload = {**offer_payload(), "min_protocol_version": 4, "max_protocol_version": 5}
    text = refusal(payload, terms())
    assert "speaks protocol versions 4 to 5" in text
    assert "update the client" in text
    assert "--max-protocol" not in text


def test_a_hub_whose_highest_version_is_below_its_lowest() -> None:
    payload = {**offer_payload(), "min_protocol_version": 4, "max_protocol_version": 1}
    assert "speaks protocol version 4 only" in refusal(payload, terms())


def test_a_hub_of_version_3_only_has_a_password_for_us() -> None:
    with pytest.raises(NegotiationRefused, match="has password for this access key, and we have neither"):
        choose(KINDS, Offer.read(ONLY_NOISE), terms(password=None))


def test_the_kinds_to_choose_from_are_given() -> None:
    older = [Offered("a plugin", HandshakeKind(kind)) for kind in (PresharedHandshake, PasswordHandshake)]
    assert choose(older, offer(), terms()).kind == PasswordHandshake.kind
    with pytest.raises(VersionRefused, match="version 3 only: the handshake 'password' is the newest here"):
        choose(older, Offer.read(ONLY_NOISE), terms())
