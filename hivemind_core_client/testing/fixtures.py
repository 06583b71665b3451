"""pytest fixtures for satellite authors, found through the `pytest11` entry point."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Callable

import pytest

if TYPE_CHECKING:
    from hivemind_core_client.sync.client import HiveMessageBusClient
    from hivemind_core_client.testing.hub import EmbeddedHub

#: The access key and the password of the client that the fixtures' hub knows; for a hub of your own in its place.
KEY, PASSWORD = "fixture-key", "a fixture's password, long and random enough"

_STATIC_KEY = os.urandom(32)


@pytest.fixture
def hivemind_hub() -> Iterator[EmbeddedHub]:
    """A running EmbeddedHub that knows one client and answers each utterance with `you said: …`.

    It speaks protocol versions 0 and 1. For another one override this fixture: `hivemind_client` and
    `hivemind_client_factory` then connect with yours, with `KEY` and `PASSWORD` of this module.
    """
    from hivemind_core_client.testing.hub import EmbeddedHub

    with EmbeddedHub(clients={KEY: PASSWORD}) as hub:
        yield hub


@pytest.fixture
def hivemind_client(hivemind_hub: EmbeddedHub) -> Iterator[HiveMessageBusClient]:
    """A client that is connected with `hivemind_hub`."""
    from hivemind_core_client.sync.client import HiveMessageBusClient

    client = HiveMessageBusClient(
        KEY, PASSWORD, host=hivemind_hub.url, port=hivemind_hub.port, identity=memory_identity()
    )
    with client:
        yield client


@pytest.fixture
def hivemind_client_factory(hivemind_hub: EmbeddedHub) -> Iterator[Callable[..., HiveMessageBusClient]]:
    """A function that makes more clients of `hivemind_hub`, with the options of the constructor.

    They are not connected yet: call `connect`. All get closed.
    """
    from hivemind_core_client.sync.client import HiveMessageBusClient

    made: list[HiveMessageBusClient] = []

    def make(**options: Any) -> HiveMessageBusClient:
        defaults: dict[str, Any] = {
            "key": KEY,
            "password": PASSWORD,
            "host": hivemind_hub.url,
            "port": hivemind_hub.port,
        }
        client = HiveMessageBusClient(**{"identity": memory_identity(), **defaults, **options})
        made.append(client)
        return client

    yield make
    for client in made:
        client.close()


def memory_identity() -> Any:
    """A NodeIdentity that lives in memory: tests leave the user's own alone.

    All have one static key: a hub of protocol version 3 pins it for the access key, and refuses another.
    """
    from hivemind_core_client.config.identity import NodeIdentity

    identity = NodeIdentity({})
    identity._noise_key = _STATIC_KEY
    return identity
