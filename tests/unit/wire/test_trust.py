"""Trust: whom a satellite believes, and that nothing which travels can talk it into more."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hivemind_core_client.hive_map import HiveMapper
from hivemind_core_client.message import HiveMessage
from hivemind_core_client.wire.trust import HUB, Trust
from tests.unit.support import hop


def pem(owner: str) -> str:
    return f"-----BEGIN PUBLIC KEY-----\n{owner}\n-----END PUBLIC KEY-----\n"


HUB_KEY, ALICE_KEY, RELAY_KEY, MALLORY_KEY = pem("hub"), pem("alice"), pem("relay"), pem("mallory")
ALICE, BOB, MALLORY = "ua::1::alice::s1", "ua::2::bob::s1", "ua::3::mallory::s1"
TRUSTED = {"alice": ALICE_KEY, "relay": RELAY_KEY}


def announced(*claims: tuple[str, str], trusted: bool = True, **options: Any) -> HiveMapper:
    """A map that has heard these names (as the hub writes them) announce these keys, through our own hub."""
    hive_map = HiveMapper(**options)
    for number, (name, key) in enumerate(claims):
        payload = {"flood_id": f"f{number}", "peer": name, "public_key": key}
        ping = HiveMessage("ping", payload, route=[hop(name), hop(HUB_KEY)])
        trust = Trust(TRUSTED, HUB_KEY, hive_map)
        hive_map.on_ping(ping, vouched=trust.vouches(ping.raw_route))
    return hive_map


def trust(hive_map: HiveMapper | None = None, hub_key: str = HUB_KEY, **keys: str) -> Trust:
    return Trust(keys or TRUSTED, hub_key, hive_map or HiveMapper())


KNOWN = announced((ALICE, ALICE_KEY), (MALLORY, MALLORY_KEY))

HOPS: dict[str, tuple[Any, bool]] = {
    "the hub by its key": (hop(HUB_KEY), True),
    "the hub by its key with other line ends": (hop(HUB_KEY.replace("\n", "\r\n") + " "), True),
    "a trusted key": (hop(RELAY_KEY), True),
    "a name that the map binds to a trusted key": (hop(ALICE), True),
    "a key that nobody trusts": (hop(MALLORY_KEY), False),
    "a name whose key nobody trusts": (hop(MALLORY), False),
    "a name that the map does not know": (hop(BOB), False),
    "a trusted node in a session the map does not know": (hop("ua::1::alice::s2"), False),
    "an alias is no name": (hop("alice"), False),
    "the hub's alias is no name": (hop(HUB), False),
    "an empty source": (hop(""), False),
    "blanks": (hop(" \n"), False),
    "no source": ({"targets": ["x"]}, False),
    "a source that is nothing": (hop(None), False),
    "a source that is a list": (hop([HUB_KEY]), False),
    "a source that is an object": (hop({"source": HUB_KEY}), False),
    "a text": (HUB_KEY, False),
    "a list": ([HUB_KEY], False),
    "nothing": (None, False),
}


@pytest.mark.parametrize(("one", "trusted"), HOPS.values(), ids=HOPS.keys())
def test_a_hop_is_trusted_by_its_key_alone(one: Any, trusted: bool) -> None:
    assert trust(KNOWN).trusts(one) is trusted


ROUTES: dict[str, tuple[list[Any], bool]] = {
    "what the hub itself said": ([], True),
    "the hub's own hop": ([hop(HUB_KEY)], True),
    "a trusted node": ([hop(ALICE)], True),
    "a trusted node through the hub": ([hop(ALICE), hop(HUB_KEY)], True),
    "through a trusted relay": ([hop(ALICE), hop(RELAY_KEY), hop(HUB_KEY)], True),
    "a node nobody trusts": ([hop(MALLORY), hop(HUB_KEY)], False),
    "crafted: a trusted node before the sender's own hop": ([hop(ALICE), hop(MALLORY), hop(HUB_KEY)], False),
    "crafted: the hub's key before the sender's own hop": ([hop(HUB_KEY), hop(MALLORY)], False),
    "crafted: everybody who is trusted before the sender": (
        [hop(ALICE), hop(RELAY_KEY), hop(HUB_KEY), hop(MALLORY), hop(HUB_KEY)],
        False,
    ),
    "through a relay nobody trusts": ([hop(ALICE), hop(MALLORY_KEY), hop(HUB_KEY)], False),
    "a hop that is none": ([hop(ALICE), "x", hop(HUB_KEY)], False),
    "a hop without a source": ([{"targets": ["x"]}, hop(HUB_KEY)], False),
    "a hop that is empty": ([{}], False),
    "a hop that is nothing": ([None, hop(HUB_KEY)], False),
}


@pytest.mark.parametrize(("route", "trusted"), ROUTES.values(), ids=ROUTES.keys())
def test_a_route_is_as_good_as_its_worst_hop(route: list[Any], trusted: bool) -> None:
    assert trust(KNOWN).trusts_all(route) is trusted


@pytest.mark.parametrize(
    ("route", "vouched"),
    [
        ([], False),
        ([hop(MALLORY)], True),
        ([hop(MALLORY), hop(HUB_KEY)], True),
        ([hop(MALLORY), hop(RELAY_KEY), hop(HUB_KEY)], True),
        ([hop(ALICE), hop(MALLORY)], False),
        ([hop(ALICE), hop(MALLORY), hop(HUB_KEY)], False),
        ([hop(ALICE), None], False),
        (["x", hop(HUB_KEY)], True),
    ],
)
def test_the_first_hop_names_the_sender_only_where_all_relays_are_trusted(
    route: list[Any], vouched: bool
) -> None:
    assert trust(KNOWN).vouches(route) is vouched


def test_a_hop_before_the_senders_own_binds_no_key_to_its_name() -> None:
    """Mallory says that Alice sent it: the hub notes Mallory's own hop after that."""
    hive_map = HiveMapper()
    payload = {"flood_id": "f", "peer": ALICE, "public_key": ALICE_KEY}
    for number, route in enumerate(([hop(ALICE), hop(MALLORY), hop(HUB_KEY)], [])):
        ping = HiveMessage("ping", {**payload, "flood_id": f"f{number}"}, route=route)
        assert hive_map.on_ping(ping, vouched=trust(hive_map).vouches(route))
    assert hive_map.key_of(ALICE) is None and hive_map.key_of(MALLORY) is None


