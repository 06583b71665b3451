"""Finding the hub before a connection is made, where its address only says what to look for."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from hivemind_core_client.aio.waiting import AsyncNotifier, at_home
from hivemind_core_client.transports.addresses import begun
from hivemind_core_client.wire.errors import ClientClosed, HandshakeAgain, HubUnreachable

if TYPE_CHECKING:
    from hivemind_core_client.config.hub_search import HubSearch, SearchJob
    from hivemind_core_client.kernel.lifecycle import ConnectionLifecycle
    from hivemind_core_client.kernel.tracer import Tracer


class AsyncHubFinder:
    """Has the finder of a plugin look for the hub, on a thread of its own, and waits for what it found."""

    def __init__(self, lifecycle: ConnectionLifecycle, changed: AsyncNotifier, tracer: Tracer) -> None:
        self._lifecycle = lifecycle
        self._changed = changed
        self._tracer = tracer

    async def find(self, search: HubSearch, sessions: int) -> None:
        """Know where the hub is; `sessions` counts those of the client so far.

        Raises HubNotFound, SeveralHubsFound, HubUnreachable if nobody could look, or ClientClosed.
        """
        again = isinstance(self._lifecycle.last_error, HandshakeAgain)
        while not search.is_current(sessions, again):
            job = search.begin()
            try:
                with self._tracer.phase("search", job.patience):
                    await self._run(job)
            finally:
                job.over.set()
            if self._lifecycle.stopping:
                raise ClientClosed("the client is closed")
            search.take(job)

    async def _run(self, job: SearchJob) -> None:
        call = at_home()

        def run() -> None:
            job.run()
            call(self._changed.notify)

        if not begun(threading.Thread(target=run, name="hivemind-search", daemon=True)):
            raise HubUnreachable("nobody can look for the hub: the system gives no thread")
        await self._changed.wait_until(lambda: job.done or self._lifecycle.stopping, job.patience)
