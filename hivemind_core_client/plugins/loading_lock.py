"""One thread at a time loads plugins, and no plugin asks for what is being loaded: it would be loaded within itself."""

from __future__ import annotations

import os
import threading
from collections.abc import Hashable, Iterator
from contextlib import contextmanager

from hivemind_core_client.wire.errors import Mend, PluginError


class LoadingLock:
    """Held while plugins are loaded and tables built: several threads may make their first client at once."""

    def __init__(self) -> None:
        self.renew()

    def renew(self) -> None:
        """Forget who holds it: in a child that was forked, a thread that held it is not there to let it go."""
        self._lock = threading.RLock()
        self._at_work: list[Hashable] = []

    @contextmanager
    def at(self, what: Hashable) -> Iterator[None]:
        """Hold it for `what`. Raises PluginError where this thread is at that already, since a plugin asked for it."""
        with self._lock:
            at_work = self._at_work
            if what in at_work:
                raise PluginError(
                    "a plugin makes a client, or asks for the plugins, while it is loaded",
                    Mend("do that in a function that is called later, and not where the plugin is imported"),
                )
            at_work.append(what)
            try:
                yield
            finally:
                at_work.remove(what)


LOADING = LoadingLock()

if hasattr(os, "register_at_fork"):  # not on Windows, where nothing is forked
    os.register_at_fork(after_in_child=LOADING.renew)
