"""The entry point `intercom`: the handler for INTERCOM."""

from __future__ import annotations

import logging

from hivemind_core_client.errors import HiveMindError
from hivemind_core_client.message import HiveMessage, HiveMessageType
from hivemind_core_client.plugins.contract import Actions, Context, MessageHandler
from hivemind_core_client.plugins.hookspecs import hookimpl

log = logging.getLogger(__name__)


@hookimpl
def hivemind_message_handlers() -> list[MessageHandler]:
    """The handler for INTERCOM."""
    return [MessageHandler(HiveMessageType.INTERCOM, "intercom", receive, prepare)]


def receive(context: Context, message: HiveMessage) -> Actions:
    """Verify, open and hand on a message for this node. A message for another node is not touched.

    The target's key is public, so anyone can write to this node. Only a signature of a trusted key proves who speaks.
    The private key is not used before such a signature has been verified.
    """
    from hivemind_client_intercom import delivery

    try:
        return delivery.received(context, message)
    except delivery.Ignored as reason:
        context.drop(message, str(reason), log.debug, "ignored an INTERCOM message: %s", reason)
    except HiveMindError as reason:
        context.drop(message, str(reason), log.warning, "dropped an INTERCOM message: %s", reason)
    return ()


def prepare(context: Context, message: HiveMessage) -> HiveMessage:
    """The message with its payload sealed for its `target_pubkey`. An envelope stays as it is.

    Raises InvalidMessage for a payload that is neither BUS nor an envelope, and for a target that is no RSA key. Raises
    IdentityFileError if this node has no usable private key.
    """
    from hivemind_client_intercom import delivery

    return delivery.prepared(context, message)
