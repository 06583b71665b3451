"""Whom this satellite believes: the one place where that is decided.

Three things speak for a node: its key is in `NodeIdentity.trusted_keys`; it is the hub, whose connection was
authenticated; or the hive map tells its key under the name that the hub gives it. Every hub writes into the
route from whom it got a message, so a message is as good as the worst of those it came through: one
node that is not trusted could have made up everything that stands before its own hop (docs/messages.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from attrs import frozen

from hivemind_core_client.wire.keys import alias_of, same_key

if TYPE_CHECKING:
    from hivemind_core_client.wire.hive_map import HiveMapper

#: The alias under which the hub's own key is trusted.
HUB = "hub"


@frozen
class Trust:
    """A view of who is trusted at the moment. `trusted_keys` are PEM texts by alias; `hub_key` may be empty."""

    trusted_keys: Mapping[str, str]
    hub_key: str
    hive_map: HiveMapper

    def keys(self) -> dict[str, str]:
        """Every key whose signature counts, by alias; the hub's own is under `hub`, unless it has another alias."""
        keys = {alias: key for alias, key in self.trusted_keys.items() if key}
        if self.hub_key and self.alias_of(self.hub_key) is None:
            keys[HUB if HUB not in keys else f"{HUB} (connected)"] = self.hub_key
        return keys

    def alias_of(self, public_key: Any) -> str | None:
        """The alias of a trusted key; None for any other."""
        return alias_of(public_key, self.trusted_keys)

    def is_trusted(self, public_key: Any) -> bool:
        """Whether this key is the hub's or in the trusted keys."""
        return same_key(public_key, self.hub_key) or self.alias_of(public_key) is not None

    def trusts(self, hop: Any) -> bool:
        """Whether a hop of a route is the hub's, or of a node whose key is trusted."""
        source = hop.get("source") if isinstance(hop, dict) else None
        if not isinstance(source, str):
            return False
        return self.is_trusted(self.hive_map.key_of(source) or source)

    def trusts_all(self, route: list[Any]) -> bool:
        """Whether everybody is trusted whose hands a message went through on `route` (`HiveMessage.raw_route`).

        The route of a message that the hub itself sent has no hop but the hub's own, or none. Of a message inside
        another one it is the routes of both (`inner_of`).
        """
        return all(self.trusts(hop) for hop in route)

    def vouches(self, route: list[Any]) -> bool:
        """Whether all who relayed a message are trusted, so that its first hop names who sent it."""
        return bool(route) and self.trusts_all(route[1:])
