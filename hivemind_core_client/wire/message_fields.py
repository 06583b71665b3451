"""The fields of a HiveMessage around its payload: what they must be, and what stands for none."""

from __future__ import annotations

from typing import Any, Callable

#: What the optional fields of a message must be.
FIELD_KINDS: tuple[tuple[str, type], ...] = (
    ("node", str),
    ("source_peer", str),
    ("target_site_id", str),
    ("target_pubkey", str),
    ("route", list),
    ("metadata", dict),
)
#: Arguments of the constructor that are taken as they come, and what stands for None.
UNCHECKED: dict[str, Callable[[], Any]] = {
    "node": type(None),
    "source_peer": type(None),
    "route": list,
    "target_peers": list,
    "target_site_id": type(None),
    "target_pubkey": type(None),
    "metadata": dict,
}
#: Arguments that `copy` changes without a look at the others.
COPIED = frozenset({"payload", *UNCHECKED})
#: Stands for an argument that is not given, where None is a value.
KEPT: Any = object()


def _note_dropped(message: Any, reason: str | None) -> None:
    message._dropped = reason


#: Not in every message: the slot stays empty until somebody has something to say.
DROPPED = property(
    lambda message: getattr(message, "_dropped", None),
    _note_dropped,
    doc="Why this client does nothing about a message that arrived, such as `its route is not trusted`; else None. "
    "Who listens to its type hears of it all the same.",
)


def is_hop(hop: Any) -> bool:
    """Whether an entry of a route says who had the message; whom it went to need not be there."""
    return isinstance(hop, dict) and isinstance(hop.get("source"), str) and hop["source"] != ""
