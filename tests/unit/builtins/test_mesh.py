"""BROADCAST, PROPAGATE, PING, ESCALATE, SHARED_BUS, THIRDPRTY and RENDEZVOUS: what is believed, and what is dropped."""

from __future__ import annotations

import json
import logging
from typing import Any, Optional

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hivemind_core_client.builtins import binary_serializer, propagate
from hivemind_core_client.builtins import ping as ping_handler
from hivemind_core_client.kernel.events import Arrived, Event, Transmit
from hivemind_core_client.kernel.options import Credentials
from hivemind_core_client.kernel.states import State
from hivemind_core_client.message import HiveMessage, HiveMessageType
from hivemind_core_client.plugins.contract import Context, Deliver, Dispatch, MessageHandler, Send, Session
from hivemind_core_client.plugins.wrapping import VERIFIED_SOURCE, inner_of, name_of, strip_claims
from tests.unit.support import (
    HUB_KEY,
    KEY,
    SESSION,
    SITE,
    Hub,
    hop,
    identity,
    new_link,
    only,
    plugin,
    plugins_of,
)

T = HiveMessageType
ALICE_KEY = HUB_KEY.replace("hub", "alice")
ALICE, MALLORY = "ua::1::alice::s1", "ua::3::mallory::s1"
ME = f"sat::{SESSION}"
SPEAK = {"type": "speak", "data": {"utterance": "hi"}, "context": {}}


def context_of(**facts: Any) -> Context:
    return Context(
        identity=identity(trusted_keys={"alice": ALICE_KEY}), session=Session(SESSION, SITE), **facts
    )


def keyed(context: Optional[Context] = None, *extra: Any) -> Hub:
    """A hub with a key and a satellite that trusts Alice."""
    tables = plugins_of(*extra).registry()
    hub = Hub(new_link(Credentials(crypto_key=KEY), tables, context or context_of()), pubkey=HUB_KEY)
    hub.preshared()
    return hub


def bus(**context: Any) -> HiveMessage:
    return HiveMessage("bus", {**SPEAK, "context": context})


def after_arrival(events: list[Event]) -> list[Event]:
    """What follows from a message, but for that it arrived."""
    assert isinstance(events[0], Arrived), events
    return events[1:]


def message_of(events: list[Event]) -> HiveMessage:
    """The message that arrived."""
    assert isinstance(events[0], Arrived), events
    return events[0].message


def wrapped(kind: str, inner: HiveMessage, *sources: Any, site: Optional[str] = SITE) -> HiveMessage:
    return HiveMessage(kind, inner, target_site_id=site, route=[hop(source) for source in sources])


def intercom_handler() -> Any:
    """Says what reached it, as the INTERCOM plugin would get it."""

    def receive(context: Context, message: HiveMessage) -> list[Any]:
        return [Deliver({"to": message.target_public_key, "route": message.raw_route})]

    return plugin(
        "sealed", hivemind_message_handlers=lambda: [MessageHandler(T.INTERCOM, "intercom", receive)]
    )


# what is delivered

SITES = [
    (SITE, True),
    ("attic", False),
    (None, False),
    ("", False),
    (SITE.upper(), False),
    (f" {SITE}", False),
]


