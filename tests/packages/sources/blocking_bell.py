"""A handler that does not come back for half a minute, unless it is let go."""

import threading

from hivemind_core_client.message import HiveMessageType
from hivemind_core_client.plugins.contract import MessageHandler
from hivemind_core_client.plugins.hookspecs import hookimpl

STARTED, RELEASED = threading.Event(), threading.Event()


def receive(context, message):
    STARTED.set()
    RELEASED.wait(30)
    return []


@hookimpl
def hivemind_message_handlers():
    return [MessageHandler(HiveMessageType.THIRDPRTY, __name__, receive)]
