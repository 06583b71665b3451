"""What is sealed and opened, as data: both workers take the same list."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

KIB = 1024
MIB = 1024 * KIB

AES = "AES-GCM"
CHACHA = "CHACHA20-POLY1305"
CIPHERS = (AES, CHACHA)
HEX = "JSON-HEX"
ENCODINGS = ("JSON-B91", "JSON-Z85B", "JSON-Z85P", "JSON-B64", "JSON-URLSAFE-B64", "JSON-B32", HEX)

#: In place of a cipher or an encoding: the one that this side asks for first, which a hub that allows all takes.
FIRST_CHOICE = "first choice"

#: The key of every case, 32 bytes, which both ciphers take.
KEY = bytes(range(32))

#: An OVOS Message of about 300 bytes of JSON, of the kind that satellites send most.
BUS_MESSAGE: dict[str, Any] = {
    "type": "recognizer_loop:utterance",
    "data": {"utterances": ["what will the weather be like in Lisbon tomorrow"], "lang": "en-us"},
    "context": {
        "source": "HiveMindSatellite",
        "destination": "HiveMind",
        "platform": "HiveMindSatellite",
        "session": {"session_id": "3f9c1b52-7a0e-4d7b-9a55-0c1d2e3f4a5b", "site_id": "kitchen"},
    },
}
#: Metadata of the BINARY messages.
TTS_METADATA = {"lang": "en-us", "utterance": "it will be sunny", "file_name": "speech.wav"}
#: The bin type of the BINARY messages: TTS_AUDIO.
TTS_AUDIO = 6


@dataclass(frozen=True)
class Case:
    """One call to time.

    `direction` is `seal` (HiveMessage to frame), `open` (frame to HiveMessage) or `deliver` (frame to the OVOS
    Message inside). `form` is `text` or `binary`. `size` is the bytes of a BINARY payload; 0 means the BUS message.
    """

    name: str
    direction: str
    form: str
    cipher: str
    encoding: str = HEX
    size: int = 0


def codec_cases() -> list[Case]:
    """Every case of the group `codec`, in the order of the report."""
    return [*_first_choice(), *_text(), *_binary_frames(), *_binary_payloads()]


def binary_payload(size: int) -> bytes:
    """Bytes that do not compress, as coded audio does not; the same on both sides."""
    block, state = bytearray(), 1
    while len(block) < min(size, 64 * KIB):
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        block += state.to_bytes(8, "big")
    return bytes(block) * (size // len(block))


def _first_choice() -> list[Case]:
    directions = ("seal", "open", "deliver")
    return [
        Case(
            f"BUS text, each side's first choice: {direction}", direction, "text", FIRST_CHOICE, FIRST_CHOICE
        )
        for direction in directions
    ]


def _text() -> list[Case]:
    pairs = [(CHACHA, HEX), *((AES, encoding) for encoding in reversed(ENCODINGS))]
    return [
        Case(f"BUS text, {cipher}, {encoding}: {direction}", direction, "text", cipher, encoding)
        for cipher, encoding in pairs
        for direction in ("seal", "open")
    ]


def _binary_frames() -> list[Case]:
    return [
        Case(f"BUS binary, {cipher}: {direction}", direction, "binary", cipher)
        for cipher in CIPHERS
        for direction in ("seal", "open")
    ]


def _binary_payloads() -> list[Case]:
    return [
        Case(f"BINARY {label}, {cipher}: {direction}", direction, "binary", cipher, size=size)
        for label, size in (("64 KiB", 64 * KIB), ("1 MiB", MIB))
        for cipher in CIPHERS
        for direction in ("seal", "open")
    ]
