"""HiveMapper: the nodes of the hive and how they are connected, as a PING flood tells (docs/messages.md, "PING")."""

from __future__ import annotations

import json
import logging
from collections.abc import Collection
from typing import TYPE_CHECKING, Any, Optional, Protocol, TypeVar

from attrs import evolve, field, frozen

from hivemind_core_client.wire import hive_drawing
from hivemind_core_client.wire.keys import is_public_key, normal_key
from hivemind_core_client.wire.log_lines import LogLines
from hivemind_core_client.wire.text import json_printable, printable

if TYPE_CHECKING:
    from hivemind_core_client.wire.json_text import Json
    from hivemind_core_client.wire.message import HiveMessage

log = logging.getLogger(__name__)

T = TypeVar("T")

#: A peer's name is a name and a session, or a public key; a longer one than this is neither.
_LONGEST_NAME = 2048
#: How many hops of one route are looked at.
_MOST_HOPS = 64
#: The way to a node is kept as long as its names have no more characters than this together.
_LONGEST_WAY = 8 * 1024
#: So many edges, and so many answers to floods, are kept for each node that the map may have.
_MOST_FOR_EACH = 4
#: So many floods of our own are told from those of others.
_MOST_OWN = 8


@frozen
class NodeInfo:
    """What a node says of itself in its PING. Nothing of it is proven.

    `timestamp` is the time on the node's clock when it sent the PING. `received_at` is the time on your clock when it
    came. Both are in seconds since the epoch.
    """

    peer: str
    site_id: str | None = None
    timestamp: float | None = None
    received_at: float | None = None
    public_key: str | None = field(default=None, repr=False)
    lang: str | None = None
    trusted: bool = False

    @property
    def latency_ms(self) -> float | None:
        """`received_at` less `timestamp`, in ms. Wrong if the two clocks differ; None if one time is unknown."""
        if self.received_at is None or self.timestamp is None:
            return None
        return (self.received_at - self.timestamp) * 1000

    def as_dict(self) -> Json:
        """All fields, and `latency_ms`."""
        names = ("peer", "site_id", "timestamp", "latency_ms", "public_key", "lang", "trusted")
        return {name: getattr(self, name) for name in names}


class SeenFloods(Protocol):
    """Flood ids that several maps share, such as a FloodIdCache."""

    def check(self, flood_id: str) -> bool:
        """Note a flood id. Returns True if it was known before."""


