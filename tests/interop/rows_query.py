"""Rows about questions to the hive and about its map."""

from __future__ import annotations

import time
from typing import Any

import pytest
from ovos_bus_client.message import Message

from hivemind_core_client import HiveMessage, HiveMessageBusClient, HiveMessageType
from hivemind_core_client.errors import MessageDenied, QueryTimeout

from .answerer import SILENT, TWICE
from .hubs import RealHub
from .processes import wait_until
from .rows_client import ANSWER_SECONDS, BINARIZE, check_answer, own_name, utterance
from .satellite import Satellite
from .table import behaviour

ASKING = "asking the hive"


def texts(answers: list[Any]) -> list[str]:
    return [answer.message.data["utterance"] for answer in answers]


@behaviour("QUERY streams its answers and ends", ASKING, BINARIZE, needs="query")
def query_streams(hub: RealHub, satellite: Satellite) -> None:
    client = satellite.connected()
    text = f"{TWICE} hello"
    stream = client.query(utterance(text), timeout=ANSWER_SECONDS)
    assert stream.first.message.data["utterance"] == f"you said: {text}"
    answers = list(stream)
    assert texts(answers) == [f"you said: {text}", f"again, you said: {text}"]
    assert client.hub is not None
    assert {answer.responder for answer in answers} == {client.hub.node_id}
    assert all(answer.packet.msg_type is HiveMessageType.QUERY for answer in answers)


@behaviour("QUERY that nobody answers: QueryTimeout", ASKING, BINARIZE, needs="query")
def query_unanswered(hub: RealHub, satellite: Satellite) -> None:
    client = satellite.connected()
    began = time.monotonic()
    with pytest.raises(QueryTimeout):
        client.query(utterance(SILENT))
    # The hub tells it, long before our own bound.
    assert time.monotonic() - began < client.query_timeout / 2
    check_answer(client, "still there")


@behaviour(
    "QUERY of a type that the hub does not allow: MessageDenied names the command that allows it",
    ASKING,
    BINARIZE,
    needs="query",
)
def query_denied(hub: RealHub, satellite: Satellite) -> None:
    # A hub remembers for some seconds what a connected satellite may do.
    hub.command("blacklist-msg", "recognizer_loop:utterance", str(satellite.node_id))
    client = satellite.connected()
    with pytest.raises(MessageDenied, match="hivemind-core allow-msg recognizer_loop:utterance"):
        client.query(utterance("may I"))


@behaviour("CASCADE gathers from the hub and two satellites", ASKING, BINARIZE, needs="query")
def cascade_gathers(hub: RealHub, satellite: Satellite) -> None:
    client = satellite.connected()
    for place in ("kitchen", "attic"):
        answers_cascades(satellite.sibling().connected(), f"the {place} hears you")
    answers = client.cascade(utterance("who is there"), timeout=2.0)
    assert sorted(texts(answers)) == [
        "the attic hears you",
        "the kitchen hears you",
        "you said: who is there",
    ]
    assert len({answer.responder for answer in answers}) == 3


@behaviour("CASCADE returns as soon as all nodes of the map have answered", ASKING, BINARIZE, needs="query")
def cascade_knows_when_all_answered(hub: RealHub, satellite: Satellite) -> None:
    client = satellite.connected()
    answers_cascades(satellite.sibling().connected(), "the kitchen hears you")
    client.ping(settle=0.5)
    began = time.monotonic()
    answers = client.cascade(utterance("who is there"), timeout=30.0)
    assert len(answers) == 2
    assert time.monotonic() - began < ANSWER_SECONDS


def answers_cascades(client: HiveMessageBusClient, text: str) -> None:
    """Let a client answer every CASCADE."""

    def answer(request: HiveMessage) -> None:
        if not request.metadata.get("is_response"):
            client.answer(request, Message("speak", {"utterance": text}))

    client.on(HiveMessageType.CASCADE, answer)
    # Its HELLO has been read once the hub answers it.
    check_answer(client, "here")


@behaviour("`ping` draws the hub and two more satellites", ASKING, BINARIZE, needs="query")
def ping_draws(hub: RealHub, satellite: Satellite) -> None:
    client = satellite.connected()
    others = [satellite.sibling().connected() for _ in range(2)]
    for other in others:
        check_answer(other, "here")
    client.ping(settle=1.0)
    hive_map = client.hive_map
    assert client.hub is not None
    hub_peer = client.hub.node_id
    peers = {hub_peer, *(other.peer for other in others)}
    assert wait_until(lambda: peers <= set(hive_map.nodes), ANSWER_SECONDS)
    assert hive_map.edges[client.peer] == {hub_peer}
    assert {other.peer for other in others} <= hive_map.edges[hub_peer]
    drawn = hive_map.to_ascii(client.peer)
    assert all(own_name(other.peer) in drawn for other in others), drawn
