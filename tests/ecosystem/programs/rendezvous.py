"""Both halves of hivemind-rendezvous: a letter is sealed, kept by a mailbox, collected, and opened.

Arguments: key, password, host, port. The hub without a mailbox is asked for letters too.
"""

from __future__ import annotations

import sys
import threading

from hivemind_bus_client import HiveMessage, HiveMessageBusClient, HiveMessageType
from hivemind_bus_client.encryption import hybrid_decrypt
from hivemind_rendezvous import RendezvousMailbox
from hivemind_rendezvous.client import make_deposit_envelope
from poorman_handshake.asymmetric.utils import create_RSA_key

key, password, host, port = sys.argv[1:]


def ask(mailbox: RendezvousMailbox, owner: str, **command: object) -> dict[str, object]:
    """What the mailbox answers."""
    return mailbox.handle(HiveMessage(HiveMessageType.RENDEZVOUS, payload=command), owner).payload


public, private = create_RSA_key()
letter = HiveMessage(HiveMessageType.INTERCOM, payload=make_deposit_envelope(public, "a letter"))
mailbox = RendezvousMailbox()
print(
    "deposit:", ask(mailbox, "anna", cmd="deposit", target_key="bert", payload=letter.serialize())["status"]
)
kept = ask(mailbox, "bert", cmd="collect")["messages"][0]
envelope = HiveMessage.deserialize(kept["payload"]).payload
print("opened:", hybrid_decrypt(private, envelope).decode())
print("removed:", ask(mailbox, "bert", cmd="ack", deposit_ids=[kept["deposit_id"]])["removed"], flush=True)

client = HiveMessageBusClient(key=key, password=password, host=host, port=int(port))
client.connect()
answered = threading.Event()


def reply(message: HiveMessage) -> None:
    """Print what the hub says."""
    print("hub:", message.payload["reason"], flush=True)
    answered.set()


client.on("rendezvous", reply)
client.emit(HiveMessage(HiveMessageType.RENDEZVOUS, payload={"cmd": "collect"}))
answered.wait(timeout=15)
client.close()