@pytest.mark.parametrize("source", [None, 5, "", [], {}, "x" * 10])
def test_a_malformed_first_hop_binds_no_key_and_costs_nothing(source: Any) -> None:
    hive_map = announced((source, ALICE_KEY)) if isinstance(source, str) and source else HiveMapper()
    ping = HiveMessage("ping", {"flood_id": "g", "peer": "p", "public_key": ALICE_KEY}, route=[hop(source)])
    assert hive_map.on_ping(ping, vouched=True)
    assert (hive_map.key_of(source) == ALICE_KEY) is (source == "x" * 10)


def test_a_key_as_a_hops_source_gets_no_other_key() -> None:
    hive_map = announced((MALLORY_KEY, ALICE_KEY))
    assert hive_map.key_of(MALLORY_KEY) is None
    assert not trust(hive_map).trusts(hop(MALLORY_KEY))


@pytest.mark.parametrize("claims", [(ALICE, MALLORY), (MALLORY, ALICE), (ALICE, MALLORY, ALICE)])
def test_of_two_names_that_claim_one_key_neither_is_trusted(
    claims: tuple[str, ...], caplog: pytest.LogCaptureFixture
) -> None:
    hive_map = announced(*((name, ALICE_KEY) for name in claims))
    assert [trust(hive_map).trusts(hop(name)) for name in (ALICE, MALLORY)] == [False, False]
    assert "announce one public key" in caplog.text


def test_a_third_claim_of_a_disputed_key_changes_nothing() -> None:
    hive_map = announced((ALICE, ALICE_KEY), (MALLORY, ALICE_KEY), (BOB, ALICE_KEY), ("::x::y", ALICE_KEY))
    assert all(hive_map.key_of(name) is None for name in (ALICE, MALLORY, BOB, "::x::y"))


@pytest.mark.parametrize("claim", [ALICE_KEY.replace("\n", "\r\n"), ALICE_KEY.replace("\n", " ")])
def test_a_key_in_another_spelling_is_the_same_key(claim: str) -> None:
    assert trust(announced((ALICE, claim))).trusts(hop(ALICE))
    both = announced((ALICE, ALICE_KEY), (MALLORY, claim))
    assert not trust(both).trusts(hop(ALICE)) and not trust(both).trusts(hop(MALLORY))


