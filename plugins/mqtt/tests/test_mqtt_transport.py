"""The transport keeps the contract: both forms, with MQTT 5 and 3.1.1, with and without TLS."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from hivemind_client_mqtt.plugin import hivemind_transports
from hivemind_client_mqtt.testing import EmbeddedBroker
from hivemind_core_client.testing import check_transport

PLAIN, SECURE = hivemind_transports()
STATUS, DOWN = "hivemind/key/status", "hivemind/key/out"


@contextmanager
def echo(broker: EmbeddedBroker, **more: Any) -> Iterator[None]:
    """A peer that sends everything back, as text what came as text, and hangs up as a hub does.

    A hub that takes nobody says so each time it is called. What it says before may be about the session before.
    """

    def on_message(client: Client, data: object, message: MQTTMessage) -> None:
        if message.payload == b"hang up":
            for _ in range(3):
                client.publish(STATUS, b"offline", qos=1, retain=True)
        elif message.payload != b"{}":
            is_text = getattr(message.properties, "PayloadFormatIndicator", 0)
            properties: Any = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
            if is_text:
                properties.PayloadFormatIndicator = 1
            client.publish(DOWN, message.payload, properties=properties)

    peer = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
    peer.on_message = on_message
    peer.on_connect = lambda client, *_: client.subscribe("hivemind/+/in", qos=1)
    if more:
        peer.tls_set(**more)
    peer.connect(broker.host, broker.port)
    peer.loop_start()
    yield
    peer.disconnect()
    peer.loop_stop()


@pytest.mark.skipif(sys.version_info < (3, 10), reason="asyncio needs Python 3.10")
def test_both_forms_keep_the_contract(broker: EmbeddedBroker) -> None:
    with echo(broker):
        check_transport(PLAIN, broker.url, code=1008)
