"""Offers, terms and the choice of a handshake."""

from __future__ import annotations

import logging
import subprocess
import sys
import uuid
from typing import Any, Optional

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from hivemind_core_client.builtins import ciphers_pycryptodome
from hivemind_core_client.errors import (
    HandshakeError,
    HiveMindError,
    InvalidKeySize,
    NegotiationRefused,
    PasswordRefused,
    VersionRefused,
)
from hivemind_core_client.kernel.crypto import CipherChannel
from hivemind_core_client.kernel.events import Failed
from hivemind_core_client.kernel.handshake import password
from hivemind_core_client.kernel.handshake.base import terms_of
from hivemind_core_client.kernel.handshake.guarding import choose
from hivemind_core_client.kernel.handshake.preshared import PresharedHandshake
from hivemind_core_client.kernel.options import Credentials, LinkOptions
from hivemind_core_client.kernel.policy import Limits
from hivemind_core_client.plugins.contract import HubFacts
from hivemind_core_client.plugins.handshake_contract import Handshake, Offer, Progress, Terms
from tests.unit.strategies import JSON
from tests.unit.support import (
    CIPHERS,
    ENCODINGS,
    KEY,
    PASSWORD,
    WHERE,
    Hub,
    new_link,
    offer_payload,
    only,
    password_exchange,
    plugin,
    plugins_of,
    registry,
    rsa_credentials,
)

KINDS = registry().handshakes

SECRETS = Credentials(password=PASSWORD)
PRESHARED = Credentials(crypto_key=KEY)


def terms(credentials: Credentials = SECRETS, **changes: Any) -> Terms:
    tables = registry()
    base = Terms(
        credentials,
        tables,
        HubFacts("hub-1"),
        tuple(tables.ciphers),
        tuple(tables.encodings),
        binarize=True,
        max_version=2,
        where=WHERE,
        limit=Limits().assembled,
        make_channel=CipherChannel,
    )
    return evolve(base, **changes)


def offer(**changes: Any) -> Offer:
    return Offer.read({**offer_payload(), **changes})


def test_an_empty_offer_means_what_old_hubs_mean() -> None:
    assert Offer.read({}) == Offer(0, 1, False, False, False, (), ())


def test_an_offer_is_read_whole() -> None:
    read = offer(binarize=True, preshared_key=True, max_protocol_version=2)
    assert read == Offer(0, 2, True, True, True, tuple(CIPHERS), tuple(ENCODINGS))


@pytest.mark.parametrize(
    "payload",
    [
        {"min_protocol_version": "0"},
        {"min_protocol_version": True},
        {"max_protocol_version": 1.0},
        {"max_protocol_version": None},
        {"ciphers": "AES-GCM"},
        {"ciphers": {"AES-GCM": 1}},
        {"encodings": ["JSON-HEX", 1]},
        {"encodings": [["JSON-HEX"]]},
    ],
)
def test_an_offer_of_the_wrong_kind_is_refused(payload: dict[str, Any]) -> None:
    with pytest.raises(HandshakeError):
        Offer.read(payload)


@pytest.mark.parametrize("value", ["true", 1, [], None])
def test_only_true_is_true(value: Any) -> None:
    read = Offer.read({"binarize": value, "password": value, "preshared_key": value})
    assert not (read.binarize or read.password or read.preshared_key)


@given(st.dictionaries(st.sampled_from([*offer_payload(), "noise"]), JSON))
def test_any_offer_is_read_or_one_typed_error(payload: dict[str, Any]) -> None:
    try:
        assert isinstance(Offer.read(payload), Offer)
    except HandshakeError:
        assert True


