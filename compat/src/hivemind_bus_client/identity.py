"""NodeIdentity: who this node is, kept in a file."""

from hivemind_core_client.identity import *
from hivemind_core_client.identity import __all__ as __all__
