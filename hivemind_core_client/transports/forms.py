"""The transport of a connection, for a client with threads, out of what a plugin offers."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hivemind_core_client.plugins.contract import Transport as Offer
    from hivemind_core_client.plugins.contract import TransportSettings
    from hivemind_core_client.transports.base import Transport


def new_transport(offer: Offer, settings: TransportSettings) -> Transport:
    """For one connection. Raises InvalidOption where it cannot be made, such as for want of an extra."""
    if offer.blocking is not None:
        from hivemind_core_client.transports.blocking_carrier import blocking_transport

        return blocking_transport(offer, settings)
    from hivemind_core_client.transports.async_carrier import async_transport
    from hivemind_core_client.transports.on_loop import OnLoop

    return OnLoop(partial(async_transport, offer, settings), settings)
