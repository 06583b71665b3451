"""What became of each plugin: its state, what it provides, and what went wrong."""

from __future__ import annotations

import functools
import logging
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from attrs import define, field

from hivemind_core_client.wire.log_lines import LogLines

if TYPE_CHECKING:
    from hivemind_core_client.plugins.finding import PluginInfo

log = logging.getLogger(__name__)


@define
class PluginStates:
    """The reports of all plugins that were found, in the order of registration; one of no name here is only logged."""

    infos: list[PluginInfo] = field(factory=list)
    _lines: LogLines = field(factory=LogLines, repr=False)

    def provides(self, plugin: str, what: str) -> None:
        """Note that a plugin offers something that works."""
        for info in self._of(plugin):
            info.provides += (what,)

    def fail(self, plugin: str, reason: str) -> None:
        """Log and keep why a plugin, or a part of it, is not used: its state is `failed`."""
        self.remark(plugin, reason, "failed")

    def remark(self, plugin: str, reason: str, state: str = "", level: int = logging.WARNING) -> None:
        """Log and keep what is wrong with a plugin. A `state` counts, but for one that has failed already."""
        log.log(level, "plugin %s: %s", plugin, reason)
        for info in self._of(plugin):
            info.state = info.state if not state or info.state == "failed" else state
            info.error = f"{info.error}; {reason}" if info.error else reason

    def raised(self, plugin: str, hook: str, error: BaseException) -> None:
        """Log what came out of a hook; a few times a minute, since a peer decides how often it is called."""
        write, kind = functools.partial(log.error, exc_info=error), (plugin, hook)
        self._lines.write(time.monotonic(), write, "plugin %s raised in %s", plugin, hook, kind=kind)

    def _of(self, plugin: str) -> Iterator[PluginInfo]:
        return (info for info in self.infos if info.name == plugin)
