"""The kinds of handshake that plugins offer, in the order in which they are tried."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from hivemind_core_client.plugins.handshake_contract import HandshakeKind
    from hivemind_core_client.plugins.registry import Conflict, Offered
    from hivemind_core_client.plugins.states import PluginStates


def ranked(kinds: Iterable[Offered[HandshakeKind]]) -> tuple[Offered[HandshakeKind], ...]:
    """The highest rank first; kinds of one rank in the order they come."""
    return tuple(sorted(kinds, key=lambda offered: -offered.item.rank))


def note(
    offers: Iterable[Offered[HandshakeKind]],
    conflicts: Iterable[Conflict],
    states: PluginStates,
    builtin: Collection[str],
) -> None:
    """Note with each plugin which kinds it offers, and what is to be told of names that several claim."""
    for each in offers:
        states.provides(each.plugin, f"handshake {each.item.name}")
    for remark in remarks(conflicts, builtin):
        states.remark(*remark)


def remarks(conflicts: Iterable[Conflict], builtin: Collection[str]) -> Iterator[tuple[str, str, str, int]]:
    """Which plugin, what is to be told of it, its state by that, and how to log it.

    A kind that takes the place of a built-in one is told of too: what proves the hub must not change unseen.
    """
    for conflict in conflicts:
        what = f"its handshake {conflict.name}"
        if conflict.winner not in builtin and any(name in builtin for name in conflict.losers):
            yield conflict.winner, f"{what} replaces the built-in one", "", logging.WARNING
        for name in conflict.losers:
            if name not in builtin:
                used = f"{what} is not used: that of {conflict.winner} is"
                yield name, used, "conflict", logging.WARNING
