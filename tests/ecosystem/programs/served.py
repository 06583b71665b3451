"""What a satellite needs of its hub, with the client of this environment, by threads and then with asyncio.

Arguments: key, password, host, port. What holds is a line of the output; an error ends the program.
"""

from __future__ import annotations

import asyncio
import queue
import sys
import uuid
from typing import Any

from hivemind_bus_client.client import BinaryDataCallbacks, HiveMessageBusClient
from hivemind_bus_client.identity import NodeIdentity
from hivemind_bus_client.message import HiveMessage, HiveMessageType
from ovos_bus_client.message import Message
from ovos_utils.fakebus import FakeBus

key, password, host, port = sys.argv[1:]
SECONDS = 20.0
FLOOD = str(uuid.uuid4())


class Speech(BinaryDataCallbacks):
    """Keeps the speech that the hub sends."""

    def __init__(self) -> None:
        self.came: queue.Queue[bytes] = queue.Queue()

    def handle_receive_tts(self, bin_data: bytes, *facts: Any, **more: Any) -> None:
        """Speech has come."""
        self.came.put(bin_data)


def options() -> dict[str, Any]:
    """Of a client, by either name."""
    return {"key": key, "password": password, "host": host, "port": int(port), "identity": NodeIdentity()}


def utterance(text: str) -> Message:
    return Message("recognizer_loop:utterance", {"utterances": [text], "lang": "en-us"})


def spoken_on(bus: FakeBus) -> queue.Queue[str]:
    said: queue.Queue[str] = queue.Queue()
    bus.on("speak", lambda message: said.put(message.data["utterance"]))
    return said


def first_contact() -> None:
    bus, speech = FakeBus(), Speech()
    client = HiveMessageBusClient(**options(), bin_callbacks=speech)
    said, floods = spoken_on(bus), queue.Queue()
    client.connect(bus)
    for text in ("hello", "long " * 40_000):
        client.emit(utterance(text))
        assert said.get(timeout=SECONDS) == f"you said: {text}"
    print("spoke", flush=True)
    client.emit(HiveMessage(HiveMessageType.QUERY, HiveMessage(HiveMessageType.BUS, utterance("why"))))
    assert said.get(timeout=SECONDS) == "you said: why"
    print("asked", flush=True)
    client.on(HiveMessageType.PROPAGATE, floods.put)
    ping = {
        "flood_id": FLOOD,
        "peer": f"served::{client.session_id}",
        "site_id": "here",
        "timestamp": 0,
        "public_key": "",
    }
    client.emit(HiveMessage(HiveMessageType.PROPAGATE, HiveMessage(HiveMessageType.PING, ping)))
    assert floods.get(timeout=SECONDS).payload.payload["flood_id"] == FLOOD
    print("flooded", flush=True)
    facts = {"utterance": "good morning", "lang": "en-us", "file_name": "morning.wav"}
    client.emit(Message("speak:synth", facts))
    assert speech.came.get(timeout=SECONDS).startswith(b"RIFF")
    print("heard", flush=True)
    client.close()


def further_contact(number: int) -> None:
    bus = FakeBus()
    client, said = HiveMessageBusClient(**options()), spoken_on(bus)
    client.connect(bus)
    client.emit(utterance("again"))
    assert said.get(timeout=SECONDS) == "you said: again"
    print("came again", number, flush=True)
    client.close()


def wrong_password() -> None:
    client = HiveMessageBusClient(**{**options(), "password": "Another-Horse-Battery-Staple-9"})
    try:
        client.connect(FakeBus(), handshake_max_retries=0)
    except Exception as error:
        print("refused", type(error).__name__, flush=True)
    else:
        raise AssertionError("a wrong password was taken")
    finally:
        client.close()


async def with_asyncio() -> None:
    from hivemind_bus_client.async_client import AsyncHiveMessageBusClient

    bus, client = FakeBus(), AsyncHiveMessageBusClient(**options())
    said = spoken_on(bus)
    await client.connect(bus)
    await client.emit(utterance("and now"))
    answer = await asyncio.get_running_loop().run_in_executor(None, lambda: said.get(timeout=SECONDS))
    assert answer == "you said: and now"
    print("spoke with asyncio", flush=True)
    await client.close()


wrong_password()  # first: the reference client asks for no password where it remembers the key of the right one
first_contact()
further_contact(1)
further_contact(2)
asyncio.run(with_asyncio())
print("all done", flush=True)
