"""Run by the hub's own Python: the reference client as another satellite, for what two clients must agree on.

Its first line of input is `{"key", "password", "host", "port", "trusts"}`, where `trusts` maps aliases to PEM texts;
it answers `{"public_key"}` once it is connected. Then `{"send": TYPE, "data", "to": PEM}` sends an INTERCOM message
and is answered `{}`, and `{"receive": TYPE}` is answered `{"data", "context"}` when a message of that type has
come, or `{}` when none came in time.
"""

from __future__ import annotations

import json
import os
import queue
import sys
from typing import Any

_SECONDS = 10.0


def main() -> None:
    """Serve until the input ends."""
    # The hub's libraries log to the standard output, which is for the answers alone.
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    # Only the hub's Python has them.
    from hivemind_bus_client.client import HiveMessageBusClient
    from hivemind_bus_client.identity import NodeIdentity
    from hivemind_bus_client.message import HiveMessage, HiveMessageType
    from ovos_bus_client.message import Message
    from ovos_utils.fakebus import FakeBus

    settings = json.loads(sys.stdin.readline())
    identity = NodeIdentity()
    identity.create_keys()
    for alias, key in settings["trusts"].items():
        identity.add_trusted_key(alias, key)
    identity.save()
    came: queue.Queue[dict[str, Any]] = queue.Queue()
    bus = FakeBus()
    bus.on("message", lambda text: came.put(json.loads(text)))
    client = HiveMessageBusClient(
        key=settings["key"],
        password=settings["password"],
        host=f"ws://{settings['host']}",
        port=settings["port"],
        identity=identity,
    )
    client.connect(bus=bus)

    def reply(answer: dict[str, Any]) -> None:
        replies.write(json.dumps(answer) + "\n")
        replies.flush()

    def receive(msg_type: str) -> dict[str, Any]:
        try:
            while True:
                message = came.get(timeout=_SECONDS)
                if message["type"] == msg_type:
                    return {"data": message["data"], "context": message["context"]}
        except queue.Empty:
            return {}

    reply({"public_key": identity.public_key})
    for line in sys.stdin:
        request = json.loads(line)
        if "receive" in request:
            reply(receive(request["receive"]))
            continue
        inner = HiveMessage(HiveMessageType.BUS, payload=Message(request["send"], request["data"]))
        client.emit_intercom(inner, request["to"])
        reply({})
    client.close()


if __name__ == "__main__":
    main()
