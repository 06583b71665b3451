"""The protocol objects of the reference client, by their names."""

from hivemind_core_client.protocol import *
from hivemind_core_client.protocol import __all__ as __all__
