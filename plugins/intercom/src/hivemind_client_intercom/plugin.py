"""The entry point `intercom`: the handler for INTERCOM."""

from __future__ import annotations

import logging

from hivemind_core_client.message import HiveMessage, HiveMessageType
from hivemind_core_client.plugins.contract import Actions, Context, MessageHandler
from hivemind_core_client.plugins.hookspecs import hookimpl

log = logging.getLogger(__name__)


@hookimpl
def hivemind_message_handlers() -> list[MessageHandler]:
    """The handler for INTERCOM."""
    return [MessageHandler(HiveMessageType.INTERCOM, "intercom", receive)]


def receive(context: Context, message: HiveMessage) -> Actions:
    """Let what is addressed to another node pass, and drop what is addressed to this one.

    The target's key is public, so anyone can address this node: only a signature that verifies
    would prove who speaks, and none is verified here. So nothing is opened and nothing is delivered.
    """
    target = message.target_public_key
    if target is not None and not _same_key(target, context.identity.public_key):
        log.debug("ignored an INTERCOM message that is addressed to another node")
        return ()
    log.warning(
        "dropped an INTERCOM message: its signature is not verified, and being addressed to us proves nothing"
    )
    return ()


def _same_key(left: str, right: str | None) -> bool:
    """Whether two PEM texts are one key: line ends and blanks do not count."""
    return right is not None and left.split() == right.split()
