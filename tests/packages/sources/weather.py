"""A message type that the protocol does not have, and what happens with it."""

from hivemind_core_client.plugins.contract import Deliver, MessageHandler, MessageType
from hivemind_core_client.plugins.hookspecs import hookimpl

WEATHER = MessageType("weather")


def receive(context, message):
    return [Deliver({"type": "weather.told", "data": message.payload, "context": {}})]


@hookimpl
def hivemind_message_types():
    return [WEATHER]


@hookimpl
def hivemind_message_handlers():
    return [MessageHandler(WEATHER, "weather", receive)]
