"""The suites of Noise that a cipher seals the frames of (Noise revision 34, section 12; docs/plugins-ciphers.md)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Literal

    from hivemind_core_client.plugins.contract import Cipher

#: The suite that each name stands for which hubs know.
STANDARD_SUITES = {"AES-GCM": "25519_AESGCM_SHA256", "CHACHA20-POLY1305": "25519_ChaChaPoly_SHA256"}
#: Of a key and a nonce in Noise, in bytes.
KEY_SIZE, NONCE_SIZE = 32, 12
#: In which order of bytes each cipher function puts the counter into the last eight bytes of the nonce.
_ORDERS: dict[str, Literal["big", "little"]] = {"AESGCM": "big", "ChaChaPoly": "little"}
_HASHES = ("SHA256", "SHA512", "BLAKE2s", "BLAKE2b")


def function_of(suite: str) -> str:
    """The cipher function in the name of a suite, or an empty text for a suite that cannot be spoken here.

    Static keys are of X25519, and the Noise library knows what the specification does.
    """
    curve, _, rest = suite.partition("_")
    function, _, digest = rest.partition("_")
    return function if curve == "25519" and function in _ORDERS and digest in _HASHES else ""


def suites_of(cipher: Cipher) -> tuple[str, ...]:
    """The suites in which this cipher can be used, that of its name first: none where it takes no key of 32 bytes."""
    if KEY_SIZE not in cipher.key_sizes:
        return ()
    own = STANDARD_SUITES.get(cipher.name)
    return (own, *cipher.suites) if own else cipher.suites


def ciphers_by_suite(ciphers: Iterable[Cipher]) -> dict[str, Cipher]:
    """What seals the frames of each suite of Noise; of two for one the first."""
    return {suite: cipher for cipher in reversed(list(ciphers)) for suite in suites_of(cipher)}


def counting(suite: str) -> tuple[Literal["big", "little"], int]:
    """Nonces of this suite are `number.to_bytes(NONCE_SIZE, order)`: the order, and the step between two numbers."""
    order = _ORDERS[function_of(suite)]
    return order, 1 if order == "big" else 1 << 8 * (NONCE_SIZE - 8)
