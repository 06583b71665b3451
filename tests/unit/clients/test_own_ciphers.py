"""Ciphers of plugins, in each protocol version and with each kind of client."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import evolve

from hivemind_core_client import errors as err
from hivemind_core_client.builtins import ciphers_openssl
from hivemind_core_client.plugins.contract import Cipher
from hivemind_core_client.testing import EmbeddedHub, check_cipher
from tests.unit.client_support import Make, ask
from tests.unit.noise_support import needs_noise
from tests.unit.support import PASSWORD, plugin

AES, CHACHA = ciphers_openssl.hivemind_ciphers()
NAMES = ["AES-GCM", "CHACHA20-POLY1305"]


def _xchacha(key: bytes, nonce: bytes) -> Any:
    from Crypto.Cipher import ChaCha20_Poly1305

    return ChaCha20_Poly1305.new(key=key, nonce=nonce)  # of 24 bytes: XChaCha20


def _seal(key: bytes, nonce: bytes, plaintext: bytes) -> bytes:
    ciphertext, tag = _xchacha(key, nonce).encrypt_and_digest(plaintext)
    return bytes(ciphertext + tag)


def _open(key: bytes, nonce: bytes, sealed: bytes) -> bytes:
    return bytes(_xchacha(key, nonce).decrypt_and_verify(sealed[:-16], sealed[-16:]))


XCHACHA = Cipher("XChaCha20-Poly1305", (32,), 24, 16, _seal, _open)


class Counting:
    """A plugin with a cipher of a known name, that notes the nonces it is called with."""

    __name__ = "counting"

    def __init__(self, inner: Cipher, **changes: Any) -> None:
        self.sealed: list[bytes] = []
        self.opened: list[bytes] = []

        def seal(key: bytes, nonce: bytes, plaintext: bytes) -> bytes:
            self.sealed.append(nonce)
            return inner.seal(key, nonce, plaintext)

        def open_(key: bytes, nonce: bytes, sealed: bytes) -> bytes:
            self.opened.append(nonce)
            return inner.open(key, nonce, sealed)

        self.cipher = evolve(inner, seal=seal, open=open_, seal_into=None, **changes)
        self.plugin = plugin("counting", hivemind_ciphers=lambda: [self.cipher])

    def forget(self) -> None:
        self.sealed.clear()
        self.opened.clear()


@needs_noise
@pytest.mark.parametrize("inner", [AES, CHACHA], ids=lambda cipher: cipher.name)
def test_a_cipher_of_a_known_name_seals_the_frames_of_version_3(inner: Cipher, make: Make) -> None:
    own = Counting(inner)
    with EmbeddedHub({"k": PASSWORD}, versions=(3, 3)) as hub:
        client = make(hub, plugins=[own.plugin], ciphers=[inner.name])
        own.forget()  # what it proved
        with client:
            assert ask(client) == "you said: hello"
            assert client.negotiated.version == 3 and client.negotiated.cipher == inner.name
    assert len(own.sealed) >= 2 and own.opened
    order = "big" if inner is AES else "little"
    for nonces in (own.sealed, own.opened):
        assert all(nonce[:4] == bytes(4) for nonce in nonces)
        assert [int.from_bytes(nonce[4:], order) for nonce in nonces] == list(range(len(nonces)))


@needs_noise
def test_a_suite_that_only_a_plugin_knows(make: Make) -> None:
    """A hub that offers a further suite: its cipher must be listed, since hubs do not know its name."""
    further = evolve(AES, name="AES-GCM/SHA512", suites=["25519_AESGCM_SHA512"])
    own = plugin("further", hivemind_ciphers=lambda: [further])
    with EmbeddedHub({"k": PASSWORD}, versions=(3, 3), plugins=[own], ciphers=["AES-GCM/SHA512"]) as hub:
        with make(hub, plugins=[own], ciphers=["AES-GCM/SHA512", *NAMES]) as client:
            assert ask(client) == "you said: hello"
            assert (client.negotiated.kind, client.negotiated.cipher) == ("noise", "AES-GCM/SHA512")
        with pytest.raises(err.VersionRefused, match=r"is ours, with the ciphers that we allow: .*AES-GCM"):
            make(hub, plugins=[own]).connect()


def test_a_cipher_of_its_own_name_in_protocol_1(make: Make) -> None:
    own = plugin("xchacha", hivemind_ciphers=lambda: [XCHACHA])
    with EmbeddedHub({"k": PASSWORD}, plugins=[own]) as hub:
        with make(hub, plugins=[own], ciphers=[XCHACHA.name, "AES-GCM"]) as client:
            assert ask(client) == "you said: hello"
            assert (client.negotiated.version, client.negotiated.cipher) == (1, XCHACHA.name)
        with make(hub, plugins=[own]) as client:  # nobody listed it
            assert client.negotiated.cipher in NAMES


@needs_noise
def test_a_hub_without_a_suite_says_so_when_it_is_made(caplog: pytest.LogCaptureFixture) -> None:
    own = [plugin("xchacha", hivemind_ciphers=lambda: [XCHACHA])]
    EmbeddedHub(versions=(0, 3), plugins=own)
    EmbeddedHub(versions=(0, 3), plugins=own, ciphers=[XCHACHA.name, "AES-GCM"])
    EmbeddedHub(plugins=own, ciphers=[XCHACHA.name])
    assert "suite of Noise" not in caplog.text
    EmbeddedHub(versions=(0, 3), plugins=own, ciphers=[XCHACHA.name])
    assert (
        "none of its ciphers (XChaCha20-Poly1305) belongs to a suite of Noise. List AES-GCM or" in caplog.text
    )


@needs_noise
@pytest.mark.parametrize("versions", [(0, 3), (3, 3)])
def test_a_cipher_of_older_versions_does_not_lower_the_version(versions: tuple[int, int], make: Make) -> None:
    own = plugin("xchacha", hivemind_ciphers=lambda: [XCHACHA])
    with EmbeddedHub({"k": PASSWORD}, versions=versions, plugins=[own]) as hub:
        with pytest.raises(err.NegotiationRefused) as refused:
            make(hub, plugins=[own], ciphers=[XCHACHA.name]).connect()
        text = str(refused.value)
        assert "speaks protocol version 3, in which none of the ciphers that were asked for" in text
        assert "(XChaCha20-Poly1305). No older version is spoken for that: list " in text
        assert "AES-GCM" in text and "CHACHA20-POLY1305" in text
        assert ("max_protocol_version=2" in text) == (versions[0] < 3)
        with make(hub, plugins=[own], ciphers=[XCHACHA.name, "AES-GCM"]) as client:
            assert (client.negotiated.version, client.negotiated.cipher) == (3, "AES-GCM")
        if versions[0] < 3:
            with make(hub, plugins=[own], ciphers=[XCHACHA.name], max_protocol_version=2) as client:
                assert client.negotiated.cipher == XCHACHA.name


def test_it_is_sound() -> None:
    check_cipher(XCHACHA)


@needs_noise
def test_a_cipher_that_breaks_after_it_was_proved_costs_its_message(make: Make) -> None:
    broken = [False]

    def seal(key: bytes, nonce: bytes, plaintext: bytes) -> bytes:
        return explode_if(broken) or AES.seal(key, nonce, plaintext)

    own = plugin("breaks", hivemind_ciphers=lambda: [evolve(AES, seal=seal, seal_into=None)])
    with EmbeddedHub({"k": PASSWORD}, versions=(3, 3)) as hub:
        with make(hub, plugins=[own], ciphers=["AES-GCM"]) as client:
            assert ask(client) == "you said: hello"
            broken[0] = True
            with pytest.raises(err.EncryptionFailed, match="AES-GCM could not seal: RuntimeError"):
                ask(client)
            broken[0] = False
            assert ask(client, "again") == "you said: again"
            assert client.state == "connected"


def explode_if(broken: list[bool]) -> Any:
    if broken[0]:
        raise RuntimeError("broken")
    return None
