"""The pipeline plugin, asked as ovos-core does: what it says goes to the bus of the assistant.

The argument is the utterance. Its credentials are those of the identity file. It is asked with `slave_mode` off and on.
"""

from __future__ import annotations

import sys
import threading

from ovos_bus_client.message import Message
from ovos_hivemind_pipeline import HiveMindPipeline
from ovos_utils.fakebus import FakeBus


def ask(utterance: str, slave_mode: bool) -> None:
    """Print what the assistant is told to say."""
    bus = FakeBus()
    said = threading.Event()

    def speak(message: Message) -> None:
        print(f"slave {slave_mode}:", message.data["utterance"], flush=True)
        said.set()

    plugin = HiveMindPipeline(bus, {"slave_mode": slave_mode, "confirmation": False})
    bus.on("speak", speak)
    plugin.hm.handshake_event.wait(timeout=20)
    match = plugin.match([utterance], "en-us", Message("recognizer_loop:utterance"))
    bus.emit(Message(match.match_type, match.match_data, {"skill_id": match.skill_id}))
    said.wait(timeout=20)
    plugin.hm.close()
    plugin.shutdown()


for mode in (False, True):
    ask(f"{sys.argv[1]} {mode}", mode)
