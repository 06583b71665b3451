"""PROPAGATE: through the whole hive, from anybody. So what it carries is looked at before it is believed."""

from __future__ import annotations

import logging

from hivemind_core_client.plugins.contract import Actions, Context, Dispatch, MessageHandler
from hivemind_core_client.plugins.hookspecs import hookimpl
from hivemind_core_client.plugins.wrapping import inner_of, is_for_site, name_of, with_site
from hivemind_core_client.wire.message import HiveMessage, HiveMessageType, MessageType

log = logging.getLogger(__name__)

#: Types with a handler that judges for itself.
_PASSED_ON = frozenset({HiveMessageType.PING, HiveMessageType.INTERCOM})


@hookimpl(trylast=True)
def hivemind_message_handlers() -> list[MessageHandler]:
    """The handler of PROPAGATE."""
    return [
        MessageHandler(HiveMessageType.PROPAGATE, "propagate", receive, with_site, on_send=note_own_flood)
    ]


def receive(context: Context, message: HiveMessage) -> Actions:
    """PING and INTERCOM go to their handlers. BUS goes on where the site is ours and its source is trusted.

    So does what plugins bring types for.
    """
    inner = inner_of(message)
    if inner.msg_type in _PASSED_ON:
        return [Dispatch(inner)]
    if inner.msg_type is not HiveMessageType.BUS and type(inner.msg_type) is not MessageType:
        reason = "no satellite acts on that"
        context.drop(message, reason, log.info, "dropped a PROPAGATE of %s: %s", inner.msg_type.name, reason)
        return None
    if not is_for_site(context, message):
        reason = "it is not for this site"
        context.drop(message, reason, log.info, "a PROPAGATE of %s is not for this site", name_of(inner))
        return None
    if not context.trust.trusts_all(inner.raw_route):
        context.drop(
            message,
            "its route is not trusted",
            log.warning,
            "dropped a PROPAGATE of %s: who sent it, or a node on its way, is not trusted. Trust a node's key with "
            "'hivemind-client trust add'. The sender must also 'ping' in the session in which it sends: that tells the "
            "map whose key it is ('hivemind-client propagate --introduce')",
            name_of(inner),
        )
        return None
    return [Dispatch(inner)]


def note_own_flood(context: Context, message: HiveMessage) -> Actions:
    """A flood that we begin ourselves is not answered when it comes back; what it says of us is on the map."""
    if message.raw_payload.get("msg_type") == HiveMessageType.PING.value:
        context.hive_map.on_ping(inner_of(message))
    return None
