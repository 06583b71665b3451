"""SHARED_BUS: what is said on the OVOS bus of a satellite, shown to its hub, and never the other way."""

from __future__ import annotations

import logging

from hivemind_core_client.plugins.contract import Actions, Context, MessageHandler
from hivemind_core_client.plugins.hookspecs import hookimpl
from hivemind_core_client.wire.message import HiveMessage, HiveMessageType

log = logging.getLogger(__name__)


@hookimpl(trylast=True)
def hivemind_message_handlers() -> list[MessageHandler]:
    """The handler of SHARED_BUS. It goes out as it was said."""
    return [MessageHandler(HiveMessageType.SHARED_BUS, "shared_bus", receive)]


def receive(context: Context, message: HiveMessage) -> Actions:
    """A hub may not send it: logged and dropped."""
    reason = "only satellites send those"
    context.drop(message, reason, log.warning, "dropped a SHARED_BUS message: %s", reason)
    return None
