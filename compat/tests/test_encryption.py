"""Envelopes for RSA keys, and the names of ciphers and encodings, as hubs use them."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from Crypto.PublicKey import RSA
from hivemind_bus_client import encryption, exceptions, util
from hypothesis import given, settings
from hypothesis import strategies as st

from hivemind_core_client.config.rsa_keys import generate_rsa_key

KEY = RSA.import_key(generate_rsa_key()[0])
OTHER = RSA.import_key(generate_rsa_key()[0])
PUBLIC = KEY.public_key()
ENVELOPE = encryption.hybrid_encrypt(PUBLIC, "grüß dich", OTHER)


@settings(max_examples=10)
@given(st.binary(max_size=300))
def test_any_bytes_come_back_from_an_envelope(data: bytes) -> None:
    envelope = encryption.hybrid_encrypt(PUBLIC, data)
    assert list(envelope) == ["encrypted_key", "ciphertext", "tag", "nonce"]
    assert encryption.hybrid_decrypt(KEY, envelope) == data


@pytest.mark.parametrize("form", ["PEM", "DER", "text", "object"])
def test_keys_in_any_form(form: str) -> None:
    def shaped(key: Any) -> Any:
        if form == "text":
            return key.export_key().decode()
        return key if form == "object" else key.export_key(form)

    envelope = encryption.hybrid_encrypt(shaped(PUBLIC), "x", shaped(OTHER))
    assert encryption.hybrid_decrypt(shaped(KEY), envelope) == b"x"
    assert encryption.hybrid_decrypt(KEY, encryption.hybrid_encrypt(shaped(KEY), "x")) == b"x"


def test_a_signature_is_of_the_key_that_signs_and_of_no_use_for_opening() -> None:
    from hivemind_client_intercom import keys

    signer = keys.public_key(OTHER.public_key().export_key().decode())
    signature, ciphertext = (base64.b64decode(ENVELOPE[name]) for name in ("signature", "ciphertext"))
    assert signer.verify(signature, ciphertext)
    assert (
        encryption.hybrid_decrypt(KEY, {**ENVELOPE, "signature": "AA==", "more": 1}).decode() == "grüß dich"
    )


@pytest.mark.parametrize("name", ["encrypted_key", "ciphertext", "tag", "nonce"])
def test_an_envelope_that_was_changed_does_not_open(name: str) -> None:
    changed = bytearray(base64.b64decode(ENVELOPE[name]))
    changed[0] ^= 1
    with pytest.raises(exceptions.DecryptionKeyError):
        encryption.hybrid_decrypt(KEY, {**ENVELOPE, name: base64.b64encode(changed).decode()})
    for wrong in ({**ENVELOPE, name: "?"}, {**ENVELOPE, name: 5}, {**ENVELOPE, name: None}, {}, None):
        with pytest.raises(exceptions.MalformedWirePayload, match="envelope"):
            encryption.hybrid_decrypt(KEY, wrong)


def test_an_envelope_for_somebody_else_does_not_open() -> None:
    with pytest.raises(exceptions.WrongEncryptionKey):
        encryption.hybrid_decrypt(OTHER, ENVELOPE)


@pytest.mark.parametrize("wrong", ["no key", b"\xff", b"", None, 5])
def test_what_is_no_key_is_refused(wrong: Any) -> None:
    for call in (
        lambda: encryption.hybrid_encrypt(wrong, "x"),
        lambda: encryption.hybrid_encrypt(PUBLIC, "x", wrong or b""),
        lambda: encryption.hybrid_decrypt(wrong, ENVELOPE),
    ):
        with pytest.raises(ValueError, match=r"."):
            call()


def test_a_public_key_neither_opens_nor_signs() -> None:
    for call in (
        lambda: encryption.hybrid_decrypt(PUBLIC, ENVELOPE),
        lambda: encryption.hybrid_encrypt(PUBLIC, "x", PUBLIC),
    ):
        with pytest.raises(ValueError, match="no private key"):
            call()


def test_hubs_read_names_by_these_functions() -> None:
    """The names begin with an underscore, and hubs import them all the same."""
    read_cipher, read_encoding = (vars(encryption)[f"_norm_{kind}"] for kind in ("cipher", "encoding"))
    assert read_cipher("AES-GCM") is encryption.SupportedCiphers.AES_GCM
    assert read_encoding("JSON-HEX") is encryption.SupportedEncodings.JSON_HEX
    with pytest.raises(exceptions.InvalidCipher):
        read_cipher("ROT13")
    with pytest.raises(exceptions.InvalidEncoding):
        read_encoding("MORSE")


def test_what_is_imported_when_it_is_asked_for() -> None:
    from ovos_bus_client.message import Message

    assert util.Message is Message and util.SupportedCiphers is encryption.SupportedCiphers
    with pytest.raises(AttributeError, match="no attribute 'Hub'"):
        util.Hub  # noqa: B018
