"""A client whose handler blocks, and what others can do meanwhile: blocked.py threads|asyncio.

Prints how many seconds it took others to send and to close, how many messages the hub has, and the plugin's report.
"""

import asyncio
import json
import sys
import threading
import time

import blocking_bell

from hivemind_core_client import HiveMessage, HiveMessageBusClient, NodeIdentity
from hivemind_core_client.testing import EmbeddedHub

PASSWORD = "seven green lanterns above the quiet harbour"
MESSAGE = HiveMessage("bus", {"type": "meanwhile", "data": {}, "context": {}})


def report(client):
    blocking_bell.RELEASED.wait(0.2)  # a call is slow from a tenth of a second on
    (found,) = [info for info in client.plugin_report() if info.name == "blocking_bell"]
    return [found.state, found.slow]


def on_threads(hub, options):
    with HiveMessageBusClient("k", PASSWORD, **options) as client:
        hub.broadcast(HiveMessage("3rdparty", {}))
        assert blocking_bell.STARTED.wait(20)
        took = []

        def send():
            began = time.monotonic()
            client.emit(MESSAGE)
            took.append(time.monotonic() - began)

        sender = threading.Thread(target=send)
        sender.start()
        sender.join(25)
        arrived = len(hub.wait_for("bus", 20))
        began = time.monotonic()
        client.close()
        return {
            "emit": took[0],
            "close": time.monotonic() - began,
            "arrived": arrived,
            "report": report(client),
        }


def started():
    """When the handler began to block."""
    assert blocking_bell.STARTED.wait(20)
    return time.monotonic()


async def on_a_loop(hub, options):
    from hivemind_core_client.async_client import AsyncHiveMessageBusClient  # needs Python 3.10

    client = AsyncHiveMessageBusClient("k", PASSWORD, **options)
    await client.connect()
    await asyncio.to_thread(hub.broadcast, HiveMessage("3rdparty", {}))
    began = await asyncio.to_thread(
        started
    )  # on a thread: where the loop is held up, it is told of that too late
    await client.emit(MESSAGE)
    emitted = time.monotonic()
    arrived = len(await asyncio.to_thread(hub.wait_for, "bus", 20))
    before = time.monotonic()
    await client.close()
    closed = time.monotonic() - before
    return {"emit": emitted - began, "close": closed, "arrived": arrived, "report": report(client)}


with EmbeddedHub({"k": PASSWORD}, plugins=()) as hub:
    options = {"host": hub.url, "identity": NodeIdentity({}), "plugins": ["blocking_bell"]}
    facts = on_threads(hub, options) if sys.argv[1] == "threads" else asyncio.run(on_a_loop(hub, options))
facts["released"] = blocking_bell.RELEASED.is_set()
blocking_bell.RELEASED.set()
print(json.dumps(facts))