class HiveMapper:
    """The map of the hive, drawn from PINGs.

    `nodes` has the nodes that answered, by peer. `edges` has the peers that each peer is connected with, in both
    directions. A node that leaves does not say so. It is dropped when another node sends something and nothing came
    from it for `node_ttl` seconds, or when younger nodes need its place. `of_flood` has only the nodes that answered
    one flood. At most `max_nodes` nodes and `max_seen_pings` flood ids are kept. The oldest go first. One thread may
    feed the map while others read: what they have read does not change afterwards.
    """

    def __init__(self, max_seen_pings: int = 1000, node_ttl: float = 600.0, max_nodes: int = 1000) -> None:
        self.max_seen_pings = max_seen_pings
        self.node_ttl = node_ttl
        self._max_nodes = max_nodes
        self._shared: Optional[SeenFloods] = None
        self._lines = LogLines()
        self.clear()

    def clear(self) -> None:
        """Forget all nodes, their keys, and all floods."""
        self.nodes: dict[str, NodeInfo] = {}
        self.edges: dict[str, frozenset[str]] = {}
        self._floods: dict[str, frozenset[str]] = {}
        self._checked: dict[str, object] = {}
        self._finished = ""
        self._own: dict[str, None] = {}
        self._ways: dict[str, _Way] = {}
        self._aliases: dict[str, str] = {}
        self._keys: dict[str, str] = {}
        self._owners: dict[str, str] = {}
        self._trusted: frozenset[str] = frozenset()

    def check_flood_id(self, flood_id: str, max_size: int = 1000) -> bool:
        """True if this flood id was checked before. The youngest `max_size` are remembered. Use it for your own floods.

        If several threads ask at once, only one gets False. An id that is empty or longer than 2,048 characters counts
        as known: nobody shall answer such a flood.
        """
        mine, checked = object(), self._checked
        if _text(flood_id) is None or checked.setdefault(flood_id, mine) is not mine:
            return True
        for oldest in list(checked)[: max(0, len(checked) - max_size)]:
            checked.pop(oldest, None)
        return False

    def start_ping(self, flood_id: str) -> bool:
        """Note a flood. Returns True if it is new: a node answers each flood once."""
        if not flood_id or flood_id in self._floods:
            return False
        self._floods = _bounded({**self._floods, flood_id: frozenset()}, self.max_seen_pings)
        return self._shared is None or not self._shared.check(flood_id)

    def share_floods(self, cache: SeenFloods) -> None:
        """Count each flood in `cache` as known, and note each new flood there."""
        self._shared = cache

    def answers(self, flood_id: str) -> int:
        """How many nodes have answered this flood."""
        return len(self._floods.get(flood_id, ()))

    def finish(self, flood_id: str) -> None:
        """Note that this flood of our own is finished: `responders` counts who answered it."""
        self._finished = flood_id

    def responders(self, peer: str) -> int:
        """How many nodes, without `peer`, answered our own flood that finished last. 0 if this is unknown."""
        return len(self._floods.get(self._finished, frozenset()) - {peer})

    def of_flood(self, flood_id: str) -> HiveMapper:
        """A map of only the nodes that answered this flood, and of the ways that lead to them.

        It is a copy that does not change. Relays that gave no answer of their own are among its edges.
        """
        answered = self._floods.get(flood_id, frozenset())
        found = HiveMapper(self.max_seen_pings, self.node_ttl, self._max_nodes)
        found._floods = {flood_id: answered}
        found._aliases, found._keys, found._owners = self._aliases, self._keys, self._owners
        found.nodes = {peer: node for peer, node in self.nodes.items() if peer in answered}
        found._ways = {peer: way for peer, way in self._ways.items() if peer in found.nodes}
        edges: dict[str, frozenset[str]] = {}
        for way in found._ways.values():
            _join(edges, way.peers(self._aliases))
        found.edges = _pruned(edges, 2 * self._max_nodes)
        return found

    def on_ping(
        self,
        message: HiveMessage,
        received_at: float | None = None,
        root_peer: str | None = None,
        vouched: bool = False,
        trusted: bool = False,
    ) -> bool:
        """Add what a PING says. Returns True if that was new.

        The route of `message` shows the way to us, `root_peer`. `vouched` means that every relay on that way is
        trusted. Only then does the PING bind the sender's public key to the name that the hub gives it. `trusted` is
        what the map shows for the node.
        """
        node = _node(message.raw_payload, received_at, trusted)
        flood_id = _text(message.raw_payload.get("flood_id"))
        if node is None or flood_id is None:
            return False
        self.start_ping(flood_id)
        if received_at is None:
            self._own = _bounded({**self._own, flood_id: None}, _MOST_OWN)
        seen = self._floods.get(flood_id, frozenset())
        if node.peer in seen:
            return False
        if len(seen) < self._max_nodes:
            self._floods = self._without_excess({**self._floods, flood_id: seen | {node.peer}}, flood_id)
        self._add(node)
        self.prune_stale_nodes(received_at)
        self._connect(node, _names(message.raw_route), root_peer)
        if vouched:
            self._bind(node, message.raw_route)
        return True

    def prune_stale_nodes(self, now: float | None = None) -> None:
        """Drop each node, with its edges, that sent nothing for `node_ttl` seconds. One that never sent here stays.

        `now` is in seconds since the epoch. None means: the time at which the last PING came.
        """
        came = {peer: node.received_at for peer, node in self.nodes.items() if node.received_at is not None}
        latest = max(came.values(), default=0.0) if now is None else now
        stale = {peer for peer, moment in came.items() if latest - moment > self.node_ttl}
        if stale:
            self.nodes = {peer: node for peer, node in self.nodes.items() if peer not in stale}
            self._ways = {peer: way for peer, way in self._ways.items() if peer not in stale}
            self.edges = {one: others - stale for one, others in self.edges.items() if one not in stale}

    def others(self, peer: str) -> list[str]:
        """The names of all known nodes, without `peer`."""
        return [known for known in self.nodes if known != peer]

    def key_of(self, peer: Any) -> str | None:
        """The public key of the peer that the hub calls so. None if unknown, or if others claim that key too."""
        key = self._keys.get(peer) if isinstance(peer, str) else None
        owner = self._owners.get(normal_key(key)) if key is not None else None
        return key if owner and _common_owner(owner, peer) else None

    def mark_trusted_nodes(self, trusted_keys: dict[str, str]) -> None:
        """Set `trusted` on the nodes that announce one of these keys (PEM texts by alias). Clear it on all others."""
        trusted = {normal_key(key) for key in trusted_keys.values()} - {""}
        self.nodes = {
            peer: evolve(node, trusted=normal_key(node.public_key) in trusted)
            for peer, node in self.nodes.items()
        }

    def is_peer_trusted(self, peer: str) -> bool:
        """True if the node of this name is marked as trusted."""
        node = self.nodes.get(peer)
        return node is not None and node.trusted

    def to_dict(self) -> Json:
        """`{"nodes": [{"peer", "site_id", …}], "edges": [{"source", "target"}]}`, every edge once."""
        return {
            "nodes": [node.as_dict() for node in self.nodes.values()],
            "edges": [{"source": one, "target": other} for one, other in self._pairs()],
        }

    def to_json(self) -> str:
        """`to_dict` as JSON text. Control characters for a terminal are escaped."""
        return json_printable(json.dumps(self.to_dict(), indent=2, ensure_ascii=False))

    def to_ascii(self, root_peer: str | None = None) -> str:
        """A tree with each node once. It begins at `root_peer`. With None it begins at the first known node."""
        return hive_drawing.tree(self.edges, self._labels(), root_peer)

    def to_mermaid(self) -> str:
        """A Mermaid flowchart."""
        return hive_drawing.mermaid(self._pairs(), self._labels())

    def to_dot(self) -> str:
        """A Graphviz graph."""
        return hive_drawing.dot(self._pairs(), self._labels())

    def _without_excess(self, floods: dict[str, frozenset[str]], latest: str) -> dict[str, frozenset[str]]:
        """The floods, without who answered the oldest ones of others where that is too much in all."""
        surplus = sum(map(len, floods.values())) - _MOST_FOR_EACH * self._max_nodes
        for flood_id in list(floods) if surplus > 0 else ():
            if surplus > 0 and flood_id != latest and flood_id not in self._own:
                surplus -= len(floods[flood_id])
                floods[flood_id] = frozenset()
        return floods

    def _add(self, node: NodeInfo) -> None:
        self.nodes = _renewed(self.nodes, node.peer, node, self._max_nodes)

    def _connect(self, node: NodeInfo, hops: list[str], root_peer: str | None) -> None:
        """Neighbours on the way of a PING are connected. Its first hop is how a hub calls the sender."""
        if hops and not is_public_key(hops[0]):
            self._aliases = _bounded({**self._aliases, hops[0]: node.peer}, self._max_nodes)
            hops = hops[1:]
        way = _Way(node.peer, tuple(hops), root_peer)
        edges = dict(self.edges)
        _join(edges, way.peers(self._aliases))
        self.edges = _pruned(edges, 2 * self._max_nodes)
        if sum(map(len, hops)) > _LONGEST_WAY:
            way = _Way(node.peer, (), None)
        self._ways = _renewed(self._ways, node.peer, way, self._max_nodes)

    def _bind(self, node: NodeInfo, route: list[Any]) -> None:
        source = route[0].get("source") if route and isinstance(route[0], dict) else None
        key = normal_key(node.public_key)
        if not isinstance(source, str) or not source or not key or is_public_key(source):
            return
        known = self._owners.get(key, _owner(source))
        owner = _common_owner(known, source)
        if known and not owner:
            self._lines.write(
                node.received_at or 0.0,
                log.warning,
                "two nodes announce one public key: %s, and %s before it. Neither is trusted by it",
                printable(source),
                printable(known),
            )
        if node.trusted:
            self._trusted |= {key}
        # Keys that are trusted stay, or a flood of others could make room for a second claim.
        owners = {**self._owners, key: owner}
        self._owners = _bounded(owners, self._max_nodes, self._trusted & owners.keys())
        keys = {**self._keys, source: node.public_key or ""} if owner else self._keys
        theirs = {peer for peer, said in keys.items() if normal_key(said) in self._trusted}
        self._keys = _bounded(keys, self._max_nodes, theirs)

    def _pairs(self) -> list[tuple[str, str]]:
        found = {tuple(sorted((one, other))) for one, others in self.edges.items() for other in others}
        return sorted((one, other) for one, other in found)

    def _labels(self) -> dict[str, str]:
        return {peer: hive_drawing.label(peer, self.nodes.get(peer)) for peer in {**self.nodes, **self.edges}}


