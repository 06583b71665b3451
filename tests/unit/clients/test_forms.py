"""All clients: what a handler changes in a message is sent on, and messages as programs for older clients make them."""

from __future__ import annotations

from typing import Any

import pytest
from ovos_bus_client.message import Message

from hivemind_core_client import HiveMessage, HiveMessageBusClient, HiveMessageType
from hivemind_core_client.testing import EmbeddedHub
from tests.unit.client_support import Log


def alarm() -> Message:
    return Message("alarm.rang", {"at": 7}, {"source": "kitchen"})


@pytest.mark.parametrize("msg_type", ["escalate", "query", "cascade"])
@pytest.mark.parametrize("form", ["Message", "dict", "text"])
def test_a_bare_message_in_a_wrapper_is_a_valid_one_at_the_hub(
    hub: EmbeddedHub, client: HiveMessageBusClient, msg_type: str, form: str
) -> None:
    text = alarm().serialize()
    bare: Any = {"Message": alarm(), "dict": {"type": "alarm.rang", "data": {"at": 7}}, "text": text}[form]
    client.emit(HiveMessage(msg_type, bare))
    (arrived,) = hub.wait_for(msg_type)
    inner = arrived.payload
    assert inner.msg_type is HiveMessageType.BUS
    assert (inner.payload.msg_type, inner.payload.data) == ("alarm.rang", {"at": 7})


def test_json_text_is_a_valid_bus_message_at_the_hub(hub: EmbeddedHub, client: HiveMessageBusClient) -> None:
    client.emit(HiveMessage(HiveMessageType.BUS, alarm().serialize()))
    (arrived,) = hub.wait_for("alarm.rang")
    assert (arrived.payload.data, arrived.payload.context["source"]) == ({"at": 7}, "kitchen")


@pytest.mark.parametrize("anew", [False, True], ids=["in place", "anew"])
def test_what_a_handler_changes_is_sent_on(
    hub: EmbeddedHub, client: HiveMessageBusClient, anew: bool
) -> None:
    log = Log()
    client.on(HiveMessageType.BUS, log)
    hub.broadcast(Message("lamp.ask"))
    (message,) = log.wait(1)
    if anew:
        message.payload.data = {"room": "hall"}
    else:
        message.payload.data["room"] = "hall"
    message.payload.msg_type = "lamp.answer"
    client.emit(message.forward())
    (arrived,) = hub.wait_for("lamp.answer")
    assert arrived.payload.data == {"room": "hall"}
