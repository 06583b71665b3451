"""Sealing and opening by function; a client does that by itself."""

from hivemind_core_client.encryption import *
from hivemind_core_client.encryption import __all__ as __all__
