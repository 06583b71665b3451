"""Binary frames by function."""

from hivemind_core_client.serialization import *
from hivemind_core_client.serialization import __all__ as __all__
