"""Run by the hub's own Python beside a hub: answers utterances on the OVOS bus and records what it sees.

Arguments: the port of the OVOS bus, the file that gets one JSON object per line, and the hub's name. The first
line is `{"type": "answerer.ready"}`; every other line is a message as it passed on the bus.

Every utterance is answered by one `speak`, with these exceptions: what begins with `SILENT` gets no answer, what
begins with `TWICE` gets two, and what begins with the text `only_known_to(name)` is answered by the hub of that name
alone. A question (QUERY, CASCADE) gets `ovos.utterance.handled` after that.
"""

from __future__ import annotations

import json
import sys
import threading
from functools import partial
from typing import Any

READY = "answerer.ready"
SILENT = "say nothing"
TWICE = "say twice"
#: What is sent with `COUNT` comes back with `COUNTED`.
COUNT, COUNTED = "interop.count", "interop.counted"
#: A collect-call with this is answered by two.
COLLECT = "interop.collect"


def only_known_to(name: str) -> str:
    """How an utterance begins that only the hub called `name` answers."""
    return f"only {name} knows"


def answers(utterance: str, name: str) -> list[str]:
    """What the hub called `name` says to an utterance."""
    if utterance.startswith(SILENT):
        return []
    if utterance.startswith("only ") and not utterance.startswith(only_known_to(name)):
        return []
    said = f"you said: {utterance}"
    return [said, f"again, {said}"] if utterance.startswith(TWICE) else [said]


def main(port: int, record_file: str, name: str) -> None:
    """Serve until the process is ended."""
    # Other Pythons import this module for what stands above, and only the hub's has the OVOS bus client.
    from ovos_bus_client import Message, MessageBusClient

    lock = threading.Lock()

    def record(message: dict[str, Any]) -> None:
        with lock, open(record_file, "a", encoding="utf-8") as lines:
            lines.write(json.dumps(message) + "\n")

    def answer(message: Message) -> None:
        for text in answers(message.data["utterances"][0], name):
            bus.emit(message.reply("speak", {"utterance": text}))
        # Only questions end by it, and hub 4.0.0 loses its bus when a satellite leaves while that is sent to it.
        if "query_id" in message.context:
            bus.emit(message.reply("ovos.utterance.handled"))

    def respond(number: int, request: Any) -> None:
        bus.emit(request.success({"number": number, "asked": request.data["asked"]}))

    bus = MessageBusClient(host="127.0.0.1", port=port)
    bus.on("message", lambda text: record(json.loads(text)))
    bus.on("recognizer_loop:utterance", answer)
    bus.on(COUNT, lambda message: bus.emit(message.reply(COUNTED, message.data)))
    for number in (1, 2):
        bus.on_collect(COLLECT, partial(respond, number))
    bus.run_in_thread()
    bus.connected_event.wait()
    record({"type": READY})
    threading.Event().wait()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], sys.argv[3])
