"""The transport of a connection, for a client with threads, out of what a plugin offers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hivemind_core_client.transports.making import carrier_of

if TYPE_CHECKING:
    from hivemind_core_client.plugins.contract import Transport as Offer
    from hivemind_core_client.plugins.contract import TransportSettings
    from hivemind_core_client.transports.base import Transport


def new_transport(offer: Offer, settings: TransportSettings) -> Transport:
    """For one connection. Raises InvalidOption where it cannot be made, such as for want of an extra."""
    made: Transport = carrier_of(offer.blocking, settings)
    return made
