"""Types that a satellite only takes note of, until a plugin brings a handler of its own."""

from __future__ import annotations

import logging

from hivemind_core_client.message import HiveMessage, HiveMessageType
from hivemind_core_client.plugins.contract import Actions, Context, MessageHandler
from hivemind_core_client.plugins.hookspecs import hookimpl

log = logging.getLogger(__name__)

#: Types that no hub may send to a satellite.
ILLEGAL = (HiveMessageType.SHARED_BUS, HiveMessageType.ESCALATE)
#: Types that go to the listeners of `client.on(type)` and have no other effect here.
NOTED = (
    HiveMessageType.BROADCAST,
    HiveMessageType.PROPAGATE,
    HiveMessageType.QUERY,
    HiveMessageType.CASCADE,
    HiveMessageType.PING,
    HiveMessageType.RENDEZVOUS,
    HiveMessageType.THIRDPRTY,
    HiveMessageType.INTERCOM,
)


@hookimpl(trylast=True)
def hivemind_message_handlers() -> list[MessageHandler]:
    """One logging handler for each type."""
    return [
        *(MessageHandler(msg_type, msg_type.value, refuse) for msg_type in ILLEGAL),
        *(MessageHandler(msg_type, msg_type.value, note) for msg_type in NOTED),
    ]


def refuse(context: Context, message: HiveMessage) -> Actions:
    """Log a message that may not travel downwards."""
    log.warning("dropped a %s message: only satellites send those", message.msg_type.name)
    return None


def note(context: Context, message: HiveMessage) -> Actions:
    """Log a message that only its listeners act on."""
    log.info("a %s message arrived; no handler acts on it", message.msg_type.name)
    return None
