"""Between the hub and the OVOS bus of this device: what comes down is said there once, what is for the hub goes up."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Callable

from hivemind_core_client.kernel.bridge import UPSTREAM, marked, upward
from hivemind_core_client.shell.local_bus import LocalBus
from hivemind_core_client.wire.json_text import Json, json_object
from hivemind_core_client.wire.message import HiveMessage, HiveMessageType
from hivemind_core_client.wire.ovos import to_message

if TYPE_CHECKING:
    from hivemind_core_client.plugins.contract import Context
    from hivemind_core_client.shell.protocols import Handler, MailboxProtocol

log = logging.getLogger(__name__)


class LocalBusBridge:
    """Holds the one internal bus: a LocalBus of ours, or any OVOS bus that takes its place.

    `share_bus()` tells whether every message of the bus goes up, `send_up` sends one.
    """

    def __init__(
        self,
        context: Context,
        mailbox: MailboxProtocol,
        share_bus: Callable[[], bool],
        send_up: Callable[[HiveMessage], None],
    ) -> None:
        self._context = context
        self._mailbox = mailbox
        self._share_bus = share_bus
        self._send_up = send_up
        self.bus: Any = LocalBus(mailbox.put, self._heard, mailbox.call)

    def replace(self, bus: Any) -> None:
        """Use another bus. Handlers that were set on a LocalBus move along."""
        old, self.bus = self.bus, bus
        if bus is old:
            return
        if isinstance(old, LocalBus):
            for name, handler, once in old.subscriptions.all():
                (bus.once if once else bus.on)(name, self.adapted(handler))
        else:
            old.remove("message", self._heard)
        if not isinstance(bus, LocalBus):
            bus.on("message", self._heard)

    def adapted(self, handler: Handler) -> Handler:
        """What is registered on the internal bus for a handler."""
        ours = isinstance(self.bus, LocalBus) or not callable(handler)
        return handler if ours else self._mailbox.adapted(handler)

    def from_hub(self, fields: Json) -> None:
        """Say what the hub sent, on the thread that calls. Only this device may ask us to send something up."""
        if fields["type"] == UPSTREAM:
            self._context.note(
                log.warning, "dropped a %s from the hive: only the local bus may ask for that", UPSTREAM
            )
            return
        bus = self.bus
        if isinstance(bus, LocalBus):
            bus.deliver_now(fields)
        else:
            bus.emit(to_message(fields))

    def from_us(self, sent: HiveMessage) -> None:
        """Say what we have sent up, if it is an OVOS Message for the hub, so that the handlers here hear it too."""
        if sent.msg_type is not HiveMessageType.BUS:
            return
        bus, fields = self.bus, sent.raw_payload
        if isinstance(bus, LocalBus):
            bus.deliver_fields(fields)
            return
        try:
            bus.emit(to_message(marked(self._context, fields)))
        except Exception:  # whoever sent it would take that for a failure to send, and send it again
            log.exception("a message that was sent to the hub was not said on the internal bus")

    def _heard(self, message: Any) -> None:
        """What somebody said on the bus, as a Message or as its JSON text."""
        if isinstance(message, str):
            fields = json_object(message)
        else:
            fields = {"type": message.msg_type, "data": message.data, "context": message.context}
        for packet in upward(self._context, fields, self._share_bus()):
            self._send_up(packet)