@frozen
class _Way:
    """How the last PING of a node came to us, in the names that hubs use; `root` is our own peer, if that is known.

    What a hub calls another one is known only when that one's own PING has come, so names are resolved late.
    """

    peer: str
    hops: tuple[str, ...]
    root: str | None

    def peers(self, aliases: dict[str, str]) -> list[str]:
        """All who are on it, by the names that they give themselves."""
        way = [self.peer, *(aliases.get(hop, hop) for hop in self.hops)]
        return way if self.root is None else [*way, self.root]


def _node(payload: Json, received_at: float | None, trusted: bool) -> NodeInfo | None:
    peer = _text(payload.get("peer"))
    if not peer:
        return None
    return NodeInfo(
        peer=peer,
        site_id=_text(payload.get("site_id")),
        timestamp=_seconds(payload.get("timestamp")),
        received_at=received_at,
        public_key=_text(payload.get("public_key")),
        lang=_text(payload.get("lang")),
        trusted=trusted,
    )


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and 0 < len(value) <= _LONGEST_NAME else None


def _seconds(value: Any) -> float | None:
    usable = isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 2**53
    return float(value) if usable else None


def _names(route: list[Any]) -> list[str]:
    sources = [_text(hop.get("source")) for hop in route[:_MOST_HOPS] if isinstance(hop, dict)]
    return [source for source in sources if source]


