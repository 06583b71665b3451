"""WAV files made of bare samples, and audio told by how it begins."""

from __future__ import annotations

import io
import os
import wave
from pathlib import Path
from typing import BinaryIO, Optional

from hivemind_core_client.errors import InvalidMessage, InvalidOption, Mend

#: What hubs take for granted where the sender does not say.
DEFAULT_SAMPLE_RATE = 16_000
DEFAULT_SAMPLE_WIDTH = 2

#: In less than so many bytes a second no WAV file holds sound.
_LEAST_BYTE_RATE = 1_000
#: Behind so many other chunks nobody looks for the format of a WAV file.
_MOST_CHUNKS = 32

SAMPLE_RATES = range(1_000, 768_001)
SAMPLE_WIDTHS = range(1, 5)


def check_samples(data: bytes, sample_rate: int, sample_width: int) -> None:
    """Raise InvalidOption for a rate or width that no audio has, InvalidMessage for samples that are cut off."""
    _check_number("sample_rate", sample_rate, SAMPLE_RATES, "Hz")
    _check_number("sample_width", sample_width, SAMPLE_WIDTHS, "bytes")
    if len(data) % sample_width:
        raise InvalidMessage(
            f"{len(data)} bytes of audio are no whole number of samples of {sample_width} bytes",
            Mend("pass mono samples without a WAV header, and their true sample_width"),
        )


def _check_number(name: str, value: object, legal: range, unit: str) -> None:
    if type(value) is not int or value not in legal:
        raise InvalidOption(f"{name} is {value!r}; it is a whole number of {legal[0]} to {legal[-1]} {unit}")


def wav_bytes(
    data: bytes, sample_rate: int = DEFAULT_SAMPLE_RATE, sample_width: int = DEFAULT_SAMPLE_WIDTH
) -> bytes:
    """A mono WAV file of bare samples: little-endian, `sample_rate` in Hz, `sample_width` in bytes.

    Raises InvalidOption for a rate or width that no audio has, InvalidMessage for samples that are cut off.
    """
    check_samples(data, sample_rate, sample_width)
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setframerate(sample_rate)
        writer.setsampwidth(sample_width)
        writer.writeframes(data)
    return file.getvalue()


def audio_suffix(data: bytes) -> str:
    """The extension that fits audio by how it begins (`.wav`, `.mp3`, …), or an empty text."""
    if data[:4] == b"RIFF" and data[8:12] == b"WAVE":
        return ".wav"
    for start, suffix in ((b"OggS", ".ogg"), (b"fLaC", ".flac"), (b"ID3", ".mp3")):
        if data.startswith(start):
            return suffix
    return ".mp3" if len(data) > 1 and data[0] == 0xFF and data[1] & 0xE6 == 0xE2 else ""


def seconds_of(path: Path) -> Optional[float]:
    """How many seconds a WAV file plays at most, by its size and what it says; None for what is no such file."""
    try:
        with open(path, "rb") as file:
            rate = _byte_rate(file)
            size = file.seek(0, os.SEEK_END)
    except OSError:
        return None
    return size / rate if rate >= _LEAST_BYTE_RATE else None


def _byte_rate(file: BinaryIO) -> int:
    """Bytes a second, as the format of a WAV file says; 0 where there is none."""
    if audio_suffix(file.read(12)) != ".wav":
        return 0
    for _ in range(_MOST_CHUNKS):
        name, size = file.read(4), int.from_bytes(file.read(4), "little")
        if name == b"fmt ":
            return int.from_bytes(file.read(16)[8:12], "little")
        file.seek(size + size % 2, os.SEEK_CUR)
    return 0
