"""What an announcement means, whatever somebody in the network writes into it."""

from __future__ import annotations

from typing import Optional

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hivemind_client_discovery.announcement import hub_of
from hivemind_core_client.plugins.contract import FoundHub

#: As hivemind-presence 0.0.6a1 writes them.
PROPERTIES: dict[bytes, Optional[bytes]] = {
    b"type": b"HiveMind-websocket",
    b"name": b"Kitchen",
    b"ssl": b"False",
    b"host": b"192.0.2.7",
    b"port": b"5678",
}


def hub(addresses: tuple[str, ...] = ("192.0.2.9",), **changes: Optional[bytes]) -> Optional[FoundHub]:
    changed = {key.encode(): value for key, value in changes.items()}
    return hub_of({**PROPERTIES, **changed}, addresses, 1234)


def test_what_hivemind_presence_announces_is_a_hub() -> None:
    assert hub() == FoundHub("ws://192.0.2.7:5678", "Kitchen", {})
    assert hub(ssl=b"True") == FoundHub("wss://192.0.2.7:5678", "Kitchen", {})


def test_what_else_is_announced_is_kept() -> None:
    assert hub(site=b"home", Room=None) == FoundHub(
        "ws://192.0.2.7:5678", "Kitchen", {"site": "home", "room": ""}
    )


@pytest.mark.parametrize("host", [b"", None, b"a/b", b"h?q", b"u@h", b"a b", b"\x1b[2J", b"x" * 300])
def test_a_host_that_is_none_gives_way_to_the_address_of_the_service(host: Optional[bytes]) -> None:
    assert hub(host=host) == FoundHub("ws://192.0.2.9:5678", "Kitchen", {})
    assert hub(addresses=(), host=host) is None


def test_an_ipv6_address_stands_in_brackets() -> None:
    assert hub(host=b"fd00::7") == FoundHub("ws://[fd00::7]:5678", "Kitchen", {})


def test_without_a_port_of_its_own_it_is_that_of_the_service() -> None:
    properties = {key: value for key, value in PROPERTIES.items() if key != b"port"}
    assert hub_of(properties, ["192.0.2.9"], 1234) == FoundHub("ws://192.0.2.7:1234", "Kitchen", {})
    assert hub_of(properties, ["192.0.2.9"], None) is None
    assert hub_of({**PROPERTIES, b"port": b"5678/x"}, ["192.0.2.9"], 1) is None


@pytest.mark.parametrize("kind", [None, b"", b"printer", b"HiveMind-websocket-other"])
def test_other_services_are_no_hubs(kind: Optional[bytes]) -> None:
    assert hub(type=kind) is None


@given(st.dictionaries(st.binary(max_size=30), st.none() | st.binary(max_size=300), max_size=30))
def test_nothing_in_a_record_raises(properties: dict[bytes, Optional[bytes]]) -> None:
    found = hub_of({**properties, b"type": b"hivemind-websocket"}, ["192.0.2.9"], 1)
    assert found is None or found.url.startswith(("ws://", "wss://"))
