"""The hooks that count. The entry point has them where metrics are asked for."""

from __future__ import annotations

import logging
from typing import Any, Callable, Optional

from hivemind_client_metrics.book import BOOK, RECEIVED, SENT, kind_of
from hivemind_client_metrics.instruments import record_size
from hivemind_core_client import HiveMessage
from hivemind_core_client.plugins.hookspecs import hookimpl

log = logging.getLogger(__name__)

_to_serve: list[Callable[[], object]] = []


def serve_later(serve: Callable[[], object]) -> None:
    """Call `serve` when the first session stands: a command that connects nowhere opens no port."""
    _to_serve[:] = [serve]


@hookimpl
def hivemind_connected(client: Any) -> None:
    """Know this client, and open the endpoint that the environment asks for."""
    BOOK.client(client)
    while _to_serve:
        try:
            _to_serve.pop()()
        except OSError as error:
            log.warning("the endpoint for Prometheus cannot listen: %s", error)


@hookimpl
def hivemind_disconnected(client: Any) -> None:
    """Read the figures of this client, which may be gone soon."""
    BOOK.client(client)


@hookimpl
def hivemind_message_arrived(message: HiveMessage, size: Optional[int]) -> None:
    """Count a message of the hub."""
    _count(RECEIVED, message, size)


@hookimpl
def hivemind_message_sent(message: HiveMessage, size: Optional[int]) -> None:
    """Count a message of ours."""
    _count(SENT, message, size)


def _count(direction: str, message: HiveMessage, size: Optional[int]) -> None:
    kind = kind_of(message)
    BOOK.message(direction, kind, size)
    if size is not None:
        record_size(direction, kind, size)
