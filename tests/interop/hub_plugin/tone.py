"""Sound that both ends of a test can make, so that the receiver can compare what was sent."""

from __future__ import annotations

import io
import math
import struct
import wave

RATE = 16_000
_SECONDS = 1.0


def frames(text: str) -> bytes:
    """One second of a tone, 16 bit mono at `RATE`; each text has a pitch of its own."""
    pitch = 220 + sum(text.encode()) % 660
    samples = (int(12_000 * math.sin(2 * math.pi * pitch * at / RATE)) for at in range(int(RATE * _SECONDS)))
    return b"".join(struct.pack("<h", sample) for sample in samples)


def wav(text: str) -> bytes:
    """The tone as the content of a WAV file."""
    content = io.BytesIO()
    with wave.open(content, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(RATE)
        sound.writeframes(frames(text))
    return content.getvalue()
