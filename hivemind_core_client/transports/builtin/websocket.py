"""The built-in transport for `ws://` and `wss://`. What opens sockets is imported when one is to be opened."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hivemind_core_client.plugins.contract import Transport, TransportSettings
from hivemind_core_client.plugins.hookspecs import hookimpl

if TYPE_CHECKING:
    from hivemind_core_client.transports.websocket import WebSocketTransport
    from hivemind_core_client.transports.websocket_asyncio import AsyncWebSocketTransport


@hookimpl
def hivemind_transports() -> list[Transport]:
    """WebSocket, for threads and for asyncio."""
    return [Transport(("ws", "wss"), _blocking, _asyncio, default_port=5678, secure="wss", pings=True)]


def _blocking(settings: TransportSettings) -> WebSocketTransport:
    from hivemind_core_client.transports.websocket import WebSocketTransport

    return WebSocketTransport(*_arguments(settings))


def _asyncio(settings: TransportSettings) -> AsyncWebSocketTransport:
    from hivemind_core_client.transports.websocket_asyncio import AsyncWebSocketTransport

    return AsyncWebSocketTransport(*_arguments(settings))


def _arguments(settings: TransportSettings) -> tuple[Any, ...]:
    return (
        settings.address,
        settings.tls,
        settings.deadlines,
        settings.largest_frame,
        settings.ping_interval,
        settings.ping_timeout,
        settings.largest_early,
    )
