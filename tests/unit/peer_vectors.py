"""What independent implementations compute from fixed inputs, read from tests/unit/vectors/peers.json."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Optional, Union

from attrs import frozen

_FILE = Path(__file__).with_name("vectors") / "peers.json"
#: All of the file, as it is.
PEERS: dict[str, Any] = json.loads(_FILE.read_text(encoding="utf-8"))


@frozen
class Transported:
    """One transport message: what it carries, and the frame."""

    plain: Union[str, bytes]
    frame: bytes


@frozen
class NoiseVector:
    """One handshake of protocol version 3, and the messages after it. The implementation is the client."""

    name: str
    protocol: str
    static_private: bytes
    ephemeral_private: bytes
    psk: bytes
    prologue: bytes
    remote_static: Optional[bytes]
    payloads: tuple[bytes, bytes]
    messages: tuple[bytes, ...]
    answer_of_another_psk: Optional[bytes]
    handshake_hash: bytes
    up: tuple[Transported, ...]
    down: tuple[Transported, ...]

    @property
    def pattern(self) -> str:
        """XXpsk2 or KKpsk0."""
        return self.protocol.split("_")[1]

    @property
    def suite(self) -> str:
        """Such as 25519_AESGCM_SHA256."""
        return self.protocol.split("_", 2)[2]

    @property
    def negotiation(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """The payloads of the hub's HELLO and offer, which stand in the prologue."""
        text = self.prologue.decode()
        hello, end = json.JSONDecoder().raw_decode(text)
        offer, end = json.JSONDecoder().raw_decode(text, end)
        assert text[end:] == self.protocol
        return hello, offer


def noise_vectors() -> list[NoiseVector]:
    """The handshakes of the file, in its order."""
    return [_read(entry) for entry in PEERS["noise"]]


def _read(entry: dict[str, Any]) -> NoiseVector:
    steps = [bytes.fromhex(entry[f"message_{number}"] or "") for number in (1, 2, 3)]
    return NoiseVector(
        name=entry["name"],
        protocol=entry["protocol"],
        static_private=bytes.fromhex(entry["static_private"]),
        ephemeral_private=bytes.fromhex(entry["ephemeral_private"]),
        psk=bytes.fromhex(entry["psk"]),
        prologue=entry["prologue"].encode(),
        remote_static=_optional(entry["remote_static"]),
        payloads=(entry["payload_1"].encode(), entry["payload_2"].encode()),
        messages=tuple(filter(None, steps)),
        answer_of_another_psk=_optional(entry["message_2_of_another_psk"]),
        handshake_hash=bytes.fromhex(entry["handshake_hash"]),
        up=_transported(entry["client_to_hub"]),
        down=_transported(entry["hub_to_client"]),
    )


def _transported(entries: list[dict[str, Any]]) -> tuple[Transported, ...]:
    return tuple(Transported(_plain(entry["plain"]), bytes.fromhex(entry["frame"])) for entry in entries)


def _plain(plain: dict[str, str]) -> Union[str, bytes]:
    return plain["text"] if "text" in plain else bytes.fromhex(plain["hex"])


def _optional(digits: Optional[str]) -> Optional[bytes]:
    return None if digits is None else bytes.fromhex(digits)
