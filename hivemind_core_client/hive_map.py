"""HiveMapper: the map of the hive, as PINGs tell it."""

from __future__ import annotations

from hivemind_core_client.wire.hive_drawing import display_peer
from hivemind_core_client.wire.hive_map import HiveMapper, NodeInfo
from hivemind_core_client.wire.keys import is_public_key, normal_key

__all__ = [
    "HiveMapper",
    "NodeInfo",
    "display_peer",
    "is_public_key",
    "normal_key",
]
