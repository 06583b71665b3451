"""Clients reach an embedded hub through a broker, as they reach one by WebSocket."""

from __future__ import annotations

import asyncio
import sys
import threading
from typing import Any

import pytest
from ovos_bus_client.message import Message

from hivemind_client_mqtt.testing import EmbeddedBroker, MqttGateway
from hivemind_core_client import Backoff, HiveMessageBusClient, NodeIdentity
from hivemind_core_client.errors import BrokerRefused, HubOffline, PasswordRefused
from hivemind_core_client.kernel.policy import Deadlines
from hivemind_core_client.testing import EmbeddedHub

PASSWORD = "PASSWORD-long-and-random-4711"
NEW = pytest.mark.skipif(sys.version_info < (3, 10), reason="asyncio needs Python 3.10")


def options(broker: EmbeddedBroker, **more: Any) -> dict[str, Any]:
    plain = {"host": broker.url, "identity": NodeIdentity({}), "backoff": Backoff(first=0.01, cap=0.05)}
    return {**plain, **more}


def utterance(text: str) -> Message:
    return Message("recognizer_loop:utterance", {"utterances": [text]})


def heard(answer: Any) -> str:
    return str(answer.payload.data["utterance"])


def test_a_question_and_its_answer(broker: EmbeddedBroker, gateway: MqttGateway) -> None:
    with HiveMessageBusClient("KEY", PASSWORD, **options(broker)) as client:
        assert heard(client.wait_for_response(utterance("hello"), "speak")) == "you said: hello"
    assert broker.kept["hivemind/KEY/status"] == b"offline"
    up = {qos for topic, payload, qos, _ in broker.published if topic.endswith("/in") and payload != b"{}"}
    assert up == {0}


@NEW
def test_a_question_on_a_loop(broker: EmbeddedBroker, gateway: MqttGateway) -> None:
    from hivemind_core_client import AsyncHiveMessageBusClient

    async def ask() -> str:
        async with AsyncHiveMessageBusClient("KEY", PASSWORD, **options(broker)) as client:
            return heard(await client.wait_for_response(utterance("hello"), "speak"))

    threads = set(threading.enumerate())
    assert asyncio.run(ask()) == "you said: hello"
    assert not [made.name for made in set(threading.enumerate()) - threads if "mqtt-connects" in made.name]


def test_two_satellites_do_not_hear_each_other(broker: EmbeddedBroker, gateway: MqttGateway) -> None:
    other_password = "PASSWORD-of-another-one-0815"
    with HiveMessageBusClient("KEY", PASSWORD, **options(broker)) as one:
        with HiveMessageBusClient("OTHER", other_password, **options(broker)) as other:
            assert heard(one.wait_for_response(utterance("one"), "speak")) == "you said: one"
            assert heard(other.wait_for_response(utterance("other"), "speak")) == "you said: other"
            assert one.metrics.received < 4 and other.metrics.received < 4


@pytest.mark.parametrize("how", ["broker", "hub", "forgotten"])
def test_a_session_that_ended_is_made_anew(broker: EmbeddedBroker, gateway: MqttGateway, how: str) -> None:
    ended, again = threading.Event(), threading.Event()
    with HiveMessageBusClient("KEY", PASSWORD, **options(broker)) as client:
        client.on("close", ended.set)
        client.on("open", lambda: again.set() if ended.is_set() else None)
        {
            "broker": broker.drop,
            "hub": lambda: gateway.end("KEY"),
            "forgotten": lambda: gateway.forget("KEY"),
        }[how]()
        if how == "forgotten":
            client.emit(utterance("this wakes a hub that knows nothing of us"))
        assert again.wait(20)
        assert heard(client.wait_for_response(utterance("again"), "speak")) == "you said: again"
        assert client.metrics.reconnects >= 1


def test_a_message_in_many_pieces(broker: EmbeddedBroker, gateway: MqttGateway, hub: EmbeddedHub) -> None:
    with HiveMessageBusClient("KEY", PASSWORD, **options(broker)) as client:
        client.emit(Message("long", {"text": "x" * 500_000}))
        (arrived,) = hub.wait_for("long")
        assert len(arrived["data"]["text"]) == 500_000


def test_a_wrong_password_is_refused(broker: EmbeddedBroker, gateway: MqttGateway) -> None:
    client = HiveMessageBusClient("KEY", "PASSWORD-that-is-wrong-1234", **options(broker))
    with pytest.raises(PasswordRefused):
        client.connect()
    client.close()


def test_a_key_that_the_hub_does_not_know(broker: EmbeddedBroker, gateway: MqttGateway) -> None:
    deadlines = Deadlines(first_frame=1)
    client = HiveMessageBusClient("NOBODY", PASSWORD, **options(broker, deadlines=deadlines))
    with pytest.raises(HubOffline, match="does not know the access key"):
        client.connect()
    client.close()


def test_the_login_at_the_broker_is_none_at_the_hub(
    hub: EmbeddedHub, capfd: pytest.CaptureFixture[str]
) -> None:
    login = {"broker_username": "kitchen", "broker_password": "sekret-4711"}
    with EmbeddedBroker(logins={"kitchen": "sekret-4711"}) as broker, MqttGateway(broker, hub.url):
        with HiveMessageBusClient("KEY", PASSWORD, **options(broker, transport_options=login)) as client:
            assert heard(client.wait_for_response(utterance("hello"), "speak")) == "you said: hello"
            assert "sekret" not in repr(client)
        client = HiveMessageBusClient("KEY", PASSWORD, **options(broker))
        with pytest.raises(BrokerRefused):
            client.connect()
        client.close()
    assert "sekret" not in "".join(capfd.readouterr())
