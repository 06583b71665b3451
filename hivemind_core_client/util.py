"""Turning messages into one another, by the function names of the reference client."""

from __future__ import annotations

from typing import Any, Union

from hivemind_core_client.wire.errors import InvalidMessage
from hivemind_core_client.wire.json_text import Json, json_object, json_text
from hivemind_core_client.wire.message import OVOS_TYPES, HiveMessage, HiveMessageType, is_ovos_message
from hivemind_core_client.wire.ovos import to_message

__all__ = ["get_hivemsg", "get_mycroft_msg", "get_payload", "serialize_message"]


def serialize_message(message: Any) -> str:
    """JSON text of a HiveMessage, an OVOS Message or a dict. Raises InvalidMessage."""
    return str(message.serialize()) if hasattr(message, "serialize") else json_text(message)


def get_payload(msg: Any) -> Json:
    """The payload of a HiveMessage, or an OVOS Message, JSON text or dict, as a dict. Raises FrameError."""
    if isinstance(msg, HiveMessage):
        return dict(msg.raw_payload)
    if is_ovos_message(msg):
        return {"type": msg.msg_type, "data": msg.data, "context": msg.context}
    return json_object(msg) if isinstance(msg, (str, bytes)) else dict(msg)


def get_hivemsg(msg: Any) -> HiveMessage:
    """A HiveMessage from one, from its JSON text or dict, or from an OVOS Message, which becomes BUS."""
    if isinstance(msg, HiveMessage):
        return msg
    if is_ovos_message(msg):
        return HiveMessage(HiveMessageType.BUS, msg)
    return HiveMessage.deserialize(msg)


def get_mycroft_msg(pload: Union[HiveMessage, str, Json]) -> Any:
    """The OVOS Message in a BUS message, JSON text or dict. Raises InvalidMessage or FrameError."""
    if isinstance(pload, HiveMessage):
        if pload.msg_type not in OVOS_TYPES:
            raise InvalidMessage(f"a {pload.msg_type.name} message carries no OVOS Message")
        return pload.payload
    fields = json_object(pload) if isinstance(pload, str) else pload
    return to_message({**fields, "type": fields.get("type") or fields.get("msg_type")})
