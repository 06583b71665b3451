"""THIRDPRTY: whatever an application makes of it. It goes to the listeners of `client.on` and does nothing else."""

from __future__ import annotations

import logging

from hivemind_core_client.plugins.contract import Actions, Context, MessageHandler
from hivemind_core_client.plugins.hookspecs import hookimpl
from hivemind_core_client.wire.message import HiveMessage, HiveMessageType

log = logging.getLogger(__name__)


@hookimpl(trylast=True)
def hivemind_message_handlers() -> list[MessageHandler]:
    """The handler of THIRDPRTY."""
    return [MessageHandler(HiveMessageType.THIRDPRTY, "3rdparty", receive)]


def receive(context: Context, message: HiveMessage) -> Actions:
    """Take note."""
    log.debug("a THIRDPRTY message arrived")
    return None
