"""A hive in one process, as tests that stand on hivescope have it.

The first argument is `shim` (a satellite made of HiveMindSlaveProtocol) or `loopback` (a client at a WebSocket), the
second is the utterance.
"""

from __future__ import annotations

import sys
import threading

from hivemind_bus_client import HiveMessageBusClient
from hivescope import MasterNode, TopologyBuilder
from hivescope.assertions import assert_encryption_match, assert_handshake_complete
from hivescope.scenarios import single_satellite
from ovos_bus_client.message import Message

UTTERANCE = "recognizer_loop:utterance"
SECONDS = 15.0

kind, utterance = sys.argv[1:]
said = threading.Event()


def speak(message: Message) -> None:
    """Print the answer."""
    print("answer:", message.data["utterance"], flush=True)
    said.set()


def answers(master: MasterNode) -> None:
    """Let the hub answer utterances."""
    bus = master.agent_protocol.bus
    bus.on(
        UTTERANCE, lambda message: bus.emit(message.reply("speak", {"utterance": f"you said: {utterance}"}))
    )


def by_shim() -> None:
    """Speak through hivescope's own satellite."""
    builder = single_satellite(allowed_types=[UTTERANCE])
    builder.start_all()
    master, satellite = builder.get_master("M0"), builder.get_satellite("S0")
    assert_handshake_complete(master, satellite)
    assert_encryption_match(master, satellite)
    print("handshake complete", flush=True)
    answers(master)
    satellite.internal_bus.on("speak", speak)
    satellite.send(Message(UTTERANCE, {"utterances": [utterance], "lang": "en-us"}))
    said.wait(SECONDS)
    builder.stop_all()


def by_loopback() -> None:
    """Speak through a client of one's own."""
    builder = TopologyBuilder()
    master = builder.add_master("M0", use_loopback=True)
    master.register_satellite(key="a-key", password="Correct-Horse-Battery-Staple", allowed_types=[UTTERANCE])
    builder.start_all()
    answers(master)
    host, _, port = master.network_protocol.url.rstrip("/").rpartition(":")
    client = HiveMessageBusClient(
        key="a-key", password="Correct-Horse-Battery-Staple", host=host, port=int(port)
    )
    client.connect()
    print("handshake complete", flush=True)
    client.on_mycroft("speak", speak)
    client.emit(Message(UTTERANCE, {"utterances": [utterance], "lang": "en-us"}))
    said.wait(SECONDS)
    client.close()
    builder.stop_all()


by_shim() if kind == "shim" else by_loopback()
