"""The thread that keeps a client connected."""

from __future__ import annotations

import threading
from functools import cached_property
from typing import TYPE_CHECKING, Optional

from hivemind_core_client.sync.mailbox import Running
from hivemind_core_client.sync.serving import ServingWorker
from hivemind_core_client.transports.addresses import begun

if TYPE_CHECKING:
    from hivemind_core_client.wire.message import HiveMessage


class Worker(ServingWorker):
    """Connects, serves and reconnects on a thread of its own until it is stopped or refused."""

    @cached_property
    def running(self) -> Running:
        """The thread."""
        return Running(target=self._run, name="hivemind-link", daemon=True)

    def start(self, retries: Optional[int]) -> None:
        """Begin; see `SharedWorker.start`."""
        self.lifecycle.begin(retries)
        self.running.start()

    def send_quietly(self, message: HiveMessage, keep: bool = False) -> None:
        """Send, on the thread that calls, a message whose sender is not to be told; a failure is logged."""
        self._try_to_send(message, keep)

    def stop(self, seconds: float) -> None:
        """Say farewell, wake the thread, and wait for it, unless it is the one that calls. Idempotent."""
        is_own = threading.current_thread() is self.running
        if self.keeper is not None and not is_own:
            self.keeper.settle(seconds)
        connection = self._sender.connection if self.lifecycle.stands else None
        self._stop_trying()
        if connection is not None:
            # On a thread of its own: somebody may be stuck in writing, and closing must not wait for that.
            if not begun(threading.Thread(target=connection.transport.farewell, daemon=True)):
                connection.transport.farewell()
            if not is_own:
                self.wait_finished(seconds)
        if self._sender.connection is not None:
            self._sender.connection.transport.abort()
        if self.running.ident is not None and not is_own:
            self.running.join(seconds)

    def _run(self) -> None:
        try:
            super()._run()
        finally:
            self._finish()
