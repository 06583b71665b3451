"""AsyncHiveMessageBusClient: the client for asyncio."""

from hivemind_core_client.async_client import *
from hivemind_core_client.async_client import __all__ as __all__
