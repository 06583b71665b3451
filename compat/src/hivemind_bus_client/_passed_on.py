"""Names that a module of the reference client has from another one. Each is imported when somebody asks for it."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

#: What the clients have from other modules, by the module.
OF_CLIENTS = {
    "encryption": (
        "SupportedCiphers",
        "SupportedEncodings",
        "decrypt_bin",
        "decrypt_from_json",
        "encrypt_as_json",
        "encrypt_bin",
        "hybrid_encrypt",
    ),
    "exceptions": ("MetadataTooLarge",),
    "identity": ("NodeIdentity", "shared_identity_for"),
    "message": ("HiveMessage", "HiveMessageType", "HiveMindBinaryPayloadType"),
    "noise": ("NoiseTransportFailed",),
    "serialization": ("BINARY_ENCODABLE_TYPES", "decode_bitstring", "get_bitstring"),
    "util": ("parse_text_frame", "serialize_message", "unencrypted_frame_allowed"),
}


def passed_on(module: str, name: str, homes: Mapping[str, tuple[str, ...]]) -> Any:
    """The name of `module`, from the one of `homes` that has it. Raises AttributeError where none has."""
    for home, names in homes.items():
        if name in names:
            return getattr(importlib.import_module(f"hivemind_bus_client.{home}"), name)
    raise AttributeError(f"module {module!r} has no attribute {name!r}")
