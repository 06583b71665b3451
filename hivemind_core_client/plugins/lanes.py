"""Which handlers have a lane: those with functions of plugins that are not built in, which may take any time.

The calls of one lane are made one at a time, in order, where they hold up nobody who has nothing to do with it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hivemind_core_client.plugins.functions import FUNCTIONS, functions

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from hivemind_core_client.plugins.registry import Lanes, Offered


def lanes_of(members: Mapping[Any, Iterable[Offered[Any]]], builtin: Collection[str]) -> Lanes:
    """The lane of each function of a handler in which a plugin that is not `builtin` takes part.

    `members` has who stands in the chain of each type. A lane is called by its plugins. Those that meet in one chain
    share it, so that no two calls of one plugin's handlers are made at the same time.
    """
    strangers = {
        served: [each for each in chain if each.plugin not in builtin] for served, chain in members.items()
    }
    names = _names([{each.plugin for each in found} for found in strangers.values() if found])
    return {
        function: {
            served: names[found[0].plugin]
            for served, found in strangers.items()
            if any(function in functions(each.item) for each in found)
        }
        for function in FUNCTIONS
    }


def _names(groups: list[set[str]]) -> dict[str, str]:
    """The name of the lane of each plugin, where those of each group share one."""
    lanes: list[set[str]] = []
    for group in groups:
        apart = [lane for lane in lanes if not lane & group]
        lanes = [*apart, group.union(*(lane for lane in lanes if lane & group))]
    return {plugin: ", ".join(sorted(lane)) for lane in lanes for plugin in lane}
