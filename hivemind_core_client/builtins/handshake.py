"""HANDSHAKE: tell the hub's offer from its answer; the kernel decides what follows."""

from __future__ import annotations

from hivemind_core_client.plugins.contract import Actions, Conclude, Context, MessageHandler, Negotiate
from hivemind_core_client.plugins.hookspecs import hookimpl
from hivemind_core_client.wire.message import HiveMessage, HiveMessageType


@hookimpl(trylast=True)
def hivemind_message_handlers() -> list[MessageHandler]:
    """The handler of HANDSHAKE."""
    return [MessageHandler(HiveMessageType.HANDSHAKE, "handshake", receive)]


def receive(context: Context, message: HiveMessage) -> Actions:
    """An answer carries an envelope, or a Noise message; everything else is an offer."""
    payload = message.raw_payload
    noise = payload.get("noise")
    if "envelope" in payload or (isinstance(noise, dict) and "msg" in noise):
        return [Conclude(payload)]
    return [Negotiate(payload)]
