"""The hub of the group `path`, until stdin closes; the first line printed is its port.

It opens and counts what comes, and sends as many messages as it is asked for. It does as little as can be, so that
the client is what is waited for.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from contextlib import suppress
from typing import Any

from hivebench.by_hand import CIPHER, COUNT, COUNTED, ENCODING, POUR, SPOKEN, Box, Json, exchange, packet
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection, serve

_OFFER = {
    "handshake": True,
    "min_protocol_version": 1,
    "max_protocol_version": 1,
    "binarize": False,
    "preshared_key": False,
    "password": True,
    "crypto_required": True,
    "encodings": [ENCODING],
    "ciphers": [CIPHER],
}


class Guest:
    """One client."""

    def __init__(self, connection: ServerConnection, password: str) -> None:
        self._connection = connection
        self._exchange = exchange(password)
        self._count = 0

    def serve(self) -> None:
        self._say_plain("hello", {"pubkey": "", "peer": "guest::0", "node_id": "path"})
        self._say_plain("shake", _OFFER)
        envelope = self._exchange.generate_handshake()
        self._exchange.receive_handshake(json.loads(self._connection.recv())["payload"]["envelope"])
        self._say_plain("shake", {"envelope": envelope, "cipher": CIPHER, "encoding": ENCODING})
        self._box = Box(self._exchange.secret)
        for frame in self._connection:
            text = self._box.open(frame)
            received = json.loads(text)
            if received["msg_type"] == "bus":
                self._take(received["payload"], len(text))

    def _take(self, message: Json, size: int) -> None:
        self._count += 1
        context = message["context"]
        answer = {**context, "source": context["destination"], "destination": context["source"]}
        if message["type"] == COUNT:
            self._say(COUNTED, {"count": self._count, "size": size}, answer)
            self._count = 0
        elif message["type"] == POUR:
            self._count = 0
            for number in range(message["data"]["count"]):
                self._say(SPOKEN, {"utterance": f"it will be sunny {number}", "lang": "en-us"}, answer)
                if message["data"]["pause"]:
                    time.sleep(message["data"]["pause"])

    def _say(self, msg_type: str, data: Json, context: Json) -> None:
        payload = {"type": msg_type, "data": data, "context": context}
        self._connection.send(self._box.seal(json.dumps(packet("bus", payload))))

    def _say_plain(self, msg_type: str, payload: Any) -> None:
        self._connection.send(json.dumps({"msg_type": msg_type, "payload": payload}))


def main(password: str) -> None:
    """Serve until stdin closes."""

    def guest(connection: ServerConnection) -> None:
        with suppress(ConnectionClosed):
            Guest(connection, password).serve()

    with serve(guest, "127.0.0.1", 0, compression=None) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        print(server.socket.getsockname()[1], flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main(sys.argv[1])
