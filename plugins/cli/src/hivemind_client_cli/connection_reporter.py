"""Remarks for people on a connection that is lost, and that is there again."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from hivemind_client_cli.output import Output
from hivemind_core_client.errors import NotAHub

if TYPE_CHECKING:
    from hivemind_core_client import HiveMessageBusClient
    from hivemind_core_client.errors import HiveMindError


class ConnectionReporter:
    """Calls `report` with a text when `client` loses its connection, and when it has one again.

    The reason is worded as `output` words errors. Make it when the client is connected: the first connection is not
    reported.
    """

    def __init__(self, client: HiveMessageBusClient, output: Output, report: Callable[[str], None]) -> None:
        self._client = client
        self._output = output
        self._report = report
        self._connected = True
        self._stopped = self._told = False
        client.on("close", self._closed)
        client.on("open", self._opened)
        client.on("error", self._failed)

    def stop(self) -> None:
        """Report nothing more: the connection is about to be closed on purpose."""
        self._stopped = True

    def _closed(self) -> None:
        if not self._stopped:
            self._connected = False
            reason = self._output.worded(self._client.last_error or "closed")
            self._report(f"connection lost, reconnecting: {reason}")

    def _failed(self, error: HiveMindError) -> None:
        """Tell once that something answers which is not the hub that took our login before."""
        if isinstance(error, NotAHub) and not (self._stopped or self._told):
            self._told = True
            self._report(f"not connected again: {self._output.worded(error)}")

    def _opened(self) -> None:
        self._told = False
        if not (self._connected or self._stopped):
            self._connected = True
            self._report("connected again")
