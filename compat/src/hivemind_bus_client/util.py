"""Turning messages into one another."""

from hivemind_core_client.util import *
from hivemind_core_client.util import __all__ as __all__
