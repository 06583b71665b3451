"""Which messages of the local OVOS bus go up to the hub (docs/protocol.md, "What each type does")."""

from __future__ import annotations

import logging
from typing import Any

from hivemind_core_client.plugins.contract import Context
from hivemind_core_client.wire.errors import FrameError, InvalidMessage
from hivemind_core_client.wire.json_text import Json
from hivemind_core_client.wire.message import HANDSHAKE_TYPES, HiveMessage, HiveMessageType, read_message_type

log = logging.getLogger(__name__)

#: The OVOS message by which others on the local bus ask us to send a HiveMessage.
UPSTREAM = "hive.send.upstream"
#: Marks, on the local bus only, what our own client has sent up already.
SENT_BY = "hivemind_sent_by"


def upward(context: Context, message: Json, share_bus: bool) -> list[HiveMessage]:
    """The messages for the hub that follow from an OVOS Message `{"type", "data", "context"}` on the local bus."""
    fields = message.get("context") or {}
    if fields.get(SENT_BY) == _mark(context, message):
        return []
    if message.get("type") == UPSTREAM:
        return _asked_for(message.get("data") or {})
    sent = [HiveMessage(HiveMessageType.SHARED_BUS, message)] if share_bus else []
    if _is_for_hub(context, fields.get("destination")):
        sent.append(HiveMessage(HiveMessageType.BUS, message))
    return sent


def marked(context: Context, message: Json) -> Json:
    """The Message as it goes to the local bus after we sent it up, so that it is not sent twice."""
    fields = {**(message.get("context") or {}), SENT_BY: _mark(context, message)}
    return {**message, "context": fields}


def _mark(context: Context, message: Json) -> str:
    """Ours, and for this type only: a reply copies the context, and must still go up."""
    return f"{context.session.session_id}:{message.get('type')}"


def _is_for_hub(context: Context, destination: Any) -> bool:
    peers = destination if isinstance(destination, list) else [destination]
    return context.hub is not None and bool(context.hub.node_id) and context.hub.node_id in peers


def _asked_for(data: Json) -> list[HiveMessage]:
    try:
        msg_type = read_message_type(data.get("msg_type"))
        if msg_type is HiveMessageType.BROADCAST:
            return []  # for the hub on this device, if there is one: satellites do not broadcast by this way
        if msg_type in HANDSHAKE_TYPES:
            log.warning("ignored a %s: a %s is for the client alone to send", UPSTREAM, msg_type.name)
            return []
        return [HiveMessage(msg_type, data.get("payload"))]
    except (FrameError, InvalidMessage) as error:
        log.warning("ignored a %s: %s", UPSTREAM, error)
        return []
