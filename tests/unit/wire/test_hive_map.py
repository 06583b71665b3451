"""HiveMapper: what PINGs tell, bounded, and drawn so that nothing from the wire steers a terminal."""

from __future__ import annotations

import json
import pickle
import re
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hivemind_core_client.hive_map import HiveMapper, NodeInfo, display_peer, is_public_key, normal_key
from hivemind_core_client.message import HiveMessage
from hivemind_core_client.wire import hive_drawing
from tests.unit.support import HUB_KEY, hop

ME, KITCHEN, ATTIC = "me::s", "kitchen::s", "attic::s"


def ping(peer: Any, *sources: Any, flood: Any = "f", **facts: Any) -> HiveMessage:
    return HiveMessage("ping", {"flood_id": flood, "peer": peer, **facts}, route=[hop(s) for s in sources])


def star() -> HiveMapper:
    hive_map = HiveMapper()
    hive_map.on_ping(ping(KITCHEN, "ua::1::kitchen::s", HUB_KEY, site_id="kitchen"), 10.5, ME)
    hive_map.on_ping(ping(ATTIC, "ua::2::attic::s", HUB_KEY), None, ME, trusted=True)
    hive_map.on_ping(ping(HUB_KEY), None, ME)
    return hive_map


def pairs(hive_map: HiveMapper) -> list[tuple[str, str]]:
    return [(edge["source"], edge["target"]) for edge in hive_map.to_dict()["edges"]]


def test_the_way_of_a_ping_tells_who_is_connected_with_whom() -> None:
    hive_map = star()
    assert list(hive_map.nodes) == [KITCHEN, ATTIC, HUB_KEY]
    assert pairs(hive_map) == sorted(tuple(sorted((HUB_KEY, other))) for other in (KITCHEN, ATTIC, ME))
    assert hive_map.others(ATTIC) == [KITCHEN, HUB_KEY]
    assert hive_map.others("nobody") == list(hive_map.nodes)


def test_three_floors() -> None:
    below = HUB_KEY.replace("hub", "below")
    hive_map = star()
    hive_map.on_ping(ping("cellar::s", "ua::9::cellar::s", below, "ua::3::below::s", HUB_KEY), None, ME)
    hive_map.on_ping(ping(below, "ua::3::below::s", HUB_KEY), None, ME)
    assert (below, "cellar::s") in pairs(hive_map)
    assert hive_map.to_ascii(ME).count("\n") == 5 + hive_map.to_ascii(ME).count("below::s")


def test_a_node_counts_once_for_each_flood() -> None:
    hive_map = HiveMapper()
    assert hive_map.on_ping(ping(KITCHEN)) is True
    assert hive_map.on_ping(ping(KITCHEN)) is False
    assert hive_map.on_ping(ping(ATTIC)) is True
    assert hive_map.on_ping(ping(KITCHEN, flood="g")) is True
    assert [hive_map.answers(flood) for flood in ("f", "g", "h")] == [2, 1, 0]


def test_the_map_of_a_flood_has_those_alone_that_answered_it() -> None:
    hive_map = star()
    hive_map.on_ping(ping(KITCHEN, "ua::1::kitchen::s", HUB_KEY, flood="g", site_id="new"), 11.5, ME)
    hive_map.on_ping(ping("cellar::s", "ua::3::cellar::s", "silent relay", HUB_KEY, flood="g"), None, ME)
    found = hive_map.of_flood("g")
    assert list(found.nodes) == [KITCHEN, "cellar::s"] and found.nodes[KITCHEN].site_id == "new"
    assert pairs(found) == sorted(
        tuple(sorted(pair))
        for pair in [
            (KITCHEN, HUB_KEY),
            (HUB_KEY, ME),
            ("cellar::s", "silent relay"),
            ("silent relay", HUB_KEY),
        ]
    )
    assert found.answers("g") == 2 and found.answers("f") == 0
    assert "attic" not in found.to_ascii(ME) + found.to_mermaid() + found.to_dot() + found.to_json()
    assert ATTIC in hive_map.nodes and (HUB_KEY, ATTIC) in pairs(hive_map)


def test_the_map_of_a_flood_that_nobody_knows_is_empty() -> None:
    found = star().of_flood("g")
    assert not found.nodes and not found.edges and found.to_ascii() == "[no nodes answered]"


