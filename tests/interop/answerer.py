"""Run by the hub's own Python beside a hub: answers utterances on the OVOS bus and records what it sees.

Arguments: the port of the OVOS bus, and the file that gets one JSON object per line. The first line is
`{"type": "answerer.ready"}`; every other line is a message as it passed on the bus.
"""

from __future__ import annotations

import json
import sys
import threading
from typing import Any

READY = "answerer.ready"


def main(port: int, record_file: str) -> None:
    """Serve until the process is ended."""
    # Other Pythons import this module for READY, and only the hub's has the OVOS bus client.
    from ovos_bus_client import Message, MessageBusClient

    lock = threading.Lock()

    def record(message: dict[str, Any]) -> None:
        with lock, open(record_file, "a", encoding="utf-8") as lines:
            lines.write(json.dumps(message) + "\n")

    def answer(message: Message) -> None:
        utterance = message.data["utterances"][0]
        bus.emit(message.reply("speak", {"utterance": f"you said: {utterance}"}))

    bus = MessageBusClient(host="127.0.0.1", port=port)
    bus.on("message", lambda text: record(json.loads(text)))
    bus.on("recognizer_loop:utterance", answer)
    bus.run_in_thread()
    bus.connected_event.wait()
    record({"type": READY})
    threading.Event().wait()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
