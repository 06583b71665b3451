"""Keys that cost nothing, for tests in which both ends are of one process."""

from __future__ import annotations

import hashlib
import sys
from typing import Any

import pytest

from hivemind_core_client.testing import hub_noise

#: Whether the keys that the embedded hub remembers from earlier tests are real ones; nothing before the first.
_remembered: list[bool] = []


@pytest.fixture(autouse=True)
def cheap_keys(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Derive keys from passwords in one round: what they cost real hubs, tests/interop pays.

    A test marked `real_keys` derives as the protocol says: it has a peer in another process, or known results.
    """
    has_noise = sys.version_info >= (3, 10)  # as poorman-handshake 2
    are_real = request.node.get_closest_marker("real_keys") is not None
    if has_noise and _remembered != [are_real]:
        hub_noise._derived.cache_clear()
        _remembered[:] = [are_real]
    if are_real:
        return
    monkeypatch.setattr(hashlib, "pbkdf2_hmac", _in_one_round(hashlib.pbkdf2_hmac))
    if has_noise:
        from poorman_handshake import noise

        monkeypatch.setattr(noise, "hash_secret_raw", _in_little_memory(noise.hash_secret_raw))


def _in_one_round(derive: Any) -> Any:
    def pbkdf2_hmac(name: str, password: bytes, salt: bytes, iterations: int, dklen: Any = None) -> bytes:
        return bytes(derive(name, password, salt, 1, dklen))

    return pbkdf2_hmac


def _in_little_memory(derive: Any) -> Any:
    def hash_secret_raw(**parameters: Any) -> bytes:
        return bytes(derive(**{**parameters, "time_cost": 1, "memory_cost": 8}))

    return hash_secret_raw