def test_the_map_of_a_flood_stays_as_it_is() -> None:
    hive_map = star()
    found = hive_map.of_flood("f")
    before = found.to_json()
    hive_map.on_ping(ping("cellar::s", "ua::3::cellar::s", HUB_KEY), None, ME)
    assert found.to_json() == before and "cellar::s" in hive_map.of_flood("f").nodes


def test_a_relay_whose_own_answer_comes_late_has_one_name_on_the_map_of_a_flood() -> None:
    below = HUB_KEY.replace("hub", "below")
    hive_map = HiveMapper()
    hive_map.on_ping(ping("cellar::s", "ua::9::cellar::s", below, "ua::3::below::s", HUB_KEY), None, ME)
    hive_map.on_ping(ping(below, "ua::3::below::s", HUB_KEY), None, ME)
    assert set(hive_map.of_flood("f").edges) == {"cellar::s", below, HUB_KEY, ME}


def test_a_node_that_came_back_in_another_session_is_there_once() -> None:
    hive_map = star()
    hive_map.on_ping(ping("kitchen::t", "ua::1::kitchen::t", HUB_KEY, flood="g"), None, ME)
    assert hive_map.of_flood("g").others(ME) == ["kitchen::t"]


def test_two_sessions_of_one_name_that_both_answer_are_both_there() -> None:
    """A satellite and the command line may use one access key at the same time."""
    hive_map = star()
    hive_map.on_ping(ping("kitchen::t", "ua::1::kitchen::t", HUB_KEY), None, ME)
    assert {KITCHEN, "kitchen::t"} <= set(hive_map.of_flood("f").nodes)


def test_those_who_answered_the_last_flood_of_our_own_that_is_finished_are_counted() -> None:
    hive_map = HiveMapper()
    assert hive_map.responders(ME) == 0
    for peer in (ME, KITCHEN, ATTIC):
        hive_map.on_ping(ping(peer))
    assert hive_map.responders(ME) == 0
    hive_map.finish("f")
    hive_map.on_ping(ping(KITCHEN, flood="running"))
    assert (hive_map.responders(ME), hive_map.responders("nobody")) == (2, 3)
    hive_map.on_ping(ping("late::s"))
    assert hive_map.responders(ME) == 3
    hive_map.finish("running")
    assert hive_map.responders(ME) == 1


def test_a_way_of_endless_names_is_not_kept() -> None:
    hive_map = HiveMapper()
    hive_map.on_ping(ping(KITCHEN, "a::b", *(f"{number:02000}" for number in range(9))), None, ME)
    assert KITCHEN in hive_map.of_flood("f").nodes and not hive_map.of_flood("f").edges
    short = HiveMapper()
    short.on_ping(ping(KITCHEN, "a::b", *(f"{number}" for number in range(9))), None, ME)
    assert short.of_flood("f").edges


def test_a_flood_begins_once() -> None:
    hive_map = HiveMapper()
    assert [hive_map.start_ping(flood) for flood in ("f", "f", "", "g")] == [True, False, False, True]


@pytest.mark.parametrize("peer", [None, "", 5, [], {}, "x" * 4097])
@pytest.mark.parametrize("flood", ["f"])
def test_a_ping_without_a_usable_peer_tells_nothing(peer: Any, flood: str) -> None:
    hive_map = HiveMapper()
    assert hive_map.on_ping(ping(peer, flood=flood)) is False
    assert hive_map.nodes == {} and hive_map.edges == {}


@pytest.mark.parametrize("flood", [None, "", 5, []])
def test_a_ping_without_a_flood_tells_nothing(flood: Any) -> None:
    hive_map = HiveMapper()
    assert hive_map.on_ping(ping(KITCHEN, flood=flood)) is False
    assert hive_map.nodes == {}


FACTS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"site_id": "k", "lang": "de", "public_key": "K"}, {"site_id": "k", "lang": "de", "public_key": "K"}),
    ({"site_id": 5, "lang": [], "public_key": ""}, {"site_id": None, "lang": None, "public_key": None}),
    ({"timestamp": 9.5}, {"timestamp": 9.5, "latency_ms": 500.0}),
    ({"timestamp": 11}, {"timestamp": 11.0, "latency_ms": -1000.0}),
    ({"timestamp": True}, {"timestamp": None, "latency_ms": None}),
    ({"timestamp": "9"}, {"timestamp": None}),
    ({"timestamp": 10**400}, {"timestamp": None}),
    ({"timestamp": float("nan")}, {"timestamp": None}),
    ({"timestamp": float("inf")}, {"timestamp": None}),
]


