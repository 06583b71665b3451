"""A program as it is given to people who have no Python: satellite.py HOST PORT PASSWORD."""

import json
import sys

from ovos_bus_client.message import Message

import hivemind_core_client
from hivemind_core_client import HiveMessageBusClient, NodeIdentity

host, port, password = sys.argv[1:]
with HiveMessageBusClient("KEY", password, host=host, port=int(port), identity=NodeIdentity({})) as client:
    question = Message("recognizer_loop:utterance", {"utterances": ["good morning"]})
    answer = client.wait_for_response(question, "speak", 20)
    said = {
        "place": hivemind_core_client.__file__,
        "answer": answer.payload.data["utterance"],
        "version": client.negotiated.version,
        "builtins": {info.name: [info.state, info.error] for info in client.plugins.report if info.builtin},
    }
print(json.dumps(said))
