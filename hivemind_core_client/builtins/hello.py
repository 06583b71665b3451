"""HELLO: hub and satellite introduce themselves."""

from __future__ import annotations

import logging

from hivemind_core_client.plugins.contract import Actions, Context, HubFacts, Introduce, MessageHandler
from hivemind_core_client.plugins.hookspecs import hookimpl
from hivemind_core_client.wire.json_text import Json
from hivemind_core_client.wire.message import HiveMessage, HiveMessageType
from hivemind_core_client.wire.text import text_or_empty

log = logging.getLogger(__name__)

#: In characters. The longest that makes sense is a public key.
_LONGEST_NAME = 4096


@hookimpl(trylast=True)
def hivemind_message_handlers() -> list[MessageHandler]:
    """The handler of HELLO."""
    return [MessageHandler(HiveMessageType.HELLO, "hello", receive, prepare)]


def receive(context: Context, message: HiveMessage) -> Actions:
    """Read who the hub is. The kernel takes the first one of a connection only."""
    node_id, peer, public_key = (_name(context, message, field) for field in ("node_id", "peer", "pubkey"))
    return [Introduce(HubFacts(node_id, peer, public_key, message.raw_payload))]


def _name(context: Context, message: HiveMessage, field: str) -> str:
    """What the hub says, where it is a text that may go with each message of ours."""
    said = text_or_empty(message[field])
    if len(said) <= _LONGEST_NAME:
        return said
    context.note(log.warning, "ignored the %s of the hub: it has %d characters", field, len(said))
    return ""


def prepare(context: Context, message: HiveMessage) -> HiveMessage:
    """Our own HELLO: public key where we have one, session and site."""
    session = context.session
    payload: Json = {
        "session": {**session.state, "session_id": session.session_id, "site_id": session.site_id},
        "site_id": session.site_id,
        **message.raw_payload,
    }
    if context.identity.public_key:
        payload.setdefault("pubkey", context.identity.public_key)
    return HiveMessage(HiveMessageType.HELLO, payload)