@pytest.mark.parametrize("again", ["ua::1::alice::s2", "ua::1::alice::s2::0a1b2c3d", ALICE])
def test_a_node_that_comes_back_in_a_new_session_is_trusted_again(
    again: str, caplog: pytest.LogCaptureFixture
) -> None:
    hive_map = announced((ALICE, ALICE_KEY), (again, ALICE_KEY))
    assert trust(hive_map).trusts(hop(again)) and trust(hive_map).trusts(hop(ALICE))
    assert caplog.text == ""


@pytest.mark.parametrize(
    "other",
    ["ua::1::alice2::s", "ua::11::alice::s", "ua2::1::alice::s", "ua::1::mallory::alice::s", "::"],
)
def test_a_name_that_looks_alike_is_another_node(other: str) -> None:
    hive_map = announced((ALICE, ALICE_KEY), (other, ALICE_KEY))
    assert not trust(hive_map).trusts(hop(other))


def test_a_node_may_take_another_key() -> None:
    hive_map = announced((ALICE, MALLORY_KEY), (ALICE, ALICE_KEY))
    assert trust(hive_map).trusts(hop(ALICE))
    away = announced((ALICE, ALICE_KEY), (ALICE, MALLORY_KEY))
    assert not trust(away).trusts(hop(ALICE))


def test_what_a_full_map_forgets_is_not_trusted() -> None:
    crowd = [(f"ua::{number}::n::s", pem(str(number))) for number in range(9, 14)]
    hive_map = announced((ALICE, ALICE_KEY), *crowd, max_nodes=3)
    assert not trust(hive_map).trusts(hop(ALICE))


@pytest.mark.parametrize("empty", ["", " ", "\n"])
def test_a_hub_without_a_key_makes_nobody_trusted(empty: str) -> None:
    none = trust(announced((MALLORY, empty)), hub_key=empty, alice=ALICE_KEY, nothing=empty)
    for source in ("", " ", "\n", MALLORY, BOB):
        assert not none.trusts(hop(source)), source
    assert not none.is_trusted(empty) and none.alias_of(empty) is None


@pytest.mark.parametrize("key", [None, 5, b"x", [], {"a": 1}])
def test_what_is_no_text_is_no_key(key: Any) -> None:
    assert not trust().is_trusted(key) and trust().alias_of(key) is None


KEYS: list[tuple[dict[str, str], str, dict[str, str]]] = [
    ({}, "", {}),
    ({}, HUB_KEY, {"hub": HUB_KEY}),
    ({"mine": ALICE_KEY}, HUB_KEY, {"mine": ALICE_KEY, "hub": HUB_KEY}),
    ({"mine": HUB_KEY}, HUB_KEY, {"mine": HUB_KEY}),
    ({"mine": HUB_KEY + "\n"}, HUB_KEY, {"mine": HUB_KEY + "\n"}),
    ({"hub": ALICE_KEY}, HUB_KEY, {"hub": ALICE_KEY, "hub (connected)": HUB_KEY}),
    ({"empty": ""}, "", {}),
]


@pytest.mark.parametrize(("trusted", "hub_key", "keys"), KEYS)
def test_the_keys_whose_signature_counts(trusted: dict[str, str], hub_key: str, keys: dict[str, str]) -> None:
    assert Trust(trusted, hub_key, HiveMapper()).keys() == keys


def test_aliases() -> None:
    assert trust().alias_of(ALICE_KEY.replace("\n", "")) == "alice"
    assert trust().alias_of(HUB_KEY) is None and trust().is_trusted(HUB_KEY)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=5)
    | st.sampled_from([ALICE, HUB_KEY, MALLORY]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["source", "targets"]), inner, max_size=2)
    ),
    max_leaves=6,
)


@given(st.lists(JSON, max_size=4), st.lists(JSON, max_size=3))
def test_no_route_with_the_hop_of_a_stranger_is_trusted(before: list[Any], after: list[Any]) -> None:
    assert not trust(KNOWN).trusts_all([*before, hop(MALLORY), *after])
    assert not trust(KNOWN).vouches([hop(ALICE), *before, hop(MALLORY), *after])