CHOICES: list[tuple[str, Credentials, dict[str, Any], Optional[str]]] = [
    ("password", SECRETS, {}, "password"),
    ("password beside a key at the hub", SECRETS, {"preshared_key": True}, "password"),
    ("key", PRESHARED, {"preshared_key": True, "password": False}, "preshared"),
    (
        "key before password",
        Credentials(password=PASSWORD, crypto_key=KEY),
        {"preshared_key": True},
        "preshared",
    ),
    (
        "key that the hub lacks, but a password",
        Credentials(password=PASSWORD, crypto_key=KEY),
        {},
        "password",
    ),
    ("key and a hub of version 1", PRESHARED, {"preshared_key": True, "min_protocol_version": 1}, None),
    ("neither", rsa_credentials(), {"password": False}, "rsa"),
    ("neither, though the hub has a password", rsa_credentials(), {}, "rsa"),
    ("neither, at a hub of version 2", rsa_credentials(), {"min_protocol_version": 2}, None),
    ("a password that the hub lacks", SECRETS, {"password": False}, None),
    ("a key that the hub lacks", PRESHARED, {"password": False}, None),
    (
        "handshake/rsa is no downgrade from a password",
        rsa_credentials(password=PASSWORD),
        {"password": False},
        None,
    ),
    ("handshake/rsa is no downgrade from a key", rsa_credentials(crypto_key=KEY), {"password": False}, None),
]


@pytest.mark.parametrize(
    ("credentials", "changes", "kind"), [row[1:] for row in CHOICES], ids=[row[0] for row in CHOICES]
)
def test_the_offer_decides_the_kind(
    credentials: Credentials, changes: dict[str, Any], kind: Optional[str]
) -> None:
    """Row: every handshake the hub may offer, chosen by its offer alone."""
    if kind is None:
        with pytest.raises(NegotiationRefused, match="no handshake fits"):
            choose(KINDS, offer(**changes), terms(credentials))
    else:
        assert choose(KINDS, offer(**changes), terms(credentials)).kind == kind


def test_a_refusal_names_what_both_sides_have() -> None:
    with pytest.raises(NegotiationRefused, match=r"has pre-shared key for .* we have password"):
        choose(KINDS, offer(password=False, preshared_key=True), terms())
    with pytest.raises(NegotiationRefused, match=r"has neither a password nor a key .* we have crypto_key"):
        choose(KINDS, offer(password=False), terms(PRESHARED))


@pytest.mark.parametrize(("lowest", "ours"), [(3, 2), (2, 1), (1, 0)])
def test_versions_without_overlap_are_refused(lowest: int, ours: int) -> None:
    with pytest.raises(VersionRefused, match=f"{lowest} to 9.*up to {ours}"):
        choose(KINDS, offer(min_protocol_version=lowest, max_protocol_version=9), terms(max_version=ours))


@pytest.mark.parametrize(
    ("highest", "ours", "version"), [(0, 2, 0), (1, 2, 1), (2, 2, 2), (3, 2, 2), (2, 1, 1)]
)
def test_the_version_is_the_highest_both_speak(highest: int, ours: int, version: int) -> None:
    handshake = choose(KINDS, offer(max_protocol_version=highest), terms(max_version=ours))
    outcome = run(handshake).outcome
    assert outcome is not None and outcome.negotiated.version == version


def run(handshake: Handshake, **changes: Any) -> Progress:
    """The hub's half of a password handshake that is right, but for `changes`."""
    reply = handshake.begin().reply
    assert reply is not None
    exchange = password_exchange(PASSWORD)
    fields = {"envelope": exchange.generate_handshake(), "cipher": reply["ciphers"][0]}
    return handshake.receive({**fields, "encoding": reply["encodings"][0], **changes})


def test_what_a_hub_does_not_name_is_the_default() -> None:
    outcome = run(choose(KINDS, offer(), terms()), cipher="", encoding=None).outcome
    assert outcome is not None
    assert (outcome.negotiated.cipher, outcome.negotiated.encoding) == ("AES-GCM", "JSON-HEX")


def test_defaults_that_we_do_not_allow_are_refused() -> None:
    limited = terms(ciphers=("CHACHA20-POLY1305",))
    with pytest.raises(NegotiationRefused, match="AES-GCM"):
        run(choose(KINDS, offer(), limited), cipher=None)


