"""Rows about messages as programs for older clients make them: no BUS message inside a wrapper, JSON text."""

from __future__ import annotations

from typing import Any

from ovos_bus_client.message import Message

from hivemind_core_client import HiveMessage, HiveMessageType

from .hubs import RealHub
from .processes import free_port, wait_until
from .rows_client import ANSWER_SECONDS, Heard, check_comes_back, utterance
from .rows_mesh import at_hub, broadcast_by_admin, propagated
from .satellite import Satellite
from .table import behaviour

FORMS = "messages as older programs make them"
_KITCHEN = "kitchen"


@behaviour("BUS whose payload is JSON text is answered", FORMS)
def json_text(hub: RealHub, satellite: Satellite) -> None:
    client = satellite.client()
    heard = Heard(client)
    client.connect()
    client.emit(HiveMessage(HiveMessageType.BUS, utterance("as text").serialize()))
    assert heard.wait_for("you said: as text")


@behaviour("what a handler changes in the payload of a message is sent on", FORMS)
def changed_payload(hub: RealHub, satellite: Satellite) -> None:
    client = satellite.client()
    heard = Heard(client)
    client.connect()
    message = HiveMessage(HiveMessageType.BUS, utterance("before"))
    message.payload.data = {"utterances": ["after"]}
    client.emit(message.forward())
    assert heard.wait_for("you said: after")


@behaviour("PROPAGATE of a bare Message reaches the other satellites", FORMS)
def propagate(hub: RealHub, satellite: Satellite) -> None:
    propagated(hub, satellite, _bare(HiveMessageType.PROPAGATE, "to all"))


@behaviour("BROADCAST of a bare Message reaches the other satellites", FORMS)
def broadcast(hub: RealHub, satellite: Satellite) -> None:
    broadcast_by_admin(hub, satellite, _bare(HiveMessageType.BROADCAST, "to all"))


@behaviour("ESCALATE of a bare Message is accepted", FORMS)
def escalate(hub: RealHub, satellite: Satellite) -> None:
    client = satellite.client()
    heard = Heard(client)
    client.connect()
    name = at_hub(client)
    client.emit(HiveMessage(HiveMessageType.ESCALATE, Message(f"alarm.{satellite.node_id}.{free_port()}")))
    assert hub.wait_for_log(f"Received escalate message from: {name}")
    check_comes_back(client, heard)


@behaviour("QUERY and CASCADE of a bare Message are answered", FORMS, needs="query")
def questions(hub: RealHub, satellite: Satellite) -> None:
    client = satellite.client()
    heard = Heard(client)
    client.connect()
    for msg_type in (HiveMessageType.QUERY, HiveMessageType.CASCADE):
        client.emit(HiveMessage(msg_type, utterance(msg_type.name)))
        answer = f"you said: {msg_type.name}"
        assert wait_until(lambda expected=answer: expected in heard.texts, 2 * ANSWER_SECONDS), answer


def _bare(wrapper: HiveMessageType, text: str) -> Any:
    return HiveMessage(wrapper, Message("speak", {"utterance": text}), target_site_id=_KITCHEN)
