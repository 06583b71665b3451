"""What a message on the hub's topic is: text or bytes, and whether it is the first word of a hub."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from paho.mqtt.client import MQTTMessage

    from hivemind_core_client.plugins.contract import Frame

#: What is in the first word of a hub.
_HELLO = '"hello"'


def frame_of(message: MQTTMessage) -> Frame:
    """A message as text or bytes. Hubs publish text with QoS 1, and bytes with QoS 0; MQTT 5 can say it.

    Where the broker or the hub's options leave QoS 0 alone, text is what looks like JSON from end to end.
    """
    payload = bytes(message.payload)
    is_told = getattr(message.properties, "PayloadFormatIndicator", 0)
    if is_told or message.qos or (payload[:1] in (b"{", b"[") and payload[-1:] in (b"}", b"]")):
        try:
            return payload.decode("utf-8")
        except UnicodeDecodeError:
            return payload
    return payload


def is_hello(frame: str) -> bool:
    """Whether a text is the first word of a hub. Within a session, that comes sealed or not at all."""
    if _HELLO not in frame:
        return False
    try:
        message = json.loads(frame)
    except ValueError:
        return False
    return isinstance(message, dict) and message.get("msg_type") == "hello"
