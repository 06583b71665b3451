"""For tests without a broker: EmbeddedBroker is one in this process, and MqttGateway puts an embedded hub behind it."""

from __future__ import annotations

import threading
from base64 import b64encode
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Optional
from urllib.parse import quote

from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

from hivemind_client_mqtt.embedded_broker import EmbeddedBroker

if TYPE_CHECKING:
    from websockets.sync.client import ClientConnection

__all__ = ["EmbeddedBroker", "MqttGateway"]

_ONLINE, _OFFLINE, _WAKE_UP = b"online", b"offline", b"{}"


class MqttGateway:
    """Connects satellites at an EmbeddedBroker with an EmbeddedHub: each session is a WebSocket of the hub.

    `url` is the hub's `ws://HOST:PORT`. `name` is that of the hub in its status topic, and `prefix` begins all topics.
    To be used in `with`, or with `start` and `stop`. Like a hub with hivemind-mqtt-protocol it says nothing to a key
    that it does not know.
    """

    def __init__(
        self, broker: EmbeddedBroker, url: str, prefix: str = "hivemind", name: str = "unnamed-node"
    ) -> None:
        self._broker = broker
        self._url = url
        self._prefix = prefix
        self._status = f"{prefix}/{name}/status"
        self._sessions: dict[str, ClientConnection] = {}
        self._lock = threading.RLock()

    def start(self) -> MqttGateway:
        """Serve satellites, and say so."""
        self._broker.listen(f"{self._prefix}/+/in", self._came)
        self._broker.listen(f"{self._prefix}/+/status", self._heard)
        self._broker.publish(self._status, _ONLINE, qos=1, retain=True)
        return self

    def stop(self) -> None:
        """Serve nobody any more, and say so."""
        self._broker.ignore(self._came)
        self._broker.ignore(self._heard)
        for key in list(self._sessions):
            self._drop(key)
        self._broker.publish(self._status, _OFFLINE, qos=1, retain=True)

    def __enter__(self) -> MqttGateway:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def end(self, key: str) -> None:
        """End the session of a key, and tell its satellite, as a hub does."""
        self._drop(key)
        self._broker.publish(self._topic(key, "status"), _OFFLINE, qos=1, retain=True)

    def forget(self, key: str) -> None:
        """Forget the session of a key, and tell nobody, as a hub does after a long silence."""
        self._drop(key)

    def _topic(self, key: str, end: str) -> str:
        return f"{self._prefix}/{key}/{end}"

    def _came(self, topic: str, payload: bytes) -> None:
        key = topic.split("/")[-2]
        with self._lock:
            session = self._sessions.get(key) or self._begin(key)
        if session is None or payload == _WAKE_UP:
            return
        with suppress(WebSocketException, OSError):
            session.send(_frame(payload))

    def _heard(self, topic: str, payload: bytes) -> None:
        if topic != self._status and payload == _OFFLINE:
            self._drop(topic.split("/")[-2])

    def _begin(self, key: str) -> Optional[ClientConnection]:
        login = quote(b64encode(f"mqtt:{key}".encode()).decode(), safe="")
        try:
            session = connect(f"{self._url}/?authorization={login}", max_size=None, compression=None)
        except (WebSocketException, OSError):
            return None
        self._sessions[key] = session
        threading.Thread(target=self._pass_on, args=(key, session), name="mqtt-gateway", daemon=True).start()
        return session

    def _pass_on(self, key: str, session: ClientConnection) -> None:
        said = False
        with suppress(WebSocketException, OSError), session:
            for frame in session:
                said = True
                is_text = isinstance(frame, str)
                payload = frame.encode() if isinstance(frame, str) else bytes(frame)
                self._broker.publish(self._topic(key, "out"), payload, qos=1 if is_text else 0)
        with self._lock:
            ended_here = self._sessions.get(key) is not session
            if not ended_here:
                del self._sessions[key]
        if said and not ended_here:
            self._broker.publish(self._topic(key, "status"), _OFFLINE, qos=1, retain=True)

    def _drop(self, key: str) -> None:
        with self._lock:
            session = self._sessions.pop(key, None)
        if session is not None:
            session.close()


def _frame(payload: bytes) -> Any:
    """Text or bytes, as hubs tell them apart."""
    if payload[:1] in (b"{", b"["):
        with suppress(UnicodeDecodeError):
            return payload.decode("utf-8")
    return payload
