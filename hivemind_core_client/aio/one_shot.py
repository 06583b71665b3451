"""Waits that begin before something is sent, each for one message: whatever comes in between is not missed."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any, Optional

from hivemind_core_client.shell.waiters import OVOS_PACKET, names_of, payload_named

if TYPE_CHECKING:
    from hivemind_core_client.aio.client import AsyncHiveMessageBusClient
    from hivemind_core_client.shell.waiters import Matcher, Names
    from hivemind_core_client.wire.message import HiveMessage


class AsyncHiveMessageWaiter:
    """Waits for one message of `message_type`, from when it is made; `wait` has it.

    `bus` is the client, and `message_type` what its `wait_for_message` takes. Make it, send, and then `wait`. It goes
    on through reconnections, and ends when the client is closed. `received_msg` is what came, or None.
    """

    def __init__(self, bus: AsyncHiveMessageBusClient, message_type: Names) -> None:
        names = names_of(message_type)
        self._begin(bus, message_type, bus._named(names))
        #: Who waits for an OVOS type gets the OVOS Message itself.
        self._takes_out = OVOS_PACKET not in names

    def _begin(self, bus: AsyncHiveMessageBusClient, message_type: Names, matches: Matcher) -> None:
        self.bus, self.msg_type = bus, message_type
        self._waiter = bus._asker.begin(matches)
        weakref.finalize(self, self._waiter.stop)

    @property
    def received_msg(self) -> Any:
        """What came, as `wait` returns it; None until then."""
        return self._result(self._waiter.message)

    async def wait(self, timeout: Optional[float] = 3.0) -> Any:
        """The message, at once if it has come already: a HiveMessage, or the OVOS Message of an OVOS type.

        None after `timeout` seconds, and at once when the client is closed. That is the end of it: another `wait`
        returns the same.
        """
        return self._result(await self.bus._asker.end(self._waiter, timeout))

    def _result(self, message: Optional[HiveMessage]) -> Any:
        if message is not None and self._takes_out and message.msg_type is OVOS_PACKET:
            return message.payload
        return message


class AsyncHivePayloadWaiter(AsyncHiveMessageWaiter):
    """Waits for one `message_type` message whose payload is of `payload_type`, from when it is made.

    Both are what `wait_for_payload` of the client takes; `wait` returns the HiveMessage.
    """

    def __init__(
        self, bus: AsyncHiveMessageBusClient, payload_type: Names, message_type: Names = OVOS_PACKET
    ) -> None:
        self.payload_type = payload_type
        self._takes_out = False
        self._begin(bus, message_type, payload_named(payload_type, message_type))
