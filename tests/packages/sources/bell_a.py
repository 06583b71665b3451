"""A door bell on THIRDPRTY."""

from hivemind_core_client.message import HiveMessageType
from hivemind_core_client.plugins.contract import Deliver, MessageHandler
from hivemind_core_client.plugins.hookspecs import hookimpl


def receive(context, message):
    return [Deliver({"type": "door.bell", "data": {"by": __name__}, "context": {}})]


@hookimpl
def hivemind_message_handlers():
    return [MessageHandler(HiveMessageType.THIRDPRTY, __name__, receive)]
