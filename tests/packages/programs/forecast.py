"""Two clients below one hub, one of which sends a message of the type `weather` to the other: forecast.py SHELL."""

import asyncio
import json
import sys
from queue import Queue

from hivemind_core_client import HiveMessage, HiveMessageBusClient, NodeIdentity
from hivemind_core_client.testing import Account, EmbeddedHub

PASSWORD = "seven green lanterns above the quiet harbour"
SUNNY = HiveMessage("broadcast", {"msg_type": "weather", "payload": {"sky": "clear"}}, target_site_id="home")
GREY = {"sky": "grey"}


def address(hub):
    return {"host": hub.url, "identity": NodeIdentity({"site_id": "home"}), "plugins": ["weather"]}


def on_threads(hub, told):
    with HiveMessageBusClient("ONE", PASSWORD, **address(hub)) as kitchen:
        with HiveMessageBusClient("TWO", PASSWORD, **address(hub)) as attic:
            heard = Queue()
            attic.on("weather", lambda message: told.append(["hive", message.payload]))
            attic.on_mycroft("weather.told", lambda message: heard.put(message.data))
            hub.wait_for_sessions(2, 20)
            kitchen.emit(SUNNY)
            told.append(["ovos", heard.get(timeout=20)])
            kitchen.emit(HiveMessage("weather", GREY))
            hub.wait_for("weather", 20)


async def on_a_loop(hub, told):
    from hivemind_core_client.async_client import AsyncHiveMessageBusClient  # needs Python 3.10

    async with AsyncHiveMessageBusClient("ONE", PASSWORD, **address(hub)) as kitchen:
        async with AsyncHiveMessageBusClient("TWO", PASSWORD, **address(hub)) as attic:
            heard = asyncio.Queue()
            attic.on("weather", lambda message: told.append(["hive", message.payload]))
            attic.on_mycroft("weather.told", lambda message: heard.put_nowait(message.data))
            await asyncio.to_thread(hub.wait_for_sessions, 2, 20)
            await kitchen.emit(SUNNY)
            told.append(["ovos", await asyncio.wait_for(heard.get(), 20)])
            await kitchen.emit(HiveMessage("weather", GREY))
            await asyncio.to_thread(hub.wait_for, "weather", 20)


told = []
accounts = [Account("ONE", PASSWORD, name="kitchen", admin=True), Account("TWO", PASSWORD, name="attic")]
with EmbeddedHub(accounts, plugins=["weather"]) as hub:
    if sys.argv[1] == "threads":
        on_threads(hub, told)
    else:
        asyncio.run(on_a_loop(hub, told))
    at_the_hub = [message.payload for message in hub.received if message.msg_type == "weather"]
print(json.dumps({"told": told, "hub": at_the_hub}))
