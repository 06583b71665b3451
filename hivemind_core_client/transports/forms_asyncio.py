"""The transport of a connection, for a client on an event loop, out of what a plugin offers."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hivemind_core_client.plugins.contract import Transport, TransportSettings
    from hivemind_core_client.transports.base import AsyncTransport


def new_transport(offer: Transport, settings: TransportSettings) -> AsyncTransport:
    """For one connection. Raises InvalidOption where it cannot be made, such as for want of an extra."""
    if offer.asyncio is not None:
        from hivemind_core_client.transports.async_carrier import async_transport

        return async_transport(offer, settings)
    from hivemind_core_client.transports.blocking_carrier import blocking_transport
    from hivemind_core_client.transports.on_threads import OnThreads

    return OnThreads(blocking_transport(offer, settings), settings)
