"""Between the hub and the OVOS bus of this device: what comes down is said there once, what is for the hub goes up."""

from __future__ import annotations

import logging
from threading import Lock
from typing import TYPE_CHECKING, Any, Callable, Optional

from hivemind_core_client.kernel.bridge import UPSTREAM, marked, upward
from hivemind_core_client.wire.json_text import Json, json_object
from hivemind_core_client.wire.message import HiveMessage, HiveMessageType
from hivemind_core_client.wire.ovos import to_message

if TYPE_CHECKING:
    from hivemind_core_client.plugins.contract import Context
    from hivemind_core_client.shell.local_bus import LocalBus
    from hivemind_core_client.shell.protocols import Handler, MailboxProtocol

log = logging.getLogger(__name__)


class LocalBusBridge:
    """Holds the one internal bus: a LocalBus, or any OVOS bus that takes its place.

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
        self._making = Lock()
        #: What is in use, and the one that was made here. Both are None until somebody asks: OVOS takes its time.
        self._bus: Any = None
        self._local: Optional[LocalBus] = None

    @property
    def bus(self) -> Any:
        """The internal bus; a LocalBus is made where there is none."""
        with self._making:
            if self._bus is None:
                self._bus = self._local = self._new_local_bus()
            return self._bus

    def replace(self, bus: Any) -> None:
        """Use another bus. Handlers that were set on a LocalBus move along."""
        old, self._bus = self._bus, bus
        if bus is old:
            return
        if old is not None and old is self._local:
            for name, handler, once in self._local.registered():
                (bus.once if once else bus.on)(name, self.adapted(handler))
        elif old is not None:
            old.remove("message", self._heard)
        if bus is not self._local:
            bus.on("message", self._heard)

    def adapted(self, handler: Handler) -> Handler:
        """What is registered on the internal bus for a handler."""
        ours = self.bus is self._local or not callable(handler)
        return handler if ours else self._mailbox.adapted(handler)

    def from_hub(self, fields: Json) -> None:
        """Say what the hub sent, on the thread that calls. Only this device may ask us to send something up."""
        if fields["type"] == UPSTREAM:
            self._context.note(
                log.warning, "dropped a %s from the hive: only the local bus may ask for that", UPSTREAM
            )
            return
        bus, local = self._bus, self._local
        if bus is not None and bus is not local:
            bus.emit(to_message(fields))
        elif local is not None:
            local.deliver_now(fields)

    def from_us(self, sent: HiveMessage) -> None:
        """Say what we have sent up, if it is an OVOS Message for the hub, so that the handlers here hear it too."""
        if sent.msg_type is not HiveMessageType.BUS:
            return
        bus, local, fields = self._bus, self._local, sent.raw_payload
        try:
            if bus is not local:
                bus.emit(to_message(marked(self._context, fields)))
            elif local is not None:
                local.deliver_fields(fields)
        except Exception:  # whoever sent it would take that for a failure to send, and send it again
            log.exception("a message that was sent to the hub was not said on the internal bus")

    def _new_local_bus(self) -> LocalBus:
        from hivemind_core_client.shell.local_bus import LocalBus

        mailbox = self._mailbox
        return LocalBus(self._context.session, mailbox.put, self._said, mailbox.call, mailbox.blocking)

    def _heard(self, message: Any) -> None:
        """What somebody said on the bus, as a Message or as its JSON text."""
        if isinstance(message, str):
            self._said(json_object(message))
        else:
            self._said({"type": message.msg_type, "data": message.data, "context": message.context})

    def _said(self, fields: Json) -> None:
        """What somebody said on the bus, for the hub if it is for the hub."""
        for packet in upward(self._context, fields, self._share_bus()):
            self._send_up(packet)
