"""The wire of protocol version 1 as somebody would write it by hand: standard library JSON, and OpenSSL.

Password handshake, AES-GCM, JSON-B64, text frames. The peer of the group `path` speaks it, and so do the loops that
this library is compared with.
"""

from __future__ import annotations

import base64
import json
import os
import warnings
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

Json = dict[str, Any]

CIPHER, ENCODING = "AES-GCM", "JSON-B64"
_NONCE_SIZE, _TAG_SIZE = 16, 16

#: OVOS types of the talk with the peer: `count` is answered by `counted`, `pour` by as many `spoken` as are asked for.
COUNT, COUNTED, POUR, SPOKEN = "bench.count", "bench.counted", "bench.pour", "speak"


class Box:
    """Seals and opens text with one key."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    def seal(self, text: str) -> str:
        nonce = os.urandom(_NONCE_SIZE)
        sealed = self._cipher.encrypt(nonce, text.encode(), None)
        return json.dumps(
            {
                "ciphertext": base64.b64encode(sealed[:-_TAG_SIZE]).decode(),
                "tag": base64.b64encode(sealed[-_TAG_SIZE:]).decode(),
                "nonce": base64.b64encode(nonce).decode(),
            }
        )

    def open(self, frame: str | bytes) -> str:
        fields = json.loads(frame)
        sealed = base64.b64decode(fields["ciphertext"]) + base64.b64decode(fields["tag"])
        return self._cipher.decrypt(base64.b64decode(fields["nonce"]), sealed, None).decode()


def packet(msg_type: str, payload: Json) -> Json:
    """The object of a text frame."""
    return {
        "msg_type": msg_type,
        "payload": payload,
        "metadata": {},
        "route": [],
        "node": None,
        "target_site_id": None,
        "target_pubkey": None,
        "source_peer": None,
    }


def exchange(password: str) -> Any:
    """One side of the password handshake."""
    from poorman_handshake import PasswordHandShake

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return PasswordHandShake(password)


class Speaker:
    """A satellite by hand, but for the socket: from an OVOS Message to a frame, and back."""

    def __init__(self, target: Json) -> None:
        from ovos_bus_client.session import Session

        self._password = target["password"]
        authorization = base64.b64encode(f"by-hand:{target['key']}".encode()).decode()
        self.url = f"ws://{target['host']}:{target['port']}?authorization={authorization}"
        self._session = Session("by-hand").serialize()
        self._session["site_id"] = "unknown"
        self._exchange = exchange(self._password)

    def begin(self) -> str:
        """Our part of the handshake, in answer to the offer."""
        payload = {
            "envelope": self._exchange.generate_handshake(),
            "binarize": False,
            "ciphers": [CIPHER],
            "encodings": [ENCODING],
        }
        return json.dumps(packet("shake", payload))

    def finish(self, answer: str | bytes) -> str:
        """Our HELLO, sealed, when the hub has answered."""
        if not self._exchange.receive_and_verify(json.loads(answer)["payload"]["envelope"]):
            raise RuntimeError("the password differs")
        self._box = Box(self._exchange.secret)
        return self._box.seal(json.dumps(packet("hello", {"session": self._session})))

    def frame(self, message: Any) -> str:
        """The frame of an OVOS Message, with the routing fields that the protocol asks for."""
        context = {
            **message.context,
            "source": "by-hand",
            "platform": "by-hand",
            "destination": "HiveMind",
            "session": self._session,
        }
        payload = {"type": message.msg_type, "data": message.data, "context": context}
        return self._box.seal(json.dumps(packet("bus", payload)))

    def message(self, frame: str | bytes) -> Any:
        """The OVOS Message of a frame."""
        from ovos_bus_client.message import Message

        payload = json.loads(self._box.open(frame))["payload"]
        return Message(payload["type"], payload["data"], payload["context"])
