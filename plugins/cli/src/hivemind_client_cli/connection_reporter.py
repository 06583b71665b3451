"""Remarks for people on a connection that is lost, and that is there again."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hivemind_core_client import HiveMessageBusClient


class ConnectionReporter:
    """Calls `report` with a text when `client` loses its connection, and when it has one again.

    Make it when the client is connected: the first connection is not reported.
    """

    def __init__(self, client: HiveMessageBusClient, report: Callable[[str], None]) -> None:
        self._client = client
        self._report = report
        self._connected = True
        self._stopped = False
        client.on("close", self._closed)
        client.on("open", self._opened)

    def stop(self) -> None:
        """Report nothing more: the connection is about to be closed on purpose."""
        self._stopped = True

    def _closed(self) -> None:
        if not self._stopped:
            self._connected = False
            self._report(f"connection lost, reconnecting: {self._client.last_error or 'closed'}")

    def _opened(self) -> None:
        if not (self._connected or self._stopped):
            self._connected = True
            self._report("connected again")
