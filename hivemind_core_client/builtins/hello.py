"""HELLO: hub and satellite introduce themselves."""

from __future__ import annotations

from hivemind_core_client.plugins.contract import Actions, Context, HubFacts, Introduce, MessageHandler
from hivemind_core_client.plugins.hookspecs import hookimpl
from hivemind_core_client.wire.json_text import Json
from hivemind_core_client.wire.message import HiveMessage, HiveMessageType
from hivemind_core_client.wire.text import text_or_empty


@hookimpl(trylast=True)
def hivemind_message_handlers() -> list[MessageHandler]:
    """The handler of HELLO."""
    return [MessageHandler(HiveMessageType.HELLO, "hello", receive, prepare)]


def receive(context: Context, message: HiveMessage) -> Actions:
    """Read who the hub is. The kernel takes the first one of a connection only."""
    return [
        Introduce(
            HubFacts(
                node_id=text_or_empty(message["node_id"]),
                peer=text_or_empty(message["peer"]),
                public_key=text_or_empty(message["pubkey"]),
                payload=message.raw_payload,
            )
        )
    ]


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
