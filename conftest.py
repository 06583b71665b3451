"""Keeps the test run away from the files and settings of whoever runs it."""

from __future__ import annotations

import gc
import hashlib
import os
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

if sys.version_info < (3, 10):
    # The asyncio client needs Python 3.10, and so do the examples that use it.
    collect_ignore_glob = [
        "tests/unit/aio/test_*.py",
        "tests/unit/clients/test_noise*.py",
        "tests/unit/testing/test_async*.py",
        "tests/unit/kernel/test_noise*.py",
        "tests/unit/sync/test_noise*.py",
        "tests/unit/transports/test_*_asyncio.py",
        "tests/unit/test_parity.py",
        "tests/docs/test_programs.py",
    ]

_FOLDERS = {
    "XDG_CONFIG_HOME": "config",
    "XDG_DATA_HOME": "data",
    "XDG_CACHE_HOME": "cache",
    "XDG_STATE_HOME": "state",
    "XDG_RUNTIME_DIR": "runtime",
}
_HOME = pytest.StashKey[Path]()

# HYPOTHESIS_PROFILE=thorough searches longer than fits into every run.
settings.register_profile("quick", max_examples=50, deadline=None)
settings.register_profile("thorough", max_examples=2000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))


def pytest_configure(config: pytest.Config) -> None:
    """Point the XDG folders at a temporary place, drop this library's variables, and let Ctrl-C through."""
    _keep_pip_settings()
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # A shell's background job ignores it, and so would every process that a test interrupts.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    home = Path(tempfile.mkdtemp(prefix="hivemind-tests-"))
    config.stash[_HOME] = home
    for name, folder in _FOLDERS.items():
        (home / folder).mkdir(mode=0o700)
        os.environ[name] = str(home / folder)
    for name in list(os.environ):
        if name.startswith("HIVEMIND_") and not name.startswith("HIVEMIND_INTEROP_"):
            del os.environ[name]


def pytest_collection_finish() -> None:
    """Exempt what is loaded by now from garbage collection: many tests collect, and each would walk all of it."""
    gc.collect()
    gc.freeze()


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove the temporary place."""
    home = config.stash.get(_HOME, None)
    if home is not None:
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(autouse=True)
def ports_kept(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[socket.socket]]:
    """A hub that is stopped within a test gets its port again: tests run side by side, and another could take it.

    Who connects meanwhile is refused, since nobody listens. Yields the sockets that keep a port.
    """
    kept: list[socket.socket] = []
    try:
        from hivemind_core_client.testing.hub import EmbeddedHub
    except ImportError:  # the harness of tests/interop has tests that do without the library
        yield kept
        return
    stop = EmbeddedHub.stop

    def stop_and_keep(hub: Any) -> None:
        stop(hub)
        if os.name == "posix" and hub.port:
            place = socket.socket()
            kept.append(place)
            place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with suppress(OSError):  # it is kept already
                place.bind((hub.host, hub.port))

    monkeypatch.setattr(EmbeddedHub, "stop", stop_and_keep)
    yield kept
    for place in kept:
        place.close()


@pytest.fixture
def cheap_keys(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Derive keys from passwords in one round, for tests with both ends in this process: tests/interop pays in full."""
    monkeypatch.setattr(hashlib, "pbkdf2_hmac", _in_one_round(hashlib.pbkdf2_hmac))
    if sys.version_info < (3, 10):
        yield
        return
    from poorman_handshake import noise

    from hivemind_core_client.testing.hub_noise import pre_shared_key

    monkeypatch.setattr(noise, "hash_secret_raw", _in_little_memory(noise.hash_secret_raw))
    pre_shared_key.cache_clear()
    yield
    pre_shared_key.cache_clear()


def _in_one_round(derive: Any) -> Any:
    def pbkdf2_hmac(name: str, password: bytes, salt: bytes, iterations: int, dklen: Any = None) -> bytes:
        return bytes(derive(name, password, salt, 1, dklen))

    return pbkdf2_hmac


def _in_little_memory(derive: Any) -> Any:
    def hash_secret_raw(**parameters: Any) -> bytes:
        return bytes(derive(**{**parameters, "time_cost": 1, "memory_cost": 8}))

    return hash_secret_raw


def _keep_pip_settings() -> None:
    """Name the user's pip settings outright: pip, run by a test, would look for them under XDG_CONFIG_HOME."""
    base = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    settings = Path(base) / "pip" / "pip.conf"
    if settings.is_file():
        os.environ.setdefault("PIP_CONFIG_FILE", str(settings))
