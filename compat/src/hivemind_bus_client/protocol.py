"""The protocol objects of the reference client, by their names."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Optional

from hivemind_bus_client._passed_on import passed_on
from hivemind_core_client import protocol as _ours
from hivemind_core_client.protocol import *
from hivemind_core_client.protocol import __all__ as __all__

if TYPE_CHECKING:
    from hivemind_bus_client._foreign_client import ForeignClient
    from hivemind_core_client.shell.base import BaseClient

_HOMES = {
    "client": ("HiveMessageBusClient",),
    "encryption": ("SupportedCiphers", "SupportedEncodings", "hybrid_decrypt", "optimal_ciphers"),
    "hive_map": ("FloodIdCache", "HiveMapper"),
    "identity": ("NodeIdentity", "shared_identity_for"),
    "message": ("HiveMessage", "HiveMessageType"),
    "noise": (
        "NOISE_PATTERN_KK",
        "NOISE_SUPPORTED",
        "PROTOCOL_V3",
        "NoiseHandshakeFailed",
        "NoiseTransport",
        "build_prologue",
        "canonical_json",
        "forget_cached_psk",
        "noise_protocol_name",
        "select_noise_options",
        "start_noise_handshake",
    ),
}

log = logging.getLogger(__name__)


class HiveMindSlaveProtocol(_ours.HiveMindSlaveProtocol):  # type: ignore[no-redef]  # in its place
    """Our protocol object, whose `hm` may also be an object of your own that has a connection with a hub.

    `bind` registers a handler at its `on(type, handler)` for each type of message. Call them in order for what comes;
    what goes is given to its `emit(HiveMessage)`. It needs `key`, `password`, `session_id` and `handshake_event` too.
    A handshake gives it `noise_transport` (or below version 3 `crypto_key`, `cipher` and `json_encoding`), to seal and
    open with what follows, and sets the event.
    """

    _foreign: Optional[ForeignClient] = None

    @property
    def client(self) -> BaseClient:
        """The client that this object belongs to, or the one that stands for an `hm` that is none."""
        from hivemind_core_client.shell.base import BaseClient

        if isinstance(self.hm, BaseClient):
            return self.hm
        if self._foreign is None:
            from hivemind_bus_client._foreign_client import ForeignClient

            identity = self.identity or getattr(self.hm, "identity", None)
            self._foreign = ForeignClient(self.hm, identity)
        return self._foreign

    def bind(self, bus: Any = None) -> None:
        """Belong to `hm`, with `bus` as the internal bus. None connects with the OVOS bus of this device."""
        super().bind(bus)
        if self._foreign is not None:
            self._foreign.listen()

    def start_handshake(self) -> None:
        """Log why no session stands, if one was refused: the hub's offer begins each handshake by itself."""
        error = self.client.last_error
        if error is not None:
            log.warning("no session stands: %s", error)

    def reset_connection_state(self) -> None:
        """The connection of `hm` has ended: the hub's next HELLO begins another session. A client does so by itself."""
        if self._foreign is not None:
            self._foreign.lost()


def __getattr__(name: str) -> Any:
    return passed_on(__name__, name, _HOMES)
