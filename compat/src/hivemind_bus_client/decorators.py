"""Decorators that make a function a handler of the bus."""

from hivemind_bus_client.message import HiveMessage as HiveMessage
from hivemind_bus_client.message import HiveMessageType as HiveMessageType
from hivemind_core_client.decorators import *
from hivemind_core_client.decorators import __all__ as __all__
