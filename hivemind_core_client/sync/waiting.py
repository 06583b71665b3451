"""The verbs that wait for a message, on the thread that calls them."""

from __future__ import annotations

from typing import Any, Optional

from hivemind_core_client.shell.waiters import Matcher, Names, Waiter, Waiters, message_named, payload_named
from hivemind_core_client.sync.mailbox import Mailbox
from hivemind_core_client.wire.errors import HiveMindError
from hivemind_core_client.wire.message import (
    OVOS_TYPES,
    HiveMessage,
    HiveMessageType,
    HiveMindBinaryPayloadType,
)

_UNDEFINED = HiveMindBinaryPayloadType.UNDEFINED
#: What carries an OVOS message, and what `wait_for_payload` looks into where nothing else is said.
OVOS_PACKET, PAYLOAD_PACKET = HiveMessageType.BUS, HiveMessageType.THIRDPRTY


class WaitVerbs:
    """Waiting, for a client that has `waiters` and a `mailbox` and can `emit`."""

    waiters: Waiters
    mailbox: Mailbox

    def emit(self, message: Any) -> None:
        """Send a message."""
        raise TypeError("a client brings its own emit")

    def wait_for_message(self, message_type: Names, timeout: Optional[float] = 3.0) -> Optional[HiveMessage]:
        """The next message of a hive type, or BUS message of an OVOS type; None after `timeout` seconds."""
        return self._wait(self.waiters.add(message_named(message_type)), timeout)

    def wait_for_payload(
        self,
        payload_type: Names,
        message_type: Names = PAYLOAD_PACKET,
        timeout: Optional[float] = 3.0,
    ) -> Optional[HiveMessage]:
        """The next `message_type` message whose payload is of `payload_type`; None after `timeout` seconds."""
        return self._wait(self.waiters.add(payload_named(payload_type, message_type)), timeout)

    def wait_for_mycroft(
        self, mycroft_msg_type: Names, timeout: Optional[float] = 3.0
    ) -> Optional[HiveMessage]:
        """The next BUS message that carries this OVOS type; None after `timeout` seconds."""
        return self.wait_for_payload(mycroft_msg_type, OVOS_PACKET, timeout)

    def wait_for_response(
        self, message: Any, reply_type: Optional[Names] = None, timeout: Optional[float] = 3.0
    ) -> Optional[HiveMessage]:
        """Send, and return the answer of type `reply_type`; None after `timeout` seconds.

        `reply_type` defaults to TYPE.response for an OVOS Message, and to the message's own type else. None comes
        at once when the connection ends, since the answer cannot come any more. Raises like `emit`.
        """
        packet = as_packet(message)
        return self._ask(packet, message_named(reply_type or reply_type_of(packet)), timeout)

    def wait_for_payload_response(
        self,
        message: Any,
        payload_type: Names,
        reply_type: Optional[Names] = None,
        timeout: Optional[float] = 3.0,
    ) -> Optional[HiveMessage]:
        """Send, and return the `reply_type` message (default: of the same type) whose payload is of `payload_type`."""
        packet = as_packet(message)
        return self._ask(packet, payload_named(payload_type, reply_type or packet.msg_type), timeout)

    def _ask(self, packet: HiveMessage, matches: Matcher, timeout: Optional[float]) -> Optional[HiveMessage]:
        waiter = self.waiters.add(matches, request=True)
        try:
            self.emit(packet)
        except HiveMindError:
            self.waiters.remove(waiter)
            raise
        return self._wait(waiter, timeout)

    def _wait(self, waiter: Waiter, timeout: Optional[float]) -> Optional[HiveMessage]:
        try:
            with self.mailbox.blocking():
                return waiter.wait(timeout)
        finally:
            self.waiters.remove(waiter)


def as_packet(message: Any, bin_type: HiveMindBinaryPayloadType = _UNDEFINED) -> HiveMessage:
    """A HiveMessage as it is, an OVOS Message as BUS. A `bin_type` that is given wins over the message's own."""
    if not isinstance(message, HiveMessage):
        return HiveMessage(HiveMessageType.BUS, message)
    if bin_type == _UNDEFINED:
        return message
    return message.copy(bin_type=bin_type)


def reply_type_of(packet: HiveMessage) -> str:
    """The type of the answer that a message asks for, where its sender names none."""
    if packet.msg_type in OVOS_TYPES:
        return f"{packet['type']}.response"
    return packet.msg_type.value
