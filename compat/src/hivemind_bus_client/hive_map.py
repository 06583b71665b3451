"""HiveMapper: the map of the hive, as PINGs tell it."""

from hivemind_core_client.hive_map import *
from hivemind_core_client.hive_map import __all__ as __all__