@pytest.mark.parametrize(("told", "known"), FACTS)
def test_what_a_node_says_of_itself(told: dict[str, Any], known: dict[str, Any]) -> None:
    hive_map = HiveMapper()
    hive_map.on_ping(ping(KITCHEN, **told), received_at=10.0)
    assert known.items() <= hive_map.nodes[KITCHEN].as_dict().items()


def test_latency_takes_both_clocks() -> None:
    assert NodeInfo("p", timestamp=1.0).latency_ms is None
    assert NodeInfo("p", received_at=1.0).latency_ms is None


def test_who_is_named_by_a_key() -> None:
    assert normal_key("a b\r\nc") == "abc" and normal_key(None) == normal_key(5) == ""
    assert is_public_key(HUB_KEY) and not is_public_key(KITCHEN)


def test_the_marks_of_trust_follow_the_keys() -> None:
    hive_map = HiveMapper()
    hive_map.on_ping(ping(KITCHEN, public_key="K 1\n"))
    hive_map.on_ping(ping(ATTIC, public_key="K2"), trusted=True)
    hive_map.on_ping(ping("keyless"))
    hive_map.mark_trusted_nodes({"kitchen": "K\n1", "none": ""})
    assert [hive_map.is_peer_trusted(peer) for peer in (KITCHEN, ATTIC, "nobody")] == [True, False, False]


def test_a_node_without_a_key_is_not_trusted_by_an_empty_one() -> None:
    hive_map = HiveMapper()
    hive_map.on_ping(ping("keyless"))
    hive_map.mark_trusted_nodes({"empty": ""})
    assert not hive_map.is_peer_trusted("keyless")


def test_the_tree() -> None:
    assert star().to_ascii(ME).split("\n") == [
        "me::s  (no answer of its own)  (this node)",
        f"└── {hive_drawing.display_peer(HUB_KEY)}",
        "    ├── attic::s  trusted",
        "    └── kitchen::s  site kitchen",
    ]


@pytest.mark.parametrize(
    ("hive_map", "root", "text"),
    [
        (HiveMapper(), None, "[no nodes answered]"),
        (HiveMapper(), ME, "me::s  (this node)"),
    ],
)
def test_an_empty_tree(hive_map: HiveMapper, root: str, text: str) -> None:
    assert hive_map.to_ascii(root) == text


def test_a_cycle_ends_and_shows_each_node_once() -> None:
    hive_map = HiveMapper()
    for number, way in enumerate((("a", "b", "c"), ("c", "a", "b"), ("b", "c", "a"))):
        hive_map.on_ping(ping(way[0], "first::hop", *way, flood=str(number)))
    lines = hive_map.to_ascii("a").split("\n")
    assert sorted(re.sub(r"^[│├└─ ]*", "", line)[0] for line in lines) == ["a", "b", "c"]


def test_a_chain_longer_than_pythons_stack_is_drawn() -> None:
    hive_map = HiveMapper(max_nodes=3000)
    for number in range(1500):
        hive_map.on_ping(ping(f"n{number + 1}", "a::b", f"n{number}", flood=str(number)))
    assert hive_map.to_ascii("n0").count("\n") == 1500


def test_names_cannot_break_out_of_a_drawing() -> None:
    hive_map = HiveMapper()
    hive_map.on_ping(ping('a"];\n\x1b[31m<b>#quot;\\', "x::y", "z"))
    mermaid, dot = hive_map.to_mermaid(), hive_map.to_dot()
    assert mermaid.split("\n")[1] == '    n0["a#34;]#59;??[31m#60;b#62;#35;quot#59;\\"]'
    assert dot.split("\n")[1] == '    n0 [label="a\\"];??[31m<b>#quot;\\\\"];'
    assert "n0 --- n1" in mermaid and "n0 -- n1;" in dot


@pytest.mark.parametrize("character", ["\x1b", "\x9b", "\x7f", "\u202e", "\u200b", "\U000e0001", "\r", "\t"])
def test_json_shows_nothing_that_steers_a_terminal_and_loses_nothing(character: str) -> None:
    hive_map = HiveMapper()
    name = f"grün{character}{character}31m"
    hive_map.on_ping(ping(name))
    text = hive_map.to_json()
    assert character not in text and "grün" in text
    assert json.loads(text)["nodes"][0]["peer"] == name


