"""Who gets what at a hub that hands on the inner message alone, sans IO: as hub 4.0.0 was seen to do it."""

from __future__ import annotations

from collections.abc import Iterator

from hivemind_core_client.testing.hub_likeness import ABRUPT
from hivemind_core_client.testing.hub_routing import Expel, ForHub, Order, ToAll
from hivemind_core_client.wire.errors import FrameError
from hivemind_core_client.wire.message import HiveMessage, HiveMessageType

_BUS = HiveMessageType.BUS
#: What goes on to the other clients, and what would go to a hub above, for want of which the sender is dropped.
_TO_OTHERS = (HiveMessageType.BROADCAST, HiveMessageType.PROPAGATE)
_UPWARDS = (HiveMessageType.PROPAGATE, HiveMessageType.ESCALATE)
_NO_HUB_ABOVE = Expel("the hub has no hub above it, and drops who sends there", ABRUPT)


class UnwrappingRouter:
    """Feed it what arrives; it yields orders. QUERY and CASCADE have no answer.

    `node_id` is the hub's name, `site_id` its site.
    """

    def __init__(self, node_id: str, site_id: str) -> None:
        self._own = node_id
        self._site = site_id

    def route(self, peer: str, admin: bool, message: HiveMessage) -> Iterator[Order]:
        """Yield what is to be done with a message of the client called `peer`; nothing for types that stay here."""
        kind = message.msg_type
        if kind not in _TO_OTHERS and kind not in _UPWARDS:
            return
        try:
            inner = self._bare(peer, message)
        except FrameError as error:
            yield Expel(str(error), ABRUPT)
            return
        if kind in _TO_OTHERS and not (kind is HiveMessageType.BROADCAST and not admin):
            yield from self._handed_on(peer, message, inner)
        if kind in _UPWARDS:
            yield _NO_HUB_ABOVE

    def _handed_on(self, peer: str, message: HiveMessage, inner: HiveMessage) -> Iterator[Order]:
        if inner.msg_type is not _BUS:
            yield Expel(f"it raises on a {inner.msg_type.name} in a {message.msg_type.name}", ABRUPT)
            return
        if message.target_site_id == self._site:
            yield ForHub(inner)
        yield ToAll(inner, but=peer)

    def _bare(self, peer: str, message: HiveMessage) -> HiveMessage:
        """What a wrapper carries, with the site and the route of the wrapper. Raises FrameError."""
        arrived = message.copy(source_peer=peer, target_peers=[], route=message.route)
        arrived.update_hop_data()
        inner = HiveMessage.from_wire(message.raw_payload)
        return inner.copy(
            route=arrived.route, target_site_id=message.target_site_id, source_peer=self._own, target_peers=[]
        )

    def from_above(self, message: HiveMessage) -> Iterator[Order]:
        """Nothing: there is no hub above."""
        return iter(())
