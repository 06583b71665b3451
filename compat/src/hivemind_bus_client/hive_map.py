"""HiveMapper: the map of the hive, as PINGs tell it; and the flood ids that the two halves of a hub share."""

from hivemind_bus_client._flood_ids import FloodIdCache as FloodIdCache
from hivemind_bus_client.message import HiveMessage as HiveMessage
from hivemind_core_client.hive_map import *
from hivemind_core_client.hive_map import __all__ as _ours

__all__ = ["FloodIdCache", *_ours]