def test_nodes_are_bounded_and_the_oldest_go() -> None:
    hive_map = HiveMapper(max_nodes=3)
    for number in range(10):
        hive_map.on_ping(ping(str(number)))
    hive_map.on_ping(ping("7", flood="g"))
    hive_map.on_ping(ping("new", flood="g"))
    assert list(hive_map.nodes) == ["9", "7", "new"]


def test_floods_are_bounded_and_the_oldest_go() -> None:
    hive_map = HiveMapper(max_seen_pings=1000)
    for number in range(1500):
        hive_map.start_ping(str(number))
    assert [hive_map.start_ping(str(number)) for number in (1499, 501, 499)] == [False, False, True]


def test_the_neighbours_of_one_node_are_bounded_too() -> None:
    """Every PING ever made a neighbour of the hub, for as long as the client lived."""
    hive_map = HiveMapper(max_nodes=5)
    for number in range(200):
        name = f"ua::{number}::n::s"
        hive_map.on_ping(ping(f"n{number}", name, HUB_KEY, flood=str(number)), root_peer=ME)
    assert max(len(others) for others in hive_map.edges.values()) <= 10
    assert (HUB_KEY, ME) in pairs(hive_map) and (HUB_KEY, "n199") in pairs(hive_map)


def test_a_map_that_keeps_nothing_still_stands() -> None:
    hive_map = HiveMapper(max_nodes=0, max_seen_pings=0)
    assert hive_map.on_ping(ping(KITCHEN, "a::b", "c"), root_peer=ME)
    assert not hive_map.nodes and not hive_map.edges


NAMES = st.sampled_from([HUB_KEY, KITCHEN, ATTIC, ME, "a::b", "::", ""]) | st.text(max_size=6)
JUNK = st.none() | st.booleans() | st.integers() | st.floats() | NAMES | st.lists(NAMES, max_size=2)
PAYLOADS = st.fixed_dictionaries(
    {},
    optional={
        "flood_id": st.sampled_from(["f", "g", "h", "i", "j", "k"]) | JUNK,
        "peer": NAMES | JUNK,
        "public_key": st.sampled_from(["K1", "K2", HUB_KEY]) | JUNK,
        "site_id": JUNK,
        "timestamp": JUNK,
        "lang": JUNK,
    },
)
PINGS = st.tuples(
    PAYLOADS,
    st.lists(st.builds(hop, NAMES | JUNK) | JUNK | st.dictionaries(NAMES, JUNK, max_size=2), max_size=5),
    st.none() | NAMES,
    st.booleans(),
)


@given(st.lists(PINGS, max_size=25), st.none() | NAMES)
def test_whatever_comes_the_map_is_bounded_and_can_be_drawn(pings: list[Any], root: str | None) -> None:
    hive_map = HiveMapper(max_nodes=4, max_seen_pings=3)
    for payload, route, peer, vouched in pings:
        hive_map.on_ping(HiveMessage("ping", payload, route=route), 1.0, peer, vouched, vouched)
    assert len(hive_map.nodes) <= 4 and len(hive_map.edges) <= 8
    floods = {flood for payload, *_ in pings if isinstance(flood := payload.get("flood_id"), str)}
    kept = [flood for flood in floods if hive_map.answers(flood)]
    assert len(kept) <= 3
    for flood in kept:
        found = hive_map.of_flood(flood)
        assert found.nodes.items() <= hive_map.nodes.items() and len(found.edges) <= 8
        assert all(one in found.edges[other] for one, others in found.edges.items() for other in others)
    for one, others in hive_map.edges.items():
        assert one not in others and all(one in hive_map.edges[other] for other in others)
    everybody = {*hive_map.nodes, *hive_map.edges, *([root] if root is not None else [])}
    for text in (hive_map.to_mermaid(), hive_map.to_dot(), hive_map.to_ascii(root), hive_map.to_json()):
        assert text.replace("\n", "").isprintable()
    assert hive_map.to_ascii(root).count("\n") + 1 == max(1, len(everybody))
    assert json.loads(hive_map.to_json()) == hive_map.to_dict()


def test_a_map_does_not_grow_beyond_its_bounds() -> None:
    hive_map = HiveMapper(max_nodes=4, max_seen_pings=3)
    sizes = []
    for number in range(1000, 1060):
        message = ping(f"peer-{number}", f"name-{number}::s", f"hub-{number}", flood=f"flood-{number}")
        message.raw_payload["public_key"] = f"key-{number}"
        hive_map.on_ping(message, float(number), ME, vouched=True)
        sizes.append(len(pickle.dumps(hive_map)))
    assert hive_map.key_of("name-1059::s") == "key-1059" and hive_map.key_of("name-1000::s") is None
    assert len(set(sizes[10:])) == 1


