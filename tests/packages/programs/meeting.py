"""A client and a hub, with the plugins that the arguments name: meeting.py threads|asyncio PLUGIN…

Prints what came back for an utterance and for a THIRDPRTY message, what was agreed on, the states of the plugins, and
what was logged.
"""

import asyncio
import json
import logging
import os
import sys
import threading
from importlib import import_module

from ovos_bus_client.message import Message

from hivemind_core_client import HiveMessage, HiveMessageBusClient, NodeIdentity
from hivemind_core_client.testing import EmbeddedHub

PASSWORD = "seven green lanterns above the quiet harbour"
#: What may come back, by its OVOS type.
TYPES = ("replaced", "speak", "door.bell")
UTTERANCE = Message("recognizer_loop:utterance", {"utterances": ["good morning"]})


class Lines(logging.Handler):
    def __init__(self):
        super().__init__(logging.WARNING)
        self.lines = []

    def emit(self, record):
        self.lines.append(f"{record.levelname} {record.getMessage()}")


def on_threads(hub, heard, **options):
    both = threading.Semaphore(0)
    with HiveMessageBusClient("k", PASSWORD, **options) as client:
        for name in TYPES:
            client.on_mycroft(
                name, lambda message: (heard.append([message.msg_type, message.data]), both.release())
            )
        client.emit(UTTERANCE)
        assert both.acquire(timeout=20)
        hub.broadcast(HiveMessage("3rdparty", {}))
        both.acquire(timeout=20 if "bell_a" in options["plugins"] else 0)
        return client.negotiated, client.plugins.report


async def on_a_loop(hub, heard, **options):
    from hivemind_core_client.async_client import AsyncHiveMessageBusClient  # needs Python 3.10

    both = asyncio.Semaphore(0)
    async with AsyncHiveMessageBusClient("k", PASSWORD, **options) as client:
        for name in TYPES:
            client.on_mycroft(
                name, lambda message: (heard.append([message.msg_type, message.data]), both.release())
            )
        await client.emit(UTTERANCE)
        await asyncio.wait_for(both.acquire(), 20)
        await asyncio.to_thread(hub.broadcast, HiveMessage("3rdparty", {}))
        if "bell_a" in options["plugins"]:
            await asyncio.wait_for(both.acquire(), 20)
        return client.negotiated, client.plugins.report


lines, heard = Lines(), []
logging.getLogger().addHandler(lines)
options = json.loads(os.environ.get("OPTIONS", "{}"))
shell, *plugins = sys.argv[1:]
hub_options = {"plugins": plugins, **json.loads(os.environ.get("HUB", "{}"))}
address = None
for module in map(import_module, plugins):
    hub_options.update(getattr(module, "HUB_OPTIONS", {}))
    address = getattr(module, "HUB_ADDRESS", address)
with EmbeddedHub({"k": PASSWORD}, **hub_options) as hub:
    address = options["host"] = address or hub.url
    options["identity"] = NodeIdentity({})
    if shell == "threads":
        agreed, report = on_threads(hub, heard, plugins=plugins, **options)
    else:
        agreed, report = asyncio.run(on_a_loop(hub, heard, plugins=plugins, **options))
    asked = [each.raw_payload["data"] for each in hub.received if each.msg_type.value == "bus"]
print(
    json.dumps(
        {
            "heard": heard,
            "asked": asked,
            "cipher": agreed.cipher,
            "version": agreed.version,
            "kind": agreed.kind,
            "address": address,
            "frames": getattr(sys.modules.get("hall_transport"), "FRAMES", []),
            "states": {info.name: [info.state, info.error] for info in report},
            "logged": lines.lines,
        }
    )
)
