"""The map of the hive as text: a tree, Mermaid, Graphviz."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Optional

from hivemind_core_client.wire.keys import fingerprint, is_public_key
from hivemind_core_client.wire.text import printable

if TYPE_CHECKING:
    from hivemind_core_client.wire.hive_map import NodeInfo

EMPTY = "[no nodes answered]"

Edges = Mapping[str, Iterable[str]]
Pairs = Iterable[tuple[str, str]]


def display_peer(peer: str) -> str:
    """A peer as people read it: a public key by the first 16 hex digits of its fingerprint."""
    if is_public_key(peer):
        return f"key:{fingerprint(peer).partition(':')[2][:16]}"
    return printable(peer)


def label(peer: str, node: Optional[NodeInfo]) -> str:
    """Name, site, time on the way, and whether the node is trusted; without a `node`, that it has not answered."""
    parts = [display_peer(peer)]
    if node is None:
        parts.append("(no answer of its own)")
    else:
        if node.site_id:
            parts.append(f"site {printable(node.site_id)}")
        if node.latency_ms is not None:
            parts.append(f"{node.latency_ms:.0f} ms")
        if node.trusted:
            parts.append("trusted")
    return "  ".join(parts)


def tree(edges: Edges, labels: Mapping[str, str], root: str | None) -> str:
    """Lines of a tree from `root`, each node once; nodes that no edge reaches come as further roots."""
    if not labels and root is None:
        return EMPTY
    drawn: set[str] = set()
    lines: list[str] = []
    starts = [root, *labels] if root is not None else list(labels)
    for start in starts:
        if start not in drawn:
            suffix = "  (this node)" if start == root else ""
            lines.append(labels.get(start, display_peer(start)) + suffix)
            lines.extend(_branches(start, edges, labels, drawn))
    return "\n".join(lines)


def _branches(start: str, edges: Edges, labels: Mapping[str, str], drawn: set[str]) -> list[str]:
    children = _spanning_tree(start, edges, drawn)
    lines: list[str] = []
    # A stack of its own: a long chain of nodes must not meet Python's limit on recursion.
    stack = [(child, "", last) for child, last in reversed(_with_last(children[start]))]
    while stack:
        peer, prefix, last = stack.pop()
        lines.append(f"{prefix}{'└── ' if last else '├── '}{labels.get(peer, display_peer(peer))}")
        below = prefix + ("    " if last else "│   ")
        stack.extend((child, below, end) for child, end in reversed(_with_last(children[peer])))
    return lines


def _spanning_tree(start: str, edges: Edges, drawn: set[str]) -> dict[str, list[str]]:
    """Each node under the neighbour that is nearest to `start`, so that a cycle ends; `drawn` grows."""
    drawn.add(start)
    children: dict[str, list[str]] = {start: []}
    floor = [start]
    while floor:
        below: list[str] = []
        for peer in floor:
            for neighbour in sorted(edges.get(peer, ())):
                if neighbour not in drawn:
                    drawn.add(neighbour)
                    children[peer].append(neighbour)
                    children[neighbour] = []
                    below.append(neighbour)
        floor = below
    return children


def _with_last(peers: list[str]) -> list[tuple[str, bool]]:
    return [(peer, index == len(peers) - 1) for index, peer in enumerate(peers)]


def mermaid(pairs: Pairs, labels: Mapping[str, str]) -> str:
    """A Mermaid flowchart."""
    numbers = {peer: f"n{index}" for index, peer in enumerate(labels)}
    lines = ["graph TD"]
    lines += [f'    {numbers[peer]}["{_mermaid_text(text)}"]' for peer, text in labels.items()]
    lines += [f"    {numbers[one]} --- {numbers[other]}" for one, other in _known(pairs, numbers)]
    return "\n".join(lines)


def dot(pairs: Pairs, labels: Mapping[str, str]) -> str:
    """A Graphviz graph."""
    numbers = {peer: f"n{index}" for index, peer in enumerate(labels)}
    lines = ["graph hive {"]
    lines += [f'    {numbers[peer]} [label="{_dot_text(text)}"];' for peer, text in labels.items()]
    lines += [f"    {numbers[one]} -- {numbers[other]};" for one, other in _known(pairs, numbers)]
    return "\n".join([*lines, "}"])


def _known(pairs: Pairs, numbers: Mapping[str, str]) -> list[tuple[str, str]]:
    return [(one, other) for one, other in pairs if one in numbers and other in numbers]


def _mermaid_text(text: str) -> str:
    """Names come from peers: what could end the label is written as an entity."""
    return "".join(f"#{ord(character)};" if character in '"#<>&;`' else character for character in text)


def _dot_text(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
