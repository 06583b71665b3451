"""A client with the plugin `own_aes` at any hub: visitor.py threads|asyncio HOST PORT KEY PASSWORD.

Prints the pattern of the handshake, the answers to three utterances, and the nonces that the plugin has used for them.
"""

import asyncio
import json
import sys

import own_aes
from ovos_bus_client.message import Message

from hivemind_core_client import HiveMessageBusClient, NodeIdentity

shell, host, port, *login = sys.argv[1:]
OPTIONS = {
    "host": host,
    "port": int(port),
    "identity": NodeIdentity({}),
    "plugins": ["own_aes"],
    "ciphers": ["AES-GCM"],
}
QUESTIONS = [Message("recognizer_loop:utterance", {"utterances": [f"number {n}"]}) for n in range(3)]


def forget_the_proof():
    """It was called to prove itself, too."""
    own_aes.SEALED.clear()
    own_aes.OPENED.clear()


def on_threads():
    client = HiveMessageBusClient(*login, **OPTIONS)
    forget_the_proof()
    with client:
        return client.negotiated, [client.wait_for_response(each, "speak", 30) for each in QUESTIONS]


async def on_a_loop():
    from hivemind_core_client.async_client import AsyncHiveMessageBusClient  # needs Python 3.10

    client = AsyncHiveMessageBusClient(*login, **OPTIONS)
    forget_the_proof()
    async with client:
        return client.negotiated, [await client.wait_for_response(each, "speak", 30) for each in QUESTIONS]


negotiated, answers = on_threads() if shell == "threads" else asyncio.run(on_a_loop())
print(
    json.dumps(
        {
            "pattern": negotiated.pattern,
            "answers": [answer.payload.data["utterance"] for answer in answers],
            "sealed": own_aes.SEALED,
            "opened": own_aes.OPENED,
        }
    )
)