@pytest.mark.parametrize(
    ("theirs", "ours", "error"),
    [
        ({"ciphers": ["ROT13"]}, {}, "no common cipher"),
        ({"encodings": ["JSON-ROT13"]}, {}, "no common encoding"),
        ({"ciphers": ["AES-GCM"]}, {"ciphers": ("CHACHA20-POLY1305",)}, "allowed_ciphers"),
        ({"encodings": ["JSON-HEX"]}, {"encodings": ("JSON-B64",)}, "allowed_encodings"),
    ],
)
def test_nothing_in_common_says_what_to_change(
    theirs: dict[str, Any], ours: dict[str, Any], error: str
) -> None:
    with pytest.raises(NegotiationRefused, match=error):
        choose(KINDS, offer(**theirs), terms(**ours)).begin()


def test_the_proposal_keeps_our_order_and_leaves_out_what_the_hub_lacks() -> None:
    ours = terms(encodings=("JSON-B32", "JSON-B64", "JSON-HEX"))
    proposal = ours.proposal(offer(encodings=["JSON-HEX", "JSON-B32"], binarize=True))
    assert proposal == {
        "binarize": True,
        "encodings": ["JSON-B32", "JSON-HEX"],
        "ciphers": list(ours.ciphers),
    }


@pytest.mark.parametrize("hub_password", [f"{PASSWORD}x", PASSWORD.lower()])
def test_a_password_that_differs_is_refused(hub_password: str) -> None:
    handshake = choose(KINDS, offer(), terms())
    handshake.begin()
    with pytest.raises(PasswordRefused, match="got encrypted message, but could not decrypt!") as refused:
        handshake.receive({"envelope": password_exchange(hub_password).generate_handshake()})
    assert PASSWORD not in str(refused.value)


def test_both_sides_own_one_key() -> None:
    handshake = choose(KINDS, offer(), terms())
    reply = handshake.begin().reply
    assert reply is not None
    exchange = password_exchange(PASSWORD)
    outcome = handshake.receive({"envelope": exchange.generate_handshake()}).outcome
    assert exchange.receive_and_verify(reply["envelope"]) and outcome is not None
    mine = terms().channel("AES-GCM", "JSON-HEX", exchange.secret)
    assert mine.open(outcome.channel.seal("hello")[0]) == "hello"


