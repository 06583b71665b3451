"""The errors, by the names of the reference client."""

from hivemind_core_client.exceptions import *
from hivemind_core_client.exceptions import __all__ as __all__
