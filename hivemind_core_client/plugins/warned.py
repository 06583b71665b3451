"""Warnings of plugins that would come again and again."""

from __future__ import annotations

import functools
import logging

log = logging.getLogger(__name__)


@functools.lru_cache(maxsize=256)
def warn_once(name: str, reason: str) -> None:
    """Log what is wrong with a plugin; the same words again say nothing, until `warn_once.cache_clear()`."""
    log.warning("plugin %s: %s", name, reason)
