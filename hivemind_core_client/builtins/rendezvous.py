"""RENDEZVOUS: dead drops of 5.x hubs. It goes to the listeners of `client.on` and does nothing else."""

from __future__ import annotations

import logging

from hivemind_core_client.plugins.contract import Actions, Context, MessageHandler
from hivemind_core_client.plugins.hookspecs import hookimpl
from hivemind_core_client.wire.message import HiveMessage, HiveMessageType

log = logging.getLogger(__name__)


@hookimpl(trylast=True)
def hivemind_message_handlers() -> list[MessageHandler]:
    """The handler of RENDEZVOUS."""
    return [MessageHandler(HiveMessageType.RENDEZVOUS, "rendezvous", receive)]


def receive(context: Context, message: HiveMessage) -> Actions:
    """Take note."""
    log.debug("a RENDEZVOUS message arrived")
    return None
