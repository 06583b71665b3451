"""Sound that tells its text: the same bytes are made by satellite, hub and test, and read by each of them."""

from __future__ import annotations

import io
import re
import wave

RATE = 16_000
#: What is heard where a second of a text is never whole.
NOISE = "nothing that makes sense"
#: The seconds of a text that are needed to understand it.
_NEEDED = 1.0
_SENTENCE = re.compile("«([^»]+)»".encode())


def spoken(text: str, seconds: float) -> bytes:
    """Frames, 16 bit mono at `RATE`: the text again and again. No sample is 0, which is silence."""
    sentence, length = f"«{text}»".encode(), int(RATE * seconds) * 2
    return (sentence * (length // len(sentence) + 1))[:length]


def heard(frames: bytes) -> str:
    """The text that is spoken in these frames, if it is for a second without a gap."""
    found = _SENTENCE.search(frames)
    text = found.group(1).decode() if found is not None else NOISE
    return text if spoken(text, _NEEDED) in frames else NOISE


def wav(text: str) -> bytes:
    """The content of a WAV file with this text."""
    content = io.BytesIO()
    with wave.open(content, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(RATE)
        sound.writeframes(spoken(text, _NEEDED))
    return content.getvalue()
