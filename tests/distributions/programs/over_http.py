"""Asks over HTTP, and prints what the hub says. The argument is the address."""

import sys

from ovos_bus_client.message import Message

from hivemind_core_client import HiveMindHTTPClient

with HiveMindHTTPClient(host=sys.argv[1]) as client:
    question = Message("recognizer_loop:utterance", {"utterances": ["over http"]})
    answer = client.wait_for_response(question, reply_type="speak", timeout=10)
    assert answer is not None, "nothing was said"
    print(answer.payload.data["utterance"])
