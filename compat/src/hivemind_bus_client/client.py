"""HiveMessageBusClient and what belongs to it; docs/library.md tells how to use it."""

from hivemind_core_client.client import *
from hivemind_core_client.client import __all__ as __all__
