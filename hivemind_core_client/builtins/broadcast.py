"""BROADCAST: from the hub to all its satellites. It is trusted, since only the hub sends it down."""

from __future__ import annotations

import logging

from hivemind_core_client.plugins.contract import Actions, Context, Dispatch, MessageHandler
from hivemind_core_client.plugins.hookspecs import hookimpl
from hivemind_core_client.plugins.wrapping import inner_of, is_for_site, name_of, with_site
from hivemind_core_client.wire.message import HiveMessage, HiveMessageType, MessageType

log = logging.getLogger(__name__)


@hookimpl(trylast=True)
def hivemind_message_handlers() -> list[MessageHandler]:
    """The handler of BROADCAST."""
    return [MessageHandler(HiveMessageType.BROADCAST, "broadcast", receive, with_site)]


def receive(context: Context, message: HiveMessage) -> Actions:
    """BUS, and what plugins bring types for, is for us where the site is ours.

    INTERCOM goes to its handler, which looks at the address.
    """
    inner = inner_of(message)
    if inner.msg_type is HiveMessageType.INTERCOM:
        return [Dispatch(inner)]
    is_handled = inner.msg_type is HiveMessageType.BUS or type(inner.msg_type) is MessageType
    if is_handled and is_for_site(context, message):
        return [Dispatch(inner)]
    if is_handled:
        reason = "it is not for this site"
        context.drop(message, reason, log.info, "a BROADCAST of %s is not for this site", name_of(inner))
    else:
        reason = "no satellite acts on that"
        context.drop(message, reason, log.info, "dropped a BROADCAST of %s: %s", name_of(inner), reason)
    return None