def test_a_flood_of_other_keys_does_not_make_room_for_a_second_claim() -> None:
    hive_map = HiveMapper(max_nodes=10)

    def announce(peer: str, key: str, trusted: bool) -> None:
        ping = HiveMessage(
            "ping",
            {"flood_id": f"{peer} {key}", "peer": peer, "public_key": key},
            route=[{"source": peer, "targets": [peer]}],
        )
        hive_map.on_ping(ping, vouched=True, trusted=trusted)

    announce("friend::1", "FRIEND", trusted=True)
    for number in range(50):
        announce(f"mallory::{number}", f"KEY {number}", trusted=False)
    assert hive_map.key_of("friend::1") == "FRIEND"
    announce("mallory::1", "FRIEND", trusted=True)
    assert hive_map.key_of("mallory::1") is None
    assert hive_map.key_of("friend::1") is None


def test_a_disputed_key_is_warned_of_once(caplog: pytest.LogCaptureFixture) -> None:
    hive_map = HiveMapper()
    for number, peer in enumerate(["friend::1", *["mallory::1"] * 5]):
        ping = HiveMessage(
            "ping",
            {"flood_id": str(number), "peer": peer, "public_key": "K"},
            route=[{"source": peer, "targets": [peer]}],
        )
        hive_map.on_ping(ping, vouched=True)
    assert caplog.text.count("announce one public key") == 1


def size_of(value: Any, seen: set[int]) -> int:
    """The bytes that a value takes, with all that it holds."""
    if id(value) in seen:
        return 0
    seen.add(id(value))
    size = sys.getsizeof(value)
    if isinstance(value, dict):
        return size + sum(size_of(key, seen) + size_of(each, seen) for key, each in value.items())
    if isinstance(value, (frozenset, tuple, list)):
        return size + sum(size_of(each, seen) for each in value)
    fields = getattr(value, "__slots__", ()) if hasattr(value, "__attrs_attrs__") else ()
    return size + sum(size_of(getattr(value, name, None), seen) for name in fields)


def many_nodes(number: int) -> HiveMessage:
    return ping(
        f"{number}:{'p' * 2000}", site_id="s" * 2000, public_key=f"{number}{'k' * 2000}", lang="l" * 2000
    )


def many_hops(number: int) -> HiveMessage:
    return ping(f"peer-{number}", *(f"{number}-{hop}-{'h' * 2000}" for hop in range(64)))


def many_edges(number: int) -> HiveMessage:
    return ping(
        f"peer-{number % 50}", *(f"hub-{(number * hop) % 97}" for hop in range(64)), flood=f"f{number}"
    )


def many_answers(number: int) -> HiveMessage:
    return ping(f"{number}:{'p' * 2000}", flood=f"flood-{number // 40}")


@pytest.mark.parametrize("sent", [many_nodes, many_hops, many_edges, many_answers])
def test_what_the_map_keeps_is_bounded_in_bytes(sent: Any) -> None:
    """With names of so many bytes, and so many nodes; a map has 1000 and not 50."""
    hive_map = HiveMapper(max_nodes=50, max_seen_pings=50)
    for number in range(1000):
        hive_map.on_ping(sent(number), 1.0, ME, vouched=True)
    assert size_of(vars(hive_map), set()) < 50 * 60_000
    assert sum(map(len, hive_map.edges.values())) <= 4 * 100 + 128


def test_a_flood_of_others_does_not_hide_who_answered_our_own() -> None:
    hive_map = HiveMapper(max_nodes=10)
    hive_map.on_ping(ping("me", flood="ours"))
    for number in range(5):
        hive_map.on_ping(ping(f"node-{number}", flood="ours"), 1.0)
    for number in range(1000):
        hive_map.on_ping(ping(f"other-{number}", flood=f"theirs-{number // 10}"), 1.0)
    assert hive_map.answers("ours") == 6


# what hubs do with a map of their own


def test_an_id_is_new_once_and_the_youngest_are_remembered() -> None:
    hive_map = HiveMapper()
    assert [hive_map.check_flood_id(flood) for flood in ("a", "b", "a")] == [False, False, True]
    assert [hive_map.check_flood_id(flood, max_size=2) for flood in ("c", "c", "b", "a")] == [
        *(False, True, True, False)
    ]
    assert hive_map.start_ping("a"), "what a hub checks is not what the map has drawn"