def test_a_guessable_password_is_used_with_one_warning(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The satellite cannot change it: the hub chose it. poorman-handshake 2 refuses it, 1 does not look."""
    made: list[tuple[str, dict[str, Any]]] = []

    def picky(text: str, **options: Any) -> str:
        if not options:
            raise ValueError("weak")
        made.append((text, options))
        return "exchange"

    monkeypatch.setattr(password, "PasswordHandShake", picky)
    guessable = f"letmein-{uuid.uuid4()}"  # of which nobody was warned yet
    with caplog.at_level(logging.WARNING):
        assert password.new_exchange(guessable) == password.new_exchange(guessable) == "exchange"
    assert made == [(guessable, {"min_bits": 0})] * 2
    assert caplog.text.count("easy to guess") == 1 and "letmein" not in caplog.text


def test_a_deprecation_that_another_thread_lets_through_costs_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Filters of warnings belong to the process: under `-W error` one thread may put back what another has lifted."""
    calls: list[str] = []

    def deprecated(text: str) -> str:
        calls.append(text)
        if len(calls) < 3:
            raise DeprecationWarning("not a PAKE")
        return "exchange"

    monkeypatch.setattr(password, "PasswordHandShake", deprecated)
    assert password.new_exchange(PASSWORD) == "exchange"


def test_a_strong_password_is_no_reason_to_warn(caplog: pytest.LogCaptureFixture) -> None:
    password.new_exchange(PASSWORD)
    assert caplog.text == ""


def test_a_preshared_key_needs_no_answer() -> None:
    handshake = PresharedHandshake(offer(preshared_key=True), terms(PRESHARED))
    assert handshake.begin().outcome is not None
    with pytest.raises(HandshakeError, match="never asked"):
        handshake.receive({"envelope": ""})


def test_a_preshared_key_uses_the_defaults_or_nothing() -> None:
    with pytest.raises(NegotiationRefused, match="JSON-HEX"):
        PresharedHandshake(offer(), terms(PRESHARED, encodings=("JSON-B64",))).begin()
    with pytest.raises(InvalidKeySize):
        PresharedHandshake(offer(), terms(Credentials(crypto_key=b""))).begin()


def test_a_hub_that_hangs_up_on_our_part_refused_the_terms() -> None:
    assert isinstance(choose(KINDS, offer(), terms()).interrupted(by_policy=False), NegotiationRefused)


def test_a_hub_that_checks_our_password_and_hangs_up_refused_it() -> None:
    verifying = offer(max_protocol_version=2)
    assert isinstance(choose(KINDS, verifying, terms()).interrupted(by_policy=False), PasswordRefused)


@pytest.mark.parametrize(
    ("version", "key", "binarize"),
    [(1, "K" * 450, True), (2, "K" * 450, False), (3, "", True), (3, "K" * 80, True)],
)
def test_no_binary_frames_with_a_hub_whose_answers_do_not_fit(version: int, key: str, binarize: bool) -> None:
    ours = terms(binarize=True, hub=HubFacts(public_key=key))
    assert ours.proposal(offer(max_protocol_version=version, binarize=True))["binarize"] is binarize


def test_a_cipher_that_takes_no_key_of_32_bytes_fails_with_a_typed_error() -> None:
    aes = ciphers_pycryptodome.hivemind_ciphers()[0]
    narrow = evolve(aes, name="NARROW", key_sizes=(16,))
    tables = plugins_of(plugin("acme", hivemind_ciphers=lambda: [narrow])).registry()
    assert "NARROW" in tables.ciphers
    hub = Hub(new_link(tables=tables, ciphers=("NARROW",)))
    hub.hello()
    hub.offer(ciphers=["NARROW"])
    assert isinstance(only(Failed, hub.answer()).error, InvalidKeySize)


def test_a_cipher_of_another_name_is_offered_only_where_it_is_listed() -> None:
    mine = evolve(ciphers_pycryptodome.hivemind_ciphers()[0], name="MINE")
    tables = plugins_of(plugin("acme", hivemind_ciphers=lambda: [mine])).registry()

    def proposed(*listed: str) -> list[str]:
        options = LinkOptions(where=WHERE, ciphers=listed)
        return list(terms_of(options, tables, HubFacts()).proposal(offer(ciphers=None))["ciphers"])

    assert sorted(proposed()) == ["AES-GCM", "CHACHA20-POLY1305"]
    assert proposed("MINE", "AES-GCM") == ["MINE", "AES-GCM"]


def test_credentials_are_not_shown() -> None:
    shown = repr(Credentials(PASSWORD, KEY, lambda: "PRIVATE", lambda: "PUBLIC", "HUBKEY"))
    assert not any(secret in shown for secret in (PASSWORD, str(KEY), "HUBKEY", "PRIVATE"))
    assert PASSWORD not in repr(terms())


def test_every_kind_has_a_name_and_a_version() -> None:
    assert [(kind.name, kind.max_version) for kind in (each.item for each in KINDS)] == [
        ("noise", 3),
        ("preshared", 0),
        ("password", 2),
        ("rsa", 1),
    ]


def test_without_an_rsa_key_the_error_says_how_to_make_one() -> None:
    with pytest.raises(HandshakeError, match="reset-pgp"):
        Credentials().private_key()
    assert issubclass(HandshakeError, HiveMindError)


def test_a_password_handshake_loads_no_argon2() -> None:
    """Row: 1.1 s went to a CPU-info library; what a handshake does not need is not loaded."""
    code = "import sys, hivemind_core_client.kernel.link; print([m for m in ('cpuinfo', 'argon2') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "cpuinfo" not in done.stdout