@pytest.mark.parametrize(("site", "ours"), SITES)
@pytest.mark.parametrize("kind", ["broadcast", "propagate"])
def test_what_is_for_another_site_is_not_delivered(
    kind: str, site: Optional[str], ours: bool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    events = keyed().send(wrapped(kind, bus(), HUB_KEY, site=site))
    assert after_arrival(events) == ([Deliver(SPEAK)] if ours else [])
    assert ("not for this site" in caplog.text) is not ours
    assert message_of(events).dropped == (None if ours else "it is not for this site")


def test_the_site_of_the_inner_message_is_no_address() -> None:
    inner = HiveMessage("bus", SPEAK, target_site_id=SITE)
    for kind in ("broadcast", "propagate"):
        assert after_arrival(keyed().send(wrapped(kind, inner, HUB_KEY, site=None))) == []


@pytest.mark.parametrize("kind", ["broadcast", "propagate"])
def test_binary_frames_carry_the_site_within(kind: str) -> None:
    hub = keyed()
    inner = HiveMessage("bus", SPEAK, target_site_id=SITE, route=[hop(HUB_KEY)])
    message = HiveMessage(kind, inner, target_site_id=SITE, route=[hop(HUB_KEY)])
    assert after_arrival(hub.send(message, binary=True)) == [Deliver(SPEAK)]


SOURCES: dict[str, tuple[tuple[Any, ...], bool]] = {
    "the hub": ((), True),
    "the hub's hop": ((HUB_KEY,), True),
    "a trusted key": ((ALICE_KEY, HUB_KEY), True),
    "a name that nobody knows": ((MALLORY, HUB_KEY), False),
    "crafted hops before the sender's own": ((HUB_KEY, ALICE_KEY, MALLORY, HUB_KEY), False),
    "a name that is an alias": (("alice", HUB_KEY), False),
}


@pytest.mark.parametrize(("sources", "trusted"), SOURCES.values(), ids=SOURCES.keys())
def test_a_propagated_message_is_delivered_by_the_trust_in_all_who_passed_it_on(
    sources: tuple[Any, ...], trusted: bool, caplog: pytest.LogCaptureFixture
) -> None:
    events = keyed().send(wrapped("propagate", bus(), *sources))
    assert after_arrival(events) == ([Deliver(SPEAK)] if trusted else [])
    assert message_of(events).dropped == (None if trusted else "its route is not trusted")
    assert ("not trusted" in caplog.text and "trust add" in caplog.text) is not trusted


def test_the_route_of_the_inner_message_speaks_for_nobody() -> None:
    inner = HiveMessage("bus", SPEAK, route=[hop(HUB_KEY)])
    assert after_arrival(keyed().send(wrapped("propagate", inner, MALLORY))) == []


BOTH_ROUTES: dict[str, tuple[list[Any], list[Any], bool]] = {
    "outer none, inner trusted": ([], [hop(ALICE_KEY)], True),
    "outer none, inner a stranger": ([], [hop(MALLORY)], False),
    "outer trusted, inner a stranger": ([hop(ALICE_KEY), hop(HUB_KEY)], [hop(MALLORY)], False),
    "outer a stranger, inner trusted": ([hop(MALLORY), hop(HUB_KEY)], [hop(ALICE_KEY)], False),
    "outer trusted, inner malformed": ([hop(HUB_KEY)], ["x"], False),
    "outer trusted, inner without a source": ([hop(HUB_KEY)], [{"targets": ["x"]}], False),
    "both malformed": ([None], [None], False),
    "both trusted": ([hop(ALICE_KEY), hop(HUB_KEY)], [hop(ALICE_KEY)], True),
}


@pytest.mark.parametrize(("outer", "inner", "trusted"), BOTH_ROUTES.values(), ids=BOTH_ROUTES.keys())
@pytest.mark.parametrize("in_text", [True, False])
def test_both_routes_decide_trust(outer: list[Any], inner: list[Any], trusted: bool, in_text: bool) -> None:
    """The route inside is the sender's own text, and may not hide through whose hands a message went."""
    hub = keyed()
    within = {**bus().as_dict, "route": inner}
    fields = {**HiveMessage("propagate", within, target_site_id=SITE).as_dict, "route": outer}
    plain: Any = json.dumps(fields)
    if not in_text:  # a binary frame has no field for the outer route, and is not used for one that differs
        message = HiveMessage(
            "propagate", {**within, "target_site_id": SITE}, target_site_id=SITE, route=outer
        )
        plain = binary_serializer.encode(message) or plain
    assert after_arrival(hub.feed(hub.seal(plain))) == ([Deliver(SPEAK)] if trusted else [])


@pytest.mark.parametrize(("hidden", "bound"), [([], True), ([hop(ALICE_KEY)], True), ([hop(MALLORY)], False)])
def test_a_name_is_bound_to_a_key_where_both_routes_are_trusted(hidden: list[Any], bound: bool) -> None:
    hub = keyed()
    ping = {"flood_id": "f", "peer": "a", "public_key": ALICE_KEY}
    inner = {**HiveMessage("ping", ping).as_dict, "route": hidden}
    hub.send(HiveMessage("propagate", inner, route=[hop(ALICE), hop(HUB_KEY)]))
    assert (hub.link.context.hive_map.key_of(ALICE) == ALICE_KEY) is bound


def test_a_malformed_hop_is_not_overlooked() -> None:
    """The filtered route would be empty, as if the hub itself had said it."""
    for broken in ("x", {"source": MALLORY}, {}, None, 5):
        message = HiveMessage("propagate", bus(), target_site_id=SITE)
        fields = {**message.as_dict, "route": [broken]}
        hub = keyed()
        assert after_arrival(hub.feed(hub.seal(json.dumps(fields)))) == [], broken


def test_a_node_becomes_trusted_by_its_ping_and_no_other_does() -> None:
    hub = keyed()
    before = wrapped("propagate", bus(), ALICE, HUB_KEY)
    assert after_arrival(hub.send(before)) == []
    hub.send(flooded("f1", ALICE, ALICE, HUB_KEY, public_key=ALICE_KEY))
    assert after_arrival(hub.send(before)) == [Deliver(SPEAK)]
    assert after_arrival(hub.send(wrapped("propagate", bus(), MALLORY, HUB_KEY))) == []
    hub.send(flooded("f2", MALLORY, MALLORY, HUB_KEY, public_key=ALICE_KEY))
    assert after_arrival(hub.send(before)) == []
    assert after_arrival(hub.send(wrapped("propagate", bus(), MALLORY, HUB_KEY))) == []


@pytest.mark.parametrize("inner", [t for t in T if t not in (T.BUS, T.INTERCOM, T.BINARY)])
def test_a_broadcast_carries_bus_and_intercom_only(inner: HiveMessageType) -> None:
    events = keyed().send(wrapped("broadcast", of_type(inner), HUB_KEY))
    assert after_arrival(events) == []
    assert message_of(events).dropped == "no satellite acts on that"


@pytest.mark.parametrize("inner", [t for t in T if t not in (T.BUS, T.INTERCOM, T.PING, T.BINARY)])
def test_a_propagate_carries_bus_intercom_and_ping_only(
    inner: HiveMessageType, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    hub = keyed()
    facts = hub.link.hub
    events = hub.send(wrapped("propagate", of_type(inner), HUB_KEY))
    assert after_arrival(events) == []
    assert message_of(events).dropped == "no satellite acts on that"
    assert f"PROPAGATE of {inner.name}" in caplog.text
    assert hub.link.hub is facts and hub.link.state is State.ESTABLISHED


def of_type(msg_type: HiveMessageType) -> HiveMessage:
    if msg_type in (T.BUS, T.SHARED_BUS):
        return HiveMessage(msg_type, SPEAK)
    if msg_type in (T.BROADCAST, T.PROPAGATE, T.ESCALATE, T.QUERY, T.CASCADE):
        return HiveMessage(msg_type, bus(), metadata={"is_response": True}, target_site_id=SITE)
    return HiveMessage(msg_type, {"node_id": "evil", "envelope": "00", "pubkey": "EVIL"})


@pytest.mark.parametrize("kind", ["broadcast", "propagate"])
@pytest.mark.parametrize("site", [SITE, "attic", None])
def test_intercom_goes_to_its_handler_with_address_and_route(kind: str, site: Optional[str]) -> None:
    hub = keyed(None, intercom_handler())
    inner = HiveMessage("intercom", {"ciphertext": "x"}, target_pubkey="inner")
    message = wrapped(kind, inner, MALLORY, HUB_KEY, site=site)
    assert after_arrival(hub.send(message)) == [Deliver({"to": "inner", "route": message.raw_route})]
    outer = HiveMessage(kind, HiveMessage("intercom", {}), target_pubkey="outer")
    assert after_arrival(hub.send(outer)) == [Deliver({"to": "outer", "route": []})]


# what no satellite may be told

ILLEGAL = {
    "escalate": (HiveMessage("escalate", bus(), target_site_id=SITE), "an ESCALATE"),
    "shared_bus": (HiveMessage("shared_bus", SPEAK), "a SHARED_BUS"),
}


@pytest.mark.parametrize(("message", "name"), ILLEGAL.values(), ids=ILLEGAL.keys())
def test_messages_that_only_satellites_send_are_dropped(
    message: HiveMessage, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    events = keyed().send(message)
    assert after_arrival(events) == []
    assert f"dropped {name} message" in caplog.text
    assert message_of(events).dropped == "only satellites send those"


@pytest.mark.parametrize("kind", ["3rdparty", "rendezvous"])
def test_listeners_alone_get_what_applications_say(kind: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    assert after_arrival(keyed().send(HiveMessage(kind, {"secret": "4711"}))) == []
    assert "4711" not in caplog.text


@pytest.mark.parametrize(
    "kind",
    ["broadcast", "propagate", "query", "cascade", "escalate", "3rdparty", "rendezvous", "ping", "bus"],
)
def test_no_message_inside_moves_the_hub_or_the_key(kind: str) -> None:
    hub = keyed()
    facts, agreed = hub.link.hub, hub.link.negotiated
    for inner in (of_type(T.HELLO), of_type(T.HANDSHAKE)):
        payload: Any = inner.as_dict if kind != "bus" else {**SPEAK, "data": inner.as_dict}
        hub.send(HiveMessage(kind, payload, target_site_id=SITE, metadata={"is_response": True}))
    assert (hub.link.hub, hub.link.negotiated) == (facts, agreed)


# who signed is said by the INTERCOM handler alone


@pytest.mark.parametrize("depth", [0, 1, 2])
@pytest.mark.parametrize("kind", ["broadcast", "propagate", "query", "cascade", "bus"])
def test_a_verified_source_cannot_be_forged(kind: str, depth: int) -> None:
    """Neither the bus nor a listener of the packet, or who gets it as an answer, finds the claim."""
    message = bus(**{VERIFIED_SOURCE: ALICE_KEY}, other=1)
    for _ in range(depth):
        message = wrapped("broadcast", message)
    if kind != "bus":
        message = HiveMessage(
            kind, message, target_site_id=SITE, metadata={"is_response": True, "query_id": "q"}
        )
    hub = keyed()
    for asking in ("query", "cascade"):
        question = HiveMessage(asking, bus(), metadata={"query_id": "q"})
        hub.link.sending(hub.link.prepare(question))
    events = hub.send(message)
    assert VERIFIED_SOURCE not in only(Arrived, events).message.serialize()
    assert VERIFIED_SOURCE not in str([event for event in events if isinstance(event, Deliver)])
    if depth == 0 and kind != "cascade":
        assert only(Deliver, events).message["context"] == {"other": 1}


def test_a_verified_source_is_of_one_message_only() -> None:
    """What a signed wrapper carries further in was not signed by itself."""

    def verified(context: Context, message: HiveMessage) -> list[Any]:
        return [
            Dispatch(bus(**{VERIFIED_SOURCE: "forged"}), verified_source=ALICE_KEY),
            Dispatch(wrapped("broadcast", bus(n=2)), verified_source=ALICE_KEY),
            Dispatch(bus(n=3)),
        ]

    handlers = [MessageHandler(T.INTERCOM, "intercom", verified)]
    hub = keyed(None, plugin("sealed", hivemind_message_handlers=lambda: handlers))
    said = [
        event.message["context"]
        for event in hub.send(HiveMessage("intercom", {}))
        if isinstance(event, Deliver)
    ]
    assert said == [{VERIFIED_SOURCE: ALICE_KEY}, {"n": 2}, {"n": 3}]
    assert hub.link.context.verified_source is None
    assert only(Deliver, hub.send(bus())).message["context"] == {}


@pytest.mark.parametrize("body", [None, b"bytes", [], {"context": "x"}, {"payload": {"context": []}}])
def test_claims_are_looked_for_in_anything(body: Any) -> None:
    before = repr(body)
    strip_claims(body)
    assert repr(body) == before


# PING


def flooded(flood: Any, peer: Any, *sources: Any, **facts: Any) -> HiveMessage:
    ping = HiveMessage("ping", {"flood_id": flood, "peer": peer, **facts})
    return HiveMessage("propagate", ping, route=[hop(source) for source in sources])


def test_a_flood_is_answered_once_whoever_passes_it_on() -> None:
    hub = keyed(context_of(now=lambda: 1234.5))
    hub.link.context.session.state["lang"] = "pt-pt"
    answer = only(Send, hub.send(flooded("f1", "a", ALICE, HUB_KEY))).message
    assert after_arrival(hub.send(flooded("f1", "a", ALICE, HUB_KEY))) == []
    assert after_arrival(hub.send(flooded("f1", "b", MALLORY, HUB_KEY))) == []
    assert isinstance(only(Send, hub.send(flooded("f2", "a", ALICE, HUB_KEY))), Send)
    prepared = hub.link.prepare(answer)
    assert prepared.msg_type is T.PROPAGATE and prepared.payload.msg_type is T.PING
    assert prepared.payload.payload == {
        "flood_id": "f1",
        "peer": ME,
        "site_id": SITE,
        "timestamp": 1234.5,
        "public_key": "PEM",
        "lang": "pt-pt",
    }


def test_our_own_flood_is_not_answered_when_it_comes_back() -> None:
    hub = keyed()
    mine = hub.link.prepare(HiveMessage("propagate", HiveMessage("ping", {})))
    flood = mine.payload["flood_id"]
    assert hub.link.sending(mine) == []
    back = HiveMessage("propagate", mine.payload, route=[hop(ME), hop(HUB_KEY)])
    assert after_arrival(hub.send(back)) == []
    assert after_arrival(hub.send(flooded(flood, "other", ALICE, HUB_KEY))) == []
    assert hub.link.context.hive_map.answers(flood) == 2


def test_a_ping_outside_a_propagate_is_a_ping_too() -> None:
    hub = keyed()
    assert (
        only(Send, hub.send(HiveMessage("ping", {"flood_id": "f", "peer": "a"}))).message.msg_type
        is T.PROPAGATE
    )


@pytest.mark.parametrize("flood", [None, "", 5, ["f"], {"a": 1}, "x" * 129, True])
def test_a_ping_without_a_usable_flood_is_dropped(flood: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    hub = keyed()
    assert after_arrival(hub.send(flooded(flood, "a", ALICE, HUB_KEY))) == []
    assert hub.link.context.hive_map.nodes == {} and "without a usable flood" in caplog.text


@pytest.mark.parametrize("peer", [None, "", 5, []])
def test_a_ping_of_nobody_is_answered_and_not_drawn(peer: Any) -> None:
    hub = keyed()
    assert only(Send, hub.send(flooded("f", peer, ALICE, HUB_KEY))).message["msg_type"] == "ping"
    assert hub.link.context.hive_map.nodes == {}


@pytest.mark.parametrize(
    ("key", "marked"),
    [(ALICE_KEY, True), (HUB_KEY, True), ("other", False), ("", False), (None, False), (5, False)],
)
def test_the_map_marks_who_announces_a_trusted_key(key: Any, marked: bool) -> None:
    hub = keyed(context_of(now=lambda: 10.0))
    hub.send(flooded("f", "a", ALICE, HUB_KEY, public_key=key, timestamp=9.0))
    node = hub.link.context.hive_map.nodes["a"]
    assert (node.trusted, node.latency_ms) == (marked, 1000.0)


def test_the_map_shows_the_way_to_us() -> None:
    hub = keyed()
    hub.send(flooded("f", "a::s", ALICE, HUB_KEY))
    assert hub.link.context.hive_map.edges == {
        "a::s": frozenset({HUB_KEY}),
        HUB_KEY: frozenset({"a::s", ME}),
        ME: frozenset({HUB_KEY}),
    }


def test_only_a_vouched_route_binds_a_name() -> None:
    hub = keyed()
    hub.send(flooded("f1", "a", ALICE, MALLORY, HUB_KEY, public_key=ALICE_KEY))
    assert hub.link.context.hive_map.key_of(ALICE) is None
    hub.send(flooded("f2", "a", ALICE, HUB_KEY, public_key=ALICE_KEY))
    assert hub.link.context.hive_map.key_of(ALICE) == ALICE_KEY


def test_what_the_sender_says_of_itself_is_kept() -> None:
    given = {"flood_id": "mine", "peer": "p", "lang": None}
    prepared = ping_handler.prepare(context_of(), HiveMessage("ping", given))
    assert given.items() <= prepared.payload.items() and prepared["site_id"] == SITE


def test_a_node_without_a_key_says_so() -> None:
    context = Context(identity=identity(public_key=None), session=Session(SESSION, SITE))
    assert ping_handler.prepare(context, HiveMessage("ping", {}))["public_key"] == ""


def test_only_a_ping_is_a_flood() -> None:
    context = context_of()
    assert propagate.note_own_flood(context, wrapped("propagate", bus())) is None
    assert context.hive_map.nodes == {}


# what goes out


@pytest.mark.parametrize("kind", ["broadcast", "propagate", "escalate"])
def test_the_site_is_noted_on_the_message_inside_too(kind: str) -> None:
    hub = keyed()
    sent = hub.link.prepare(HiveMessage(kind, bus(), target_site_id="attic"))
    assert sent.target_site_id == sent.payload.target_site_id == "attic"
    given = HiveMessage("bus", SPEAK, target_site_id="cellar")
    kept = hub.link.prepare(HiveMessage(kind, given, target_site_id="attic"))
    assert (kept.target_site_id, kept.payload.target_site_id) == ("attic", "cellar")
    assert hub.link.prepare(HiveMessage(kind, bus())).payload.target_site_id is None


def test_a_message_in_messages_is_prepared_first() -> None:
    sent = keyed().link.prepare(HiveMessage("escalate", HiveMessage("broadcast", bus())))
    assert sent.payload.payload["context"]["destination"] == "HiveMind"


def test_the_message_inside_takes_route_and_address() -> None:
    inner = HiveMessage("bus", SPEAK, route=[hop("inner")])
    assert inner_of(HiveMessage("propagate", inner)).raw_route == [hop("inner")]
    outer = HiveMessage("propagate", inner, route=[hop("outer")], target_pubkey="K")
    assert inner_of(outer).raw_route == [hop("outer"), hop("inner")]
    assert inner_of(outer).target_public_key == "K"
    assert outer.raw_payload["route"] == [hop("inner")]


def test_names_for_a_log_are_printable() -> None:
    assert name_of(HiveMessage("bus", {"type": "a\x1bb"})) == "BUS a?b"
    assert name_of(HiveMessage("ping", {})) == "PING"
    assert name_of(HiveMessage("3rdparty", {"type": 5})) == "THIRDPRTY"


# whatever comes

NAMES = st.sampled_from([HUB_KEY, ALICE_KEY, ALICE, MALLORY, SITE, "q", ""]) | st.text(max_size=4)
JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | NAMES,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(NAMES, inner, max_size=2),
    max_leaves=4,
)
HOPS = st.builds(hop, NAMES) | JUNK
FIELDS = {
    "target_site_id": st.none() | NAMES,
    "target_pubkey": st.none() | NAMES,
    "route": st.none() | st.lists(HOPS, max_size=3),
    "metadata": st.none()
    | st.fixed_dictionaries(
        {},
        optional={
            "query_id": st.just("q") | JUNK,
            "is_response": st.booleans() | JUNK,
            "responder_peer": JUNK,
            "originator_peer": JUNK,
        },
    ),
    "source_peer": st.none() | NAMES,
    "node": JUNK,
}
OBJECTS = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["hive.query.complete", "hive.query.timeout", "speak"]) | JUNK,
        "data": JUNK,
        "context": st.dictionaries(st.sampled_from(["session", "destination", VERIFIED_SOURCE]), JUNK) | JUNK,
        "flood_id": st.sampled_from(["f", "g"]) | JUNK,
        "peer": NAMES | JUNK,
        "public_key": NAMES | JUNK,
        "timestamp": JUNK,
    },
)
TYPES = st.sampled_from([t.value for t in T])


def packets(inner: Any) -> Any:
    return st.fixed_dictionaries({"msg_type": TYPES | JUNK, "payload": OBJECTS | inner}, optional=FIELDS)


PACKETS = st.recursive(packets(OBJECTS), packets, max_leaves=3)


@given(st.lists(PACKETS, min_size=1, max_size=4))
def test_whatever_a_hub_sends_costs_itself_only(packed: list[Any]) -> None:
    hub = FUZZED
    for asking in ("query", "cascade"):
        question = HiveMessage(asking, bus(), metadata={"query_id": "q"})
        hub.link.sending(hub.link.prepare(question))
    for fields in packed:
        for event in hub.feed(hub.seal(json.dumps(fields))):
            assert not isinstance(event, Transmit)
            if isinstance(event, Deliver):
                assert VERIFIED_SOURCE not in event.message["context"]
            if isinstance(event, Send):
                hub.link.seal(hub.link.prepare(event.message))
    assert hub.link.state is State.ESTABLISHED
    assert told_type(hub.send(bus())) == ["Arrived", "Deliver"]
    assert hub.link.session_ended() is not None


def told_type(events: list[Event]) -> list[str]:
    return [type(event).__name__ for event in events]


FUZZED = keyed()


def test_floods_are_answered_in_measure() -> None:
    moment = [1000.0]
    context = Context(identity=identity(), session=Session(SESSION, SITE), now=lambda: moment[0])

    def answered(number: int) -> bool:
        return bool(
            ping_handler.receive(context, HiveMessage("ping", {"flood_id": f"f{number}", "peer": "x::1"}))
        )

    assert sum(answered(number) for number in range(100)) == ping_handler.MOST_ANSWERS
    moment[0] += ping_handler.WINDOW_S
    assert answered(100)