def test_of_threads_that_check_one_flood_id_one_alone_finds_it_new() -> None:
    hive_map, interval = HiveMapper(), sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(2) as threads:
            for flood in map(str, range(2000)):
                found = threads.map(lambda _, flood=flood: hive_map.check_flood_id(flood, 20), range(2))
                assert sorted(found) == [False, True]
    finally:
        sys.setswitchinterval(interval)


@pytest.mark.parametrize("flood", ["", None, 5, ["a"], "x" * 2049], ids=lambda flood: str(flood)[:9])
def test_what_is_no_flood_id_counts_as_known_and_is_not_kept(flood: Any) -> None:
    hive_map = HiveMapper()
    assert hive_map.check_flood_id(flood) is True
    assert hive_map.on_ping(ping(KITCHEN, flood=flood)) is False
    assert not hive_map.nodes


def test_a_node_of_which_nothing_came_for_long_is_dropped_when_another_comes() -> None:
    hive_map = HiveMapper(node_ttl=60.0)
    hive_map.on_ping(ping(ATTIC), None, ME)
    hive_map.on_ping(ping(KITCHEN, "ua::1::kitchen::s", HUB_KEY), 1000.0, ME)
    hive_map.on_ping(ping("hall::s", "ua::2::hall::s", HUB_KEY), 1060.0, ME)
    assert list(hive_map.nodes) == [ATTIC, KITCHEN, "hall::s"]
    hive_map.on_ping(ping("cellar::s", "ua::3::cellar::s", HUB_KEY, flood="g"), 1061.0, ME)
    assert list(hive_map.nodes) == [ATTIC, "hall::s", "cellar::s"]
    assert KITCHEN not in str(hive_map.to_dict()) + hive_map.to_ascii(ME)
    assert (HUB_KEY, "hall::s") in pairs(hive_map)


def test_stale_nodes_are_pruned_on_demand() -> None:
    hive_map = HiveMapper(max_seen_pings=5, node_ttl=1000.0)
    assert (hive_map.max_seen_pings, hive_map.node_ttl) == (5, 1000.0)
    hive_map.prune_stale_nodes()
    hive_map.on_ping(ping(KITCHEN), 1000.0)
    hive_map.on_ping(ping(ATTIC), 1900.0)
    hive_map.node_ttl = 60.0
    hive_map.prune_stale_nodes()
    assert list(hive_map.nodes) == [ATTIC]
    hive_map.prune_stale_nodes(1961.0)
    assert not hive_map.nodes


def test_a_map_that_is_cleared_is_as_new() -> None:
    hive_map = star()
    hive_map.check_flood_id("a")
    hive_map.finish("f")
    hive_map.clear()
    assert hive_map.to_dict() == {"nodes": [], "edges": []}
    assert (hive_map.responders(ME), hive_map.answers("f"), hive_map.key_of("ua::1::kitchen::s")) == (
        0,
        0,
        None,
    )
    assert not hive_map.check_flood_id("a") and hive_map.start_ping("f")
    assert hive_map.on_ping(ping(KITCHEN)) is True


def test_a_peer_is_shown_short() -> None:
    assert display_peer(KITCHEN) == KITCHEN
    assert re.fullmatch(r"key:[0-9a-f]{16}", display_peer(HUB_KEY))
    assert "\x1b" not in display_peer("\x1b[31m")


@pytest.mark.parametrize(
    ("peer", "shown"),
    [
        ("0123456789abcdef0123456789abcdef::3::attic::s1", "***::3::attic::s1"),
        ("MyOwnKeyOf2026_x::3::attic::s1", "***::3::attic::s1"),
        ("HiveMessageBusClientV0.0.1::3::attic::s1", "HiveMessageBusClientV0.0.1::3::attic::s1"),
        ("HiveMindVoiceSatellite::3::attic::s1", "HiveMindVoiceSatellite::3::attic::s1"),
    ],
)
def test_a_peer_whose_name_begins_with_its_access_key_is_shown_without_it(peer: str, shown: str) -> None:
    assert display_peer(peer) == shown
    hive_map = HiveMapper()
    hive_map.on_ping(ping(peer, peer, HUB_KEY), None, ME)
    drawn = hive_map.to_ascii(ME) + hive_map.to_mermaid() + hive_map.to_dot()
    assert shown.partition("::")[0] in drawn
    assert (peer in drawn) is (peer == shown)
