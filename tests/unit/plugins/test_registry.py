"""Tables: the first offer wins, and what does not work is not offered."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import evolve

from hivemind_core_client.builtins import ciphers_pycryptodome
from hivemind_core_client.message import HiveMessageType, HiveMindBinaryPayloadType
from hivemind_core_client.plugins.contract import Cipher, Encoding
from hivemind_core_client.plugins.proving import cipher_fault, encoding_fault
from hivemind_core_client.plugins.registry import (
    Conflict,
    Offered,
    build_table,
    wire_name,
)
from tests.unit.support import explode

AES = ciphers_pycryptodome.hivemind_ciphers()[0]
HEX = Encoding("HEX", bytes.hex, bytes.fromhex)


def test_the_first_offer_for_a_name_wins_and_the_others_are_noted() -> None:
    offers = [
        Offered(plugin, word) for plugin, word in (("a", "one"), ("b", "two"), ("c", "once"), ("d", "only"))
    ]
    table = build_table("word", offers, key=lambda word: word[0])
    assert table.items == {"o": "one", "t": "two"}
    assert table.conflicts == (Conflict("word", "o", "a", ("c", "d")),)


def test_a_table_of_nothing() -> None:
    table: Any = build_table("word", [], key=str)
    assert (dict(table.items), table.conflicts) == ({}, ())


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("AES-GCM", "AES-GCM"),
        (HiveMessageType.BUS, "bus"),
        (HiveMindBinaryPayloadType.TTS_AUDIO, "TTS_AUDIO"),
    ],
)
def test_names_of_keys(key: Any, name: str) -> None:
    assert wire_name(key) == name


def as_it_is(data: Any) -> Any:
    return data


def none_for_nothing(text: str) -> Any:
    return bytes.fromhex(text) or None


ENCODINGS: list[tuple[Encoding, str]] = [
    (HEX, ""),
    (evolve(HEX, encode=as_it_is), "does not give back"),
    (evolve(HEX, decode=lambda text: bytes.fromhex(text)[:200]), "does not give back the 256 bytes"),
    (evolve(HEX, decode=none_for_nothing), "0 bytes"),
    (evolve(HEX, encode=lambda data: data.rstrip(b"\xd8").hex()), "does not give back"),
    (evolve(HEX, encode=explode), "failed its self-test: RuntimeError: broken"),
    (evolve(HEX, decode=explode), "failed its self-test: RuntimeError: broken"),
]


@pytest.mark.parametrize(("encoding", "fault"), ENCODINGS)
def test_handshake_encodings_are_tried_before_they_are_offered(encoding: Encoding, fault: str) -> None:
    """Row: encodings were offered that could not round-trip."""
    found = encoding_fault(encoding)
    assert fault in found and bool(found) == bool(fault)


def unauthenticated(key: bytes, nonce: bytes, sealed: bytes) -> bytes:
    return sealed[:-16]


CIPHERS: list[tuple[Cipher, str]] = [
    (AES, ""),
    (evolve(AES, key_sizes=()), "names no key size"),
    (evolve(AES, seal_into=lambda key, nonce, plain, buffer: None), "seals otherwise with seal_into"),
    (evolve(AES, seal_into=explode), "failed its self-test: RuntimeError: broken"),
    (evolve(AES, seal=explode), "failed its self-test: RuntimeError: broken"),
    (evolve(AES, open=explode), "failed its self-test: RuntimeError: broken"),
    (evolve(AES, tag_size=12), "a tag of 12 bytes"),
    (evolve(AES, key_sizes=(16, 17)), "failed its self-test"),
    (evolve(AES, open=lambda key, nonce, sealed: b"other"), "does not open what it sealed"),
    (
        evolve(AES, seal=lambda key, nonce, plain: plain + bytes(16), open=unauthenticated),
        "does not seal as hubs do",
    ),
]


@pytest.mark.parametrize(("cipher", "fault"), CIPHERS)
def test_ciphers_are_tried_before_they_are_offered(cipher: Cipher, fault: str) -> None:
    found = cipher_fault(cipher)
    assert fault in found and bool(found) == bool(fault)
