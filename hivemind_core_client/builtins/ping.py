"""PING: a flood through the hive, inside PROPAGATE, that every node answers once with a PING of its own."""

from __future__ import annotations

import logging
import uuid
from typing import Any

from hivemind_core_client.plugins.contract import Actions, Context, MessageHandler, Send
from hivemind_core_client.plugins.hookspecs import hookimpl
from hivemind_core_client.wire.message import HiveMessage, HiveMessageType

log = logging.getLogger(__name__)

_LONGEST_FLOOD_ID = 128
#: How many floods are answered within so many seconds: each answer goes through the whole hive.
MOST_ANSWERS, WINDOW_S = 30, 10.0


@hookimpl(trylast=True)
def hivemind_message_handlers() -> list[MessageHandler]:
    """The handler of PING."""
    return [MessageHandler(HiveMessageType.PING, "ping", receive, prepare)]


def receive(context: Context, message: HiveMessage) -> Actions:
    """Draw the node into the hive map, and answer a flood that is new."""
    flood_id = message["flood_id"]
    if not isinstance(flood_id, str) or not 0 < len(flood_id) <= _LONGEST_FLOOD_ID:
        context.drop(
            message, "it has no usable flood id", log.info, "dropped a PING without a usable flood id"
        )
        return None
    trust = context.trust
    is_new = context.hive_map.start_ping(flood_id)
    context.hive_map.on_ping(
        message,
        received_at=context.now(),
        root_peer=context.peer,
        vouched=trust.vouches(message.raw_route),
        trusted=trust.is_trusted(message["public_key"]),
    )
    if not is_new or not _may_answer(context):
        return None
    answer = HiveMessage(HiveMessageType.PING, {"flood_id": flood_id})
    return [Send(HiveMessage(HiveMessageType.PROPAGATE, answer))]


def _may_answer(context: Context) -> bool:
    """Whether this flood is answered; those beyond the measure are drawn and left alone."""
    memory, now = context.recall("ping"), context.now()
    answered = [moment for moment in memory.get("answered", ()) if 0 <= now - moment < WINDOW_S]
    may = len(answered) < MOST_ANSWERS
    memory["answered"] = [*answered, now] if may else answered
    if not may:
        context.note(log.debug, "a PING flood was not answered: %d were within %g s", MOST_ANSWERS, WINDOW_S)
    return may


def prepare(context: Context, message: HiveMessage) -> HiveMessage:
    """What the PING says of us is filled in where it is missing, its flood id too."""
    own: dict[str, Any] = {
        "flood_id": str(uuid.uuid4()),
        "peer": context.peer,
        "site_id": context.session.site_id,
        "timestamp": context.now(),
        "public_key": context.identity.public_key or "",
    }
    lang = context.session.state.get("lang")
    if lang:
        own["lang"] = lang
    return message.copy(payload={**own, **message.raw_payload})
