"""Over the wire: who has left is not there any more, and nobody waits for him."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Callable

import pytest
from ovos_bus_client.message import Message

from hivemind_core_client import HiveMessage, HiveMessageBusClient, HiveMessageType, NodeIdentity
from hivemind_core_client.hive_map import HiveMapper
from hivemind_core_client.testing import EmbeddedHub
from tests.unit.client_support import Log, login, utterance
from tests.unit.support import PASSWORD

Connect = Callable[[str], HiveMessageBusClient]


@pytest.fixture
def hub() -> Iterator[EmbeddedHub]:
    accounts = {f"key-{name}": PASSWORD for name in ("kitchen", "attic", "cellar")}
    with EmbeddedHub(clients=accounts, agent=lambda text: "the hub") as running:
        yield running


@pytest.fixture
def connect(hub: EmbeddedHub, tmp_path: Path) -> Iterator[Connect]:
    clients: list[HiveMessageBusClient] = []

    def new(name: str) -> HiveMessageBusClient:
        identity = NodeIdentity(tmp_path / str(len(clients)) / "_identity.json")
        client = HiveMessageBusClient(**login(hub.url, key=f"key-{name}", identity=identity))
        clients.append(client)

        def answer(request: HiveMessage) -> None:
            if not request.metadata.get("is_response"):
                client.answer(request, Message("speak", {"utterance": name}))

        client.on(HiveMessageType.CASCADE, answer)
        client.connect()
        return client

    yield new
    for client in clients:
        client.close()


def said(client: HiveMessageBusClient) -> set[str]:
    return {
        answer.message.data["utterance"] for answer in client.cascade(utterance("who is there"), timeout=30)
    }


def map_of(client: HiveMessageBusClient, peers: set[str]) -> HiveMapper:
    """The map, once it shows these; on a busy machine a flood may settle before all have answered."""
    found = client.ping(settle=0.2)
    for _ in range(20):
        if set(found.nodes) == peers:
            break
        found = client.ping(settle=0.2)
    return found


def test_who_has_left_is_gone_and_nobody_waits_for_him(hub: EmbeddedHub, connect: Connect) -> None:
    kitchen, attic, cellar = (connect(name) for name in ("kitchen", "attic", "cellar"))
    spoken = Log()
    kitchen.on("speak", spoken)
    all_peers = {hub.public_key, *(client.peer for client in (kitchen, attic, cellar))}
    assert set(map_of(kitchen, all_peers).nodes) == all_peers
    began = time.monotonic()
    assert said(kitchen) == {"the hub", "attic", "cellar"}
    waited = time.monotonic() - began
    attic.close()
    hub.wait_for_sessions(2)
    found = map_of(kitchen, all_peers - {attic.peer})
    assert set(found.nodes) == all_peers - {attic.peer}
    assert attic.peer not in found.edges and attic.peer in kitchen.hive_map.nodes
    began = time.monotonic()
    assert said(kitchen) == {"the hub", "cellar"}
    assert len(spoken.wait(2)) == 2  # the bus did not wait either
    assert waited + time.monotonic() - began < 3


def test_who_came_back_in_another_session_is_there_once(hub: EmbeddedHub, connect: Connect) -> None:
    kitchen, attic = connect("kitchen"), connect("attic")
    map_of(kitchen, {hub.public_key, kitchen.peer, attic.peer})
    attic.close()
    hub.wait_for_sessions(1)
    again = connect("attic")
    assert again.peer != attic.peer
    there = map_of(kitchen, {hub.public_key, kitchen.peer, again.peer})
    assert there.others(kitchen.peer) == [hub.public_key, again.peer]
    assert said(kitchen) == {"the hub", "attic"}
