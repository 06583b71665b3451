"""What unit tests find ready: keys that cost nothing, a hub, and the threads that they leave behind."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from hivemind_core_client.testing import EmbeddedHub
from tests.unit.client_support import NewThreads
from tests.unit.support import PASSWORD


@pytest.fixture(autouse=True)
def _cheap(cheap_keys: None) -> None:
    """Both ends are in one process, so their keys may cost nothing."""


@pytest.fixture
def hub() -> Iterator[EmbeddedHub]:
    """A hub that knows the client of `client_support.login`."""
    with EmbeddedHub({"k": PASSWORD}) as running:
        yield running


@pytest.fixture
def new_threads() -> NewThreads:
    before = set(threading.enumerate())

    def new() -> list[threading.Thread]:
        return [one for one in threading.enumerate() if one not in before and "hivemind-" in one.name]

    return new
