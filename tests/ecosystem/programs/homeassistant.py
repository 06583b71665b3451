"""What the integration hivemind-homeassistant does with its client; it is on no index, and needs Home Assistant.

Arguments: key, password, host, port, and what is said. Before each but the first, its button to reconnect is pressed.
"""

from __future__ import annotations

import operator
import os
import sys
import threading

from hivemind_bus_client.client import HiveMessageBusClient
from hivemind_bus_client.identity import NodeIdentity
from hivemind_bus_client.message import HiveMessage, HiveMessageType
from json_database import JsonStorage
from ovos_bus_client import Message
from ovos_utils.fakebus import FakeBus

key, password, host, port, first, *further = sys.argv[1:]

folder = os.path.join(os.environ["XDG_CONFIG_HOME"], "homeassistant")
os.makedirs(folder)
identity = NodeIdentity(JsonStorage(os.path.join(folder, "_identity.json")))
identity.access_key = key
identity.password = password
identity.site_id = "living-room"
identity.name = "Home Assistant"
internal_bus = FakeBus()
internal_bus.session_id = "home-assistant"
client = HiveMessageBusClient(
    key=key,
    password=password,
    host=host,
    port=int(port),
    useragent="HomeAssistant",
    self_signed=False,
    internal_bus=internal_bus,
    identity=identity,
)
# Its devices are called by this.
print(
    "device of",
    operator.attrgetter("_host")(client),
    "connected:",
    client.handshake_event.is_set(),
    flush=True,
)
answered = threading.Event()


def speak(message: Message) -> None:
    """Print the answer, and whose session it is for."""
    print("answer:", message.data["utterance"], message.context["session"]["session_id"], flush=True)
    answered.set()


def ask(utterance: str) -> None:
    """Say something, and wait for the answer."""
    answered.clear()
    message = Message("recognizer_loop:utterance", {"utterances": [utterance], "lang": "en-us"})
    client.emit(HiveMessage(HiveMessageType.BUS, message))
    answered.wait(timeout=15)


client.on_mycroft("speak", speak)
client.connect()
print("connected:", client.handshake_event.is_set(), flush=True)
ask(first)
for utterance in further:
    client.close()
    client.handshake_event.clear()
    client.connected_event.clear()
    client.protocol = None
    client.connect(site_id=client.site_id)
    print("again at:", client.site_id, flush=True)
    ask(utterance)
client.close()