def _owner(peer: str) -> str:
    """The hub's name for a client, which outlives its sessions."""
    return peer.rpartition("::")[0] or peer


def _common_owner(known: str, peer: str) -> str:
    """Whose peer this is, if it can be the same client's as the known one's; else an empty text.

    A hub that still holds the last connection of a client adds something to the name of the next. Names begin
    with what the hub itself gives, so nobody else's begins with that.
    """
    shorter, longer = sorted((known, _owner(peer)), key=len)
    return shorter if longer == shorter or longer.startswith(f"{shorter}::") else ""


def _join(edges: dict[str, frozenset[str]], way: list[str]) -> None:
    """Add the connections between neighbours on a way."""
    for one, other in zip(way, way[1:]):
        if one != other:
            # Taken out first, so that who is on the way of every PING counts as young.
            edges[one] = edges.pop(one, frozenset()) | {other}
            edges[other] = edges.pop(other, frozenset()) | {one}


def _pruned(edges: dict[str, frozenset[str]], most: int) -> dict[str, frozenset[str]]:
    """The edges between the youngest of the nodes: `most` of them, or fewer where these have too many edges."""
    surplus = sum(map(len, edges.values())) - _MOST_FOR_EACH * most
    if len(edges) <= most and surplus <= 0:
        return edges
    kept = dict(_bounded(edges, most))
    for one in list(kept) if surplus > 0 else ():
        if surplus > 0:
            surplus -= 2 * len(kept.pop(one))
    return {one: frozenset(other for other in others if other in kept) for one, others in kept.items()}


def _bounded(entries: dict[str, T], most: int, spared: Collection[str] = ()) -> dict[str, T]:
    """The youngest `most` of the entries; those that are spared go only when there are no others."""
    surplus = len(entries) - most
    if surplus <= 0:
        return entries
    leaving = set(sorted(entries, key=spared.__contains__)[:surplus])
    return {key: value for key, value in entries.items() if key not in leaving}


def _renewed(entries: dict[str, T], key: str, value: T, most: int) -> dict[str, T]:
    """The youngest `most` of the entries, after `key` has become the youngest."""
    return _bounded({**{other: known for other, known in entries.items() if other != key}, key: value}, most)
