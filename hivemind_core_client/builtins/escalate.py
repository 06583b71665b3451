"""ESCALATE: from a satellite up to the top of the hive, and never down."""

from __future__ import annotations

import logging

from hivemind_core_client.plugins.contract import Actions, Context, MessageHandler
from hivemind_core_client.plugins.hookspecs import hookimpl
from hivemind_core_client.plugins.wrapping import with_site
from hivemind_core_client.wire.message import HiveMessage, HiveMessageType

log = logging.getLogger(__name__)


@hookimpl(trylast=True)
def hivemind_message_handlers() -> list[MessageHandler]:
    """The handler of ESCALATE."""
    return [MessageHandler(HiveMessageType.ESCALATE, "escalate", receive, with_site)]


def receive(context: Context, message: HiveMessage) -> Actions:
    """A hub may not send it: logged and dropped."""
    reason = "only satellites send those"
    context.drop(message, reason, log.warning, "dropped an ESCALATE message: %s", reason)
    return None
