"""The routing of the embedded hub without sockets: a message in, orders out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Optional

import pytest

from hivemind_core_client.message import HiveMessage, HiveMessageType
from hivemind_core_client.testing.hub_memory import (
    MOST_FLOODS,
    MOST_QUESTIONS,
    QUESTION_LIFE_S,
    Questions,
    Seen,
)
from hivemind_core_client.testing.hub_routing import (
    FLOOD_INTERVAL_S,
    UTTERANCE,
    Expel,
    ForHub,
    Router,
    ToAll,
    ToPeer,
    ToUpstream,
)

HUB = "-----BEGIN PUBLIC KEY-----\nhub\n-----END PUBLIC KEY-----"
SITE = "headquarters"
KITCHEN, HALL, OFFICE = "kitchen::k", "hall::h", "office::o"
OWN_HOP = {"source": HUB, "targets": [HUB]}
TEA = HiveMessage("bus", {"type": "tea.ready", "data": {"sugar": 2}, "context": {}})
SEALED = {"ciphertext": "x", "signature": "y"}


class Clock:
    """Time that passes when a test says so."""

    seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


def agent(utterance: str) -> Iterable[str]:
    return {"count": ["one", "two"], "hum": []}.get(utterance, [f"you said: {utterance}"])


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def router(clock: Clock) -> Router:
    return Router(HUB, SITE, agent, now=clock, clock=lambda: 7.0)


def hop(peer: str) -> dict[str, Any]:
    return {"source": peer, "targets": [peer]}


def wrapped(msg_type: str, inner: HiveMessage = TEA, **fields: Any) -> HiveMessage:
    return HiveMessage(msg_type, inner, **fields)


def spoken(text: str = "hello", **fields: Any) -> HiveMessage:
    return HiveMessage("bus", {"type": UTTERANCE, "data": {"utterances": [text], **fields}, "context": {}})


def asked(msg_type: str, inner: HiveMessage, query_id: str = "q-1", peer: str = KITCHEN) -> HiveMessage:
    return wrapped(msg_type, inner, metadata={"query_id": query_id, "originator_peer": peer})


def answer(
    msg_type: str, query_id: Any = "q-1", originator: Any = KITCHEN, route: Optional[list[Any]] = None
) -> HiveMessage:
    metadata = {"query_id": query_id, "originator_peer": originator, "is_response": True}
    return wrapped(msg_type, TEA, metadata=metadata, route=route)


def ping(flood_id: Any = "f-1", peer: str = KITCHEN, **fields: Any) -> HiveMessage:
    return wrapped("propagate", HiveMessage("ping", {"flood_id": flood_id, "peer": peer}), **fields)


def intercom(payload: dict[str, Any], target: Optional[str]) -> HiveMessage:
    return HiveMessage("intercom", payload, target_pubkey=target)


def route(router: Router, message: HiveMessage, peer: str = KITCHEN, admin: bool = False) -> list[Any]:
    return list(router.route(peer, admin, message))


def kinds(orders: list[Any]) -> list[type]:
    return [type(order) for order in orders]


def bus_types(orders: list[Any]) -> list[str]:
    return [order.message.payload.raw_payload["type"] for order in orders]


# the route and the envelope


@pytest.mark.parametrize("targets", [[], None])
def test_a_hop_without_targets_hides_no_sender(router: Router, targets: Any) -> None:
    claimed = {"source": KITCHEN, "targets": targets}
    all_others, _ = route(router, wrapped("propagate", route=[claimed]))
    assert all_others.message.route == [claimed, hop(KITCHEN), OWN_HOP]


@pytest.mark.parametrize("msg_type", ["propagate", "cascade"])
def test_what_goes_to_all_is_signed_by_the_hub(router: Router, msg_type: str) -> None:
    sent = wrapped(msg_type, TEA, target_site_id="attic", target_pubkey="key", metadata={"a": 1})
    all_others, upwards = route(router, sent)
    assert (all_others.but, upwards.message) == (KITCHEN, all_others.message)
    passed_on = all_others.message
    assert passed_on.msg_type == msg_type
    assert passed_on.raw_route == [hop(KITCHEN), OWN_HOP]
    assert (passed_on.target_site_id, passed_on.target_public_key) == ("attic", "key")
    assert passed_on.metadata == {"a": 1}
    assert passed_on.source_peer is None
    inner = passed_on.payload
    assert inner.raw_payload == TEA.raw_payload
    assert (inner.raw_route, inner.source_peer) == (passed_on.raw_route, HUB)
    assert sent.raw_route == []  # what arrived is left as it was


def test_a_hop_of_a_relay_is_kept_and_malformed_ones_are_not(router: Router) -> None:
    way: list[Any] = [hop("cellar::c"), "no hop", {"source": 5}, {"targets": ["x"]}]
    order = route(router, wrapped("propagate", route=way))[0]
    assert order.message.raw_route == [hop("cellar::c"), hop(KITCHEN), OWN_HOP]


def test_a_sender_that_notes_its_own_hop_is_noted_once(router: Router) -> None:
    order = route(router, wrapped("propagate", route=[hop(KITCHEN)]))[0]
    assert order.message.raw_route == [hop(KITCHEN), OWN_HOP]


@pytest.mark.parametrize("msg_type", ["propagate", "cascade", "escalate"])
def test_what_names_the_hub_in_its_route_ends_here(router: Router, msg_type: str) -> None:
    assert route(router, wrapped(msg_type, route=[hop(HALL), OWN_HOP, hop(OFFICE)])) == []


def test_what_went_around_is_still_for_our_site(router: Router) -> None:
    looped = wrapped("propagate", route=[OWN_HOP], target_site_id=SITE)
    (order,) = route(router, looped)
    assert order == ForHub(TEA)


@pytest.mark.parametrize(
    "message",
    [
        TEA,
        HiveMessage("shared_bus", TEA.raw_payload),
        HiveMessage("3rdparty", {"a": 1}),
        HiveMessage("ping", {"flood_id": "f"}),
        HiveMessage("intercom", SEALED),
        HiveMessage("rendezvous", {}),
        HiveMessage("bin", b"x"),
        HiveMessage("hello", {}),
    ],
    ids=lambda message: message.msg_type.value,
)
def test_other_types_go_nowhere(router: Router, message: HiveMessage) -> None:
    assert route(router, message) == []
    assert list(router.from_above(message)) == []


# BROADCAST and ESCALATE


def test_a_broadcast_of_an_administrator_reaches_the_others(router: Router) -> None:
    (order,) = route(router, wrapped("broadcast", target_site_id="hall"), admin=True)
    assert isinstance(order, ToAll) and order.but == KITCHEN
    assert order.message.msg_type == HiveMessageType.BROADCAST
    assert order.message.raw_route == [hop(KITCHEN)]  # one step only: no loop to guard against
    assert order.message.target_site_id == "hall"


def test_a_broadcast_of_anybody_else_ends_its_connection(router: Router) -> None:
    (order,) = route(router, wrapped("broadcast"))
    assert isinstance(order, Expel) and "admin=True" in order.reason


@pytest.mark.parametrize("msg_type", ["broadcast", "propagate", "escalate"])
@pytest.mark.parametrize(("site", "ours"), [(SITE, True), ("attic", False), (None, False), ("", False)])
def test_a_bus_message_for_the_hubs_site(router: Router, msg_type: str, site: Any, ours: bool) -> None:
    orders = route(router, wrapped(msg_type, target_site_id=site), admin=True)
    assert (ForHub(TEA) in orders) is ours
    assert any(not isinstance(order, ForHub) for order in orders)  # it goes on nevertheless


def test_an_escalate_goes_up_and_nowhere_else(router: Router) -> None:
    (order,) = route(router, wrapped("escalate", target_site_id="attic"))
    assert isinstance(order, ToUpstream)
    assert order.message.raw_route == [hop(KITCHEN), OWN_HOP]
    assert order.message.target_site_id == "attic"


# INTERCOM


@pytest.mark.parametrize(
    ("payload", "target", "goes_on"),
    [
        (SEALED, "somebody's key", True),
        ({"msg_type": "bus"}, "somebody's key", True),  # unread, whatever it is
        (SEALED, None, True),  # perhaps for a node further on
        (SEALED, HUB, False),
        ({"msg_type": "bus"}, None, False),  # in the clear, from anybody
    ],
)
@pytest.mark.parametrize("msg_type", ["propagate", "broadcast", "escalate"])
def test_intercom_is_passed_on_unread(
    router: Router, msg_type: str, payload: dict[str, Any], target: Optional[str], goes_on: bool
) -> None:
    orders = route(router, wrapped(msg_type, intercom(payload, target)), admin=True)
    assert bool(orders) is goes_on
    for order in orders:
        assert order.message.payload.raw_payload == payload
        assert order.message.payload.target_public_key == target


# PING


def test_a_flood_is_answered_and_passed_on(router: Router) -> None:
    own, own_upwards, passed_on, upwards = route(router, ping())
    assert isinstance(own, ToAll) and own.but == ""
    assert own.message.raw_route == []
    assert own.message.payload.raw_payload == {
        "flood_id": "f-1",
        "peer": HUB,
        "site_id": SITE,
        "timestamp": 7.0,
        "public_key": HUB,
    }
    assert (type(own_upwards), type(upwards)) == (ToUpstream, ToUpstream)
    assert isinstance(passed_on, ToAll) and passed_on.but == KITCHEN
    assert passed_on.message.payload.raw_payload == {"flood_id": "f-1", "peer": KITCHEN}
    assert passed_on.message.raw_route == [hop(KITCHEN), OWN_HOP]


def test_each_nodes_ping_of_a_flood_passes_once(router: Router) -> None:
    route(router, ping())
    assert kinds(route(router, ping(peer=HALL), HALL)) == [ToAll, ToUpstream]  # and no second answer
    assert route(router, ping(peer=HALL), OFFICE) == []
    assert route(router, ping()) == []


def test_a_second_flood_is_answered_to_the_one_who_floods(router: Router, clock: Clock) -> None:
    route(router, ping("f-1"))
    clock.seconds += FLOOD_INTERVAL_S - 1
    own, *_ = route(router, ping("f-2", HALL), HALL)
    assert isinstance(own, ToPeer) and own.peer == HALL
    clock.seconds += 1
    assert kinds(route(router, ping("f-3", HALL), HALL)) == [ToAll, ToUpstream, ToAll, ToUpstream]


@pytest.mark.parametrize("flood_id", [None, "", 5, ["x"], "x" * 2000])
def test_a_flood_without_a_usable_id_is_not_remembered(router: Router, flood_id: Any) -> None:
    for _ in range(2):
        assert kinds(route(router, ping(flood_id))) == [ToAll, ToUpstream]  # passed on, not answered


def test_a_peer_that_is_no_text_harms_nothing(router: Router) -> None:
    odd = wrapped("propagate", HiveMessage("ping", {"flood_id": "f", "peer": ["x"]}))
    assert kinds(route(router, odd)) == [ToAll, ToUpstream, ToAll, ToUpstream]
    assert route(router, odd) == []


def test_a_ping_that_went_around_is_answered_and_goes_no_further(router: Router) -> None:
    assert kinds(route(router, ping(route=[OWN_HOP]))) == [ToAll, ToUpstream]


# QUERY


def test_a_query_is_answered_as_a_stream(router: Router) -> None:
    orders = route(router, asked("query", spoken("count", lang="en-GB")))
    assert {(type(order), order.peer) for order in orders} == {(ToPeer, KITCHEN)}
    assert bus_types(orders) == ["speak", "speak", "hive.query.complete"]
    one, two, end = (order.message for order in orders)
    assert one.payload.raw_payload["data"] == {"utterance": "one", "lang": "en-GB"}
    assert two.payload.raw_payload["data"]["utterance"] == "two"
    assert end.payload.raw_payload["data"] == {}
    for message in (one, two, end):
        assert message.msg_type == HiveMessageType.QUERY
        assert message.raw_route == [hop(KITCHEN)]
        assert message.metadata == {
            "query_id": "q-1",
            "originator_peer": KITCHEN,
            "responder_peer": HUB,
            "is_response": True,
        }


def test_answers_leave_as_the_agent_speaks(clock: Clock) -> None:
    said: list[str] = []

    def slowly(utterance: str) -> Iterable[str]:
        for text in ("one", "two"):
            said.append(text)
            yield text

    orders = Router(HUB, SITE, slowly, now=clock).route(KITCHEN, False, asked("query", spoken()))
    next(orders)
    assert said == ["one"]


@pytest.mark.parametrize(
    "inner",
    [
        spoken("hum"),
        spoken(""),
        TEA,
        HiveMessage("ping", {}),
        HiveMessage("bus", {"type": UTTERANCE, "data": None}),
        HiveMessage("bus", {"type": UTTERANCE, "data": {"utterances": "count"}}),
        HiveMessage("bus", {"type": UTTERANCE, "data": {"utterances": []}}),
        HiveMessage("bus", {"type": UTTERANCE, "data": {"utterances": [5]}}),
        HiveMessage("bus", {"type": "other", "data": {"utterances": ["count"]}}),
    ],
    ids=lambda inner: inner.as_json[:70],
)
def test_nobody_answers(router: Router, inner: HiveMessage) -> None:
    (order,) = route(router, asked("query", inner))
    assert order.peer == KITCHEN and bus_types([order]) == ["hive.query.timeout"]
    assert order.message.payload.raw_payload["data"] == {"query_id": "q-1", "error": "no_answer"}
    assert order.message.metadata["is_response"] is True
    assert kinds(route(router, asked("cascade", inner, "q-2"))) == [ToAll, ToUpstream]  # silence is no answer


def test_a_query_that_nobody_answers_goes_up_where_there_is_an_above(clock: Clock) -> None:
    router = Router(HUB, SITE, agent, has_upstream=True, now=clock)
    (order,) = route(router, asked("query", spoken("hum")))
    assert isinstance(order, ToUpstream)
    assert order.message.metadata == {"query_id": "q-1", "originator_peer": KITCHEN}
    assert order.message.raw_route == [hop(KITCHEN)]
    (back,) = router.from_above(answer("query"))
    assert isinstance(back, ToPeer) and back.peer == KITCHEN


@pytest.mark.parametrize("metadata", [{}, {"query_id": 5, "originator_peer": ["x"]}])
def test_a_query_without_id_gets_one(router: Router, metadata: dict[str, Any]) -> None:
    first, *_ = route(router, wrapped("query", spoken(), metadata=metadata))
    assert len(first.message.metadata["query_id"]) == 36
    assert first.message.metadata["originator_peer"] == KITCHEN


# CASCADE, and the way back


def test_a_cascade_is_answered_and_goes_to_the_others(router: Router) -> None:
    *answers, passed_on, upwards = route(router, asked("cascade", spoken("count")))
    assert bus_types(answers) == ["speak", "speak", "hive.query.complete"]
    assert {(order.peer, order.message.msg_type.value) for order in answers} == {(KITCHEN, "cascade")}
    assert kinds([passed_on, upwards]) == [ToAll, ToUpstream] and passed_on.but == KITCHEN
    assert passed_on.message.metadata == {"query_id": "q-1", "originator_peer": KITCHEN}


@pytest.mark.parametrize("msg_type", ["query", "cascade"])
def test_an_answer_goes_back_to_who_asked(router: Router, msg_type: str) -> None:
    route(router, asked(msg_type, spoken("hum")))
    (order,) = route(router, answer(msg_type), HALL)
    assert isinstance(order, ToPeer) and order.peer == KITCHEN
    assert order.message.raw_route == [hop(HALL)]
    assert order.message.metadata == answer(msg_type).metadata
    assert order.message.raw_payload == TEA.as_dict


def test_an_answer_finds_the_relay_by_its_route(router: Router) -> None:
    """The originator is a client of the hub below, which is the client `kitchen` here."""
    route(router, asked("cascade", spoken("hum"), peer="cellar::c"))
    way = [hop("cellar::c"), hop(KITCHEN), OWN_HOP]
    (order,) = route(router, answer("cascade", originator="cellar::c", route=way), HALL)
    assert order.peer == KITCHEN


@pytest.mark.parametrize(
    ("response", "responder"),
    [
        (answer("cascade", query_id="q-unknown"), HALL),
        (answer("cascade", query_id=["q-1"]), HALL),
        (answer("cascade", query_id=None), HALL),
        (answer("cascade", originator=OFFICE), HALL),  # somebody else is to get it
        (answer("cascade", originator=OFFICE, route=[hop(OFFICE)]), HALL),
        (answer("cascade", originator="nobody"), KITCHEN),  # its own hop is no way back
    ],
)
def test_an_answer_that_nobody_asked_for_goes_nowhere(
    router: Router, response: HiveMessage, responder: str
) -> None:
    route(router, asked("cascade", spoken("hum")))
    assert route(router, response, responder) == []
    assert list(router.from_above(response)) == []


def test_a_question_is_answered_on_the_connection_on_which_it_came(router: Router) -> None:
    """Whoever claims to ask for another gets the answers itself, and the id stays with who used it first."""
    route(router, asked("cascade", spoken("hum"), peer=KITCHEN), KITCHEN)
    route(router, asked("cascade", spoken("hum"), peer=KITCHEN), OFFICE)
    (order,) = route(router, answer("cascade"), HALL)
    assert order.peer == KITCHEN
    claimed = route(router, asked("query", spoken("count"), "q-2", peer=KITCHEN), OFFICE)
    assert {order.peer for order in claimed} == {OFFICE}
    assert route(router, answer("query", "q-2", originator=KITCHEN), HALL) == []


def test_a_question_is_forgotten_in_time(router: Router, clock: Clock) -> None:
    route(router, asked("cascade", spoken("hum")))
    clock.seconds += QUESTION_LIFE_S
    assert route(router, answer("cascade"), HALL)
    clock.seconds += 1
    assert route(router, answer("cascade"), HALL) == []


# from the hub above


@pytest.mark.parametrize("msg_type", ["propagate", "query", "cascade"])
def test_what_comes_down_goes_to_all(router: Router, msg_type: str) -> None:
    way = [hop("attic::a"), hop("top's key")]
    (order,) = router.from_above(wrapped(msg_type, route=way, target_site_id="hall"))
    assert isinstance(order, ToAll) and order.but == ""
    assert order.message.raw_route == [*way, OWN_HOP]
    assert order.message.target_site_id == "hall"
    assert list(router.from_above(wrapped(msg_type, route=[*way, OWN_HOP]))) == []


def test_a_broadcast_comes_down_as_it_is(router: Router) -> None:
    message = wrapped("broadcast", route=[OWN_HOP])
    assert list(router.from_above(message)) == [ToAll(message)]


def test_an_escalate_does_not_come_down(router: Router) -> None:
    assert list(router.from_above(wrapped("escalate"))) == []


def test_a_flood_from_above_is_answered_up_and_goes_down_once(router: Router) -> None:
    own, down = router.from_above(ping(peer="attic::a"))
    assert isinstance(own, ToUpstream) and own.message.payload["peer"] == HUB
    assert isinstance(down, ToAll)
    assert list(router.from_above(ping(peer="attic::a"))) == []
    # a client of ours answers: it is told of the hub, and the hub above is not told twice
    assert kinds(route(router, ping())) == [ToAll, ToAll, ToUpstream]


def test_nonsense_from_above_goes_nowhere(router: Router) -> None:
    assert list(router.from_above(wrapped("propagate", HiveMessage("query", {"msg_type": "nope"})))) == []


# what a client may send


def nested(depth: int) -> HiveMessage:
    message = TEA
    for _ in range(depth):
        message = wrapped("propagate", message)
    return message


@pytest.mark.parametrize(
    "payload",
    [
        {"msg_type": "no such type", "payload": {}},
        {"msg_type": "bus", "payload": 7},
        {"msg_type": "bus", "payload": {"no": "type"}},
        {"msg_type": "bin", "payload": {}},
        {"msg_type": "query", "payload": {"msg_type": "bus", "payload": []}},
        {"msg_type": "bus", "payload": {"type": "x"}, "route": "none"},
        nested(9).as_dict,
    ],
    ids=lambda payload: str(payload)[:40],
)
@pytest.mark.parametrize("msg_type", ["broadcast", "propagate", "escalate", "query", "cascade"])
def test_a_wrapper_of_nonsense_is_denied(router: Router, msg_type: str, payload: dict[str, Any]) -> None:
    (order,) = route(router, HiveMessage(msg_type, payload))
    assert isinstance(order, ToPeer) and order.peer == KITCHEN
    assert order.message.msg_type == HiveMessageType.BUS
    assert order.message["type"] == "hive.policy.denied"
    assert order.message["data"]["denied_type"] == msg_type
    assert order.message["data"]["code"] == "malformed_payload"


def test_wrappers_within_each_other_pass(router: Router) -> None:
    assert kinds(route(router, nested(5))) == [ToAll, ToUpstream]


# memories


def test_floods_are_forgotten_the_oldest_first() -> None:
    seen = Seen()
    assert all(seen.add(number) for number in range(MOST_FLOODS))
    assert not seen.add(0)
    assert seen.add("one more")
    assert seen.add(0)  # forgotten, and so new
    assert not seen.add(2)


def test_who_asks_too_much_displaces_its_own() -> None:
    questions = Questions(Clock())
    questions.note("precious", HALL)
    for number in range(2 * MOST_QUESTIONS):
        questions.note(f"q-{number}", KITCHEN)
    assert questions.asker("precious") == HALL
    assert questions.asker("q-0") is None
    assert questions.asker(f"q-{2 * MOST_QUESTIONS - 1}") == KITCHEN
    questions.note("new", OFFICE)  # has none of its own: the oldest goes
    assert questions.asker("new") == OFFICE and questions.asker("precious") is None


def test_thousands_of_floods_and_questions_leave_the_router_small(router: Router, clock: Clock) -> None:
    """What is forgotten is treated as new, and what is remembered is not."""

    def flood(number: int) -> list[type]:
        clock.seconds += FLOOD_INTERVAL_S
        return kinds(route(router, ping(f"f-{number}")))

    first = flood(0)
    for number in range(1, MOST_FLOODS + 1):
        flood(number)
    assert flood(0) == first != flood(MOST_FLOODS)
    for number in range(MOST_QUESTIONS + 1):
        route(router, asked("query", spoken("hum"), f"q-{number}"))
    answered = [route(router, answer("query", f"q-{number}"), HALL) for number in (0, 1, MOST_QUESTIONS)]
    assert [bool(orders) for orders in answered] == [False, True, True]
