"""Both ciphers over both libraries: what one seals the other opens, and published vectors hold."""

from __future__ import annotations

import importlib.util
import itertools
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hivemind_core_client.builtins import ciphers_openssl, ciphers_pycryptodome
from hivemind_core_client.plugins.contract import Cipher
from hivemind_core_client.plugins.proving import cipher_fault
from tests.unit.support import CIPHERS

PROVIDERS: dict[str, dict[str, Cipher]] = {
    "openssl": {cipher.name: cipher for cipher in ciphers_openssl.hivemind_ciphers()},
    "pycryptodome": {cipher.name: cipher for cipher in ciphers_pycryptodome.hivemind_ciphers()},
}
PAIRS = [(*pair, name) for pair in itertools.product(PROVIDERS, PROVIDERS) for name in CIPHERS]
EACH = [(provider, name) for provider in PROVIDERS for name in CIPHERS]
SIZES = {"AES-GCM": ((16, 24, 32), 16), "CHACHA20-POLY1305": ((32,), 12)}


@pytest.mark.parametrize(("provider", "name"), EACH)
def test_sizes_of_the_protocol(provider: str, name: str) -> None:
    cipher = PROVIDERS[provider][name]
    assert (cipher.key_sizes, cipher.nonce_size, cipher.tag_size) == (*SIZES[name], 16)
    assert cipher_fault(cipher) == ""


@pytest.mark.parametrize(("sealer", "opener", "name"), PAIRS)
@given(data=st.binary(max_size=500), seed=st.integers(0, 255), size=st.sampled_from([16, 24, 32]))
def test_what_one_library_seals_the_other_opens(
    sealer: str, opener: str, name: str, data: bytes, seed: int, size: int
) -> None:
    mine, theirs = PROVIDERS[sealer][name], PROVIDERS[opener][name]
    key, nonce = bytes([seed]) * (size if size in mine.key_sizes else 32), bytes([seed ^ 1]) * mine.nonce_size
    sealed = mine.seal(key, nonce, data)
    assert type(sealed) is bytes and len(sealed) == len(data) + 16
    assert theirs.open(key, nonce, sealed) == data
    assert theirs.seal(key, nonce, data) == sealed


@pytest.mark.parametrize(("provider", "name"), EACH)
def test_one_changed_bit_does_not_open(provider: str, name: str) -> None:
    cipher = PROVIDERS[provider][name]
    key, nonce = bytes(32), bytes(cipher.nonce_size)
    sealed = cipher.seal(key, nonce, b"hi")
    for bit in range(8 * len(sealed)):
        forged = bytearray(sealed)
        forged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(ValueError, match=r".*"):
            cipher.open(key, nonce, bytes(forged))
    for wrong_key, wrong_nonce in ((b"\1" * 32, nonce), (key, b"\1" * cipher.nonce_size)):
        with pytest.raises(ValueError, match=r".*"):
            cipher.open(wrong_key, wrong_nonce, sealed)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_the_vector_of_rfc_8439(provider: str) -> None:
    """RFC 8439, 2.4.2: the ciphertext does not depend on associated data, which its AEAD vector has and we have not."""
    key = bytes(range(32))
    nonce = bytes.fromhex("000000000000004a00000000")
    plain = (
        b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, "
        b"sunscreen would be it."
    )
    sealed = PROVIDERS[provider]["CHACHA20-POLY1305"].seal(key, nonce, plain)
    assert sealed[:16].hex() == "6e2e359a2568f98041ba0728dd0d6981"
    assert PROVIDERS[provider]["CHACHA20-POLY1305"].open(key, nonce, sealed) == plain


@pytest.mark.parametrize("provider", PROVIDERS)
def test_aes_gcm_over_a_nonce_of_16_bytes_by_hand(provider: str) -> None:
    """NIST SP 800-38D computed here step by step: GHASH of the nonce, counter mode, GHASH of the ciphertext."""
    key, nonce, plain = bytes(range(32)), bytes(range(50, 66)), b"a message of more than one block"
    assert PROVIDERS[provider]["AES-GCM"].seal(key, nonce, plain) == gcm(key, nonce, plain)


def gcm(key: bytes, nonce: bytes, plain: bytes) -> bytes:
    from Crypto.Cipher import AES

    block: Callable[[bytes], bytes] = AES.new(key, AES.MODE_ECB).encrypt
    hash_key = int.from_bytes(block(bytes(16)), "big")
    start = ghash(hash_key, pad(nonce) + bytes(8) + (8 * len(nonce)).to_bytes(8, "big"))
    stream = b"".join(
        block(start[:12] + ((int.from_bytes(start[12:], "big") + n) % 2**32).to_bytes(4, "big"))
        for n in range(1, len(plain) // 16 + 2)
    )
    ciphertext = bytes(a ^ b for a, b in zip(plain, stream))
    lengths = bytes(8) + (8 * len(ciphertext)).to_bytes(8, "big")
    tag = bytes(a ^ b for a, b in zip(block(start), ghash(hash_key, pad(ciphertext) + lengths)))
    return ciphertext + tag


def pad(data: bytes) -> bytes:
    return data + bytes(-len(data) % 16)


def ghash(hash_key: int, data: bytes) -> bytes:
    total = 0
    for at in range(0, len(data), 16):
        total = multiplied(total ^ int.from_bytes(data[at : at + 16], "big"), hash_key)
    return total.to_bytes(16, "big")


def multiplied(x: int, y: int) -> int:
    product = 0
    for bit in range(127, -1, -1):
        if x >> bit & 1:
            product ^= y
        y = y >> 1 ^ (0xE1 << 120 if y & 1 else 0)
    return product


def test_without_the_cryptography_package_there_is_pycryptodome(monkeypatch: pytest.MonkeyPatch) -> None:
    found: Any = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name, *rest: None if name == "cryptography" else found(name, *rest),
    )
    assert ciphers_openssl.hivemind_ciphers() == []
    assert [cipher.name for cipher in ciphers_pycryptodome.hivemind_ciphers()] == CIPHERS
