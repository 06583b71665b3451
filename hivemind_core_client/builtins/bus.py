"""BUS: an OVOS Message between this satellite and its hub."""

from __future__ import annotations

import logging
from typing import Any

from hivemind_core_client.plugins.contract import Actions, Context, Deliver, MessageHandler
from hivemind_core_client.plugins.hookspecs import hookimpl
from hivemind_core_client.plugins.wrapping import VERIFIED_SOURCE
from hivemind_core_client.wire.errors import InvalidMessage
from hivemind_core_client.wire.json_text import Json, json_text, utf8
from hivemind_core_client.wire.message import HiveMessage, HiveMessageType

log = logging.getLogger(__name__)

#: A session is sent with each message, and some peers take no message above 65,000 bytes.
MOST_SESSION_BYTES = 32 * 1024


@hookimpl(trylast=True)
def hivemind_message_handlers() -> list[MessageHandler]:
    """The handler of BUS."""
    return [MessageHandler(HiveMessageType.BUS, "bus", receive, prepare)]


def receive(context: Context, message: HiveMessage) -> Actions:
    """Deliver the Message once, made native to this satellite, and keep the session state it carries."""
    payload: Json = message.raw_payload
    fields: Json = dict(payload.get("context") or {})
    fields.pop(VERIFIED_SOURCE, None)
    if context.verified_source is not None:
        fields[VERIFIED_SOURCE] = context.verified_source
    if "destination" in fields:
        fields["source"] = fields.pop("destination")
    session = fields.get("session")
    if session != context.session.state and not context.wrapped:
        _keep_session(context, session)
    return [Deliver({"type": payload["type"], "data": payload.get("data") or {}, "context": fields})]


def prepare(context: Context, message: HiveMessage) -> HiveMessage:
    """The same Message with the routing fields filled in that its sender left open."""
    payload: Json = message.raw_payload
    fields: Json = {
        "source": context.useragent,
        "platform": context.useragent,
        "destination": "HiveMind",
        **(payload.get("context") or {}),
    }
    # A reply copies its context, and the claim was about the message before.
    fields.pop(VERIFIED_SOURCE, None)
    fields["session"] = _outgoing_session(context, fields.get("session"))
    return message.copy(payload={**payload, "data": payload.get("data") or {}, "context": fields})


def _keep_session(context: Context, session: Any) -> None:
    """Remember what the hub last sent for our own session, not for another node's; our site stays where it is."""
    own = context.session
    if not isinstance(session, dict) or session.get("session_id") != own.session_id:
        return
    state = {**session, "site_id": own.site_id}
    if state != own.state and _can_be_sent_back(context, state):
        own.state = state


def _can_be_sent_back(context: Context, state: Json) -> bool:
    """False for what would spoil each message that follows: it is too large, or nested too deep to be written."""
    try:
        size = len(utf8(json_text(state)))
        if size > MOST_SESSION_BYTES:
            raise InvalidMessage(
                f"it would add {size} bytes to each message; the limit is {MOST_SESSION_BYTES}"
            )
    except InvalidMessage as error:
        context.note(log.warning, "ignored the session that the hub sent: %s", error)
        return False
    return True


def _outgoing_session(context: Context, session: Any) -> Json:
    """The session of a message, which its sender may have put as a dict, as an OVOS Session, or not at all."""
    own = context.session
    serialize = getattr(session, "serialize", None)
    plain = serialize() if callable(serialize) else session
    given: Json = plain if isinstance(plain, dict) else {}
    is_ours = given.get("session_id", own.session_id) == own.session_id == own.state.get("session_id")
    known = own.state if is_ours else {}
    return {"session_id": own.session_id, "site_id": own.site_id, **known, **given}
