"""NodeIdentity: who this node is, kept in a file."""

from __future__ import annotations

from hivemind_core_client.config.identity import (
    NodeIdentity,
    PathOrMapping,
)

__all__ = [
    "NodeIdentity",
    "PathOrMapping",
]
