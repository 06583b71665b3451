"""What the hub says of itself, as people are shown it."""

from __future__ import annotations

import pytest

from hivemind_core_client.plugins.contract import HubFacts
from hivemind_core_client.testing import EmbeddedHub
from tests.unit.client_support import login

PEM = "-----BEGIN PUBLIC KEY-----\nMIIBIjANBgkq\n-----END PUBLIC KEY-----"
SHORT = "key:adc7b9ce3a9eb82e"


@pytest.mark.parametrize(
    ("facts", "name"),
    [
        (HubFacts("kitchen hub", "me", PEM), "kitchen hub"),
        (HubFacts(PEM, "me", PEM), SHORT),
        (HubFacts("", "me", PEM), SHORT),
        (HubFacts("evil\x1b[2J", "me"), "evil?[2J"),
        (HubFacts(), ""),
    ],
)
def test_the_name_of_a_hub(facts: HubFacts, name: str) -> None:
    assert facts.name == name
    assert "MII" not in repr(facts) and "MII" not in str(facts) and "\x1b" not in repr(facts)


def test_a_hub_that_is_named_by_its_key_has_a_short_name() -> None:
    from hivemind_core_client import HiveMessageBusClient

    with EmbeddedHub({"k": login("")["password"]}, like="5.3") as hub:
        with HiveMessageBusClient(**login(hub.url)) as client:
            assert client.hub is not None and client.hub.node_id == hub.public_key
            assert client.hub.name.startswith("key:") and len(client.hub.name) == 20
            assert "BEGIN" not in f"{client.hub} {client.hub!r} {client!r}"
