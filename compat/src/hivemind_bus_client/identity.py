"""NodeIdentity: who this node is, kept in a file."""

from __future__ import annotations

from hivemind_bus_client.exceptions import IdentityFileCorrupted as IdentityFileCorrupted
from hivemind_core_client.identity import *
from hivemind_core_client.identity import NodeIdentity
from hivemind_core_client.identity import __all__ as _ours

__all__ = [*_ours, "shared_identity_for"]


def shared_identity_for(owner: object) -> NodeIdentity:
    """The identity that all programs share which name none. Whose it is for, `owner`, changes nothing."""
    return NodeIdentity()
