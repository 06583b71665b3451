"""NodeIdentity: who this node is, kept in a file."""

from __future__ import annotations

from hivemind_core_client.config.identity import NodeIdentity
from hivemind_core_client.config.stored_identity import PathOrMapping

__all__ = [
    "NodeIdentity",
    "PathOrMapping",
]
