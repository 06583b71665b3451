"""A broker in this process, and an embedded hub behind it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from hivemind_client_mqtt.testing import EmbeddedBroker, MqttGateway
from hivemind_core_client.testing import EmbeddedHub


@pytest.fixture
def broker() -> Iterator[EmbeddedBroker]:
    """A broker without a hub."""
    with EmbeddedBroker() as broker:
        yield broker


@pytest.fixture
def hub() -> Iterator[EmbeddedHub]:
    """A hub that knows KEY and OTHER."""
    with EmbeddedHub(
        {"KEY": "PASSWORD-long-and-random-4711", "OTHER": "PASSWORD-of-another-one-0815"}
    ) as hub:
        yield hub


@pytest.fixture
def gateway(broker: EmbeddedBroker, hub: EmbeddedHub) -> Iterator[MqttGateway]:
    """The hub, behind the broker."""
    with MqttGateway(broker, hub.url) as gateway:
        yield gateway


@pytest.fixture(autouse=True)
def _cheap(cheap_keys: None) -> None:
    """Both ends are in one process, so their keys may cost nothing."""
