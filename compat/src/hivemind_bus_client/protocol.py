"""The protocol objects of the reference client, by their names."""

from __future__ import annotations

from typing import Any

from hivemind_bus_client._passed_on import passed_on
from hivemind_core_client.protocol import *
from hivemind_core_client.protocol import __all__ as __all__

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


def __getattr__(name: str) -> Any:
    return passed_on(__name__, name, _HOMES)
