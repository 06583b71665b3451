"""Sound as hubs take and give it: audio files become samples, texts become pieces that a hub can speak."""

from __future__ import annotations

import importlib
import io
import json
import logging
import math
import os
import re
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional, Union

import attrs
from attrs import field, frozen

from hivemind_core_client.shell.chunks import RATE, WIDTH
from hivemind_core_client.wire.answer import Answer
from hivemind_core_client.wire.errors import InvalidMessage, InvalidOption, Mend, QueryTimeout
from hivemind_core_client.wire.message import HiveMessage, HiveMessageType
from hivemind_core_client.wire.message import HiveMindBinaryPayloadType as BinType
from hivemind_core_client.wire.sound_errors import NotUnderstood
from hivemind_core_client.wire.text import printable, safe_label

if TYPE_CHECKING:
    pass

log = logging.getLogger(__name__)

#: A path of a WAV file, or what such a file holds.
Audio = Union[str, "os.PathLike[str]", bytes, bytearray, memoryview]

#: More than this a hub does not take in one message, in bytes of samples: five minutes and a half.
MOST_SAMPLES = 10 * 2**20 - 1024
#: No file of that length is larger, whatever its form.
_MOST_FILE = 256 * 2**20
#: Bytes of the widest samples that can be converted.
_WIDEST = 4

#: What a hub is asked for the sound of a text, and what it tells of audio.
SYNTHESIZE = "speak:synth"
TRANSCRIBED = "recognizer_loop:transcribe.response"
NOT_UNDERSTOOD = "recognizer_loop:speech.recognition.unknown"

#: Bytes of JSON text that a piece of speech may have: it comes back in the 255 bytes of a frame's metadata.
_MOST_PIECE = 150
#: Pieces of one text that `hear_answers` has spoken, about ten minutes: each is a message to the hub.
MOST_HEARD = 100
_SENTENCE = re.compile(r"(?<=[.!?…。！？])\s+")  # how Chinese and Japanese sentences end

_CONVERT = Mend("make one that it takes: `ffmpeg -i YOURS -ar 16000 -ac 1 -c:a pcm_s16le question.wav`")
_NO_PLUGIN = "a hub hears and speaks only with a plugin for sound, such as hivemind-audio-binary-protocol"


@frozen
class Speech:
    """One piece of speech that the hub made. `data` is an audio file (mostly WAV) in bytes. `text` is what it says.

    `lang` is its language as the hub names it. `file_name` is what the hub calls it: a label, never a path.
    """

    data: bytes = field(repr=lambda data: f"<{len(data)} bytes>")
    text: str
    lang: str = ""
    file_name: str = ""

    def save(self, path: Union[str, os.PathLike[str]]) -> Path:
        """Write it to a file, and return the path. An older file is replaced. `~` is your home. Raises OSError."""
        target = Path(path).expanduser()
        target.write_bytes(self.data)
        return target


@frozen
class AudioAnswer(Answer):
    """What the hub said to a question in a WAV file. It is an Answer with two more fields.

    `question` is the text that the hub understood. `speech` is the spoken answer, one Speech for each sentence. It is
    empty if nobody asked for speech.
    """

    question: str = ""
    speech: tuple[Speech, ...] = ()

    __str__ = Answer.__str__


def speech_of(message: HiveMessage) -> Speech:
    """The speech in a BINARY message."""
    said = message.metadata
    text, lang, name = (said.get(key) for key in ("utterance", "lang", "file_name"))
    return Speech(
        bytes(message.raw_payload),
        text if isinstance(text, str) else "",
        lang if isinstance(lang, str) else "",
        safe_label(name, ""),
    )


def is_speech(message: HiveMessage) -> bool:
    """Whether a message is speech from the hub."""
    return message.msg_type is HiveMessageType.BINARY and message.bin_type is BinType.TTS_AUDIO


class SpeechWait:
    """Waits for the speech of one text. `other` is the first that the hub speaks meanwhile of another one.

    Dialog transformers of a hub may have changed the text; then that is it.
    """

    def __init__(self, text: str) -> None:
        self.other: Optional[HiveMessage] = None
        self._text = text.strip()

    def matches(self, message: HiveMessage) -> bool:
        """Whether it has come."""
        if not is_speech(message):
            return False
        if str(message.metadata.get("utterance", "")).strip() == self._text:
            return True
        self.other = self.other or message
        return False


def is_transcript(message: HiveMessage) -> bool:
    """Whether a message is the hub's answer to audio that was sent for its text."""
    return message.msg_type is HiveMessageType.BUS and message["type"] in (TRANSCRIBED, NOT_UNDERSTOOD)


def to_transcribe(samples: bytes, lang: Optional[str]) -> HiveMessage:
    """What asks the hub for the text of audio."""
    metadata: dict[str, Any] = {"sample_rate": RATE, "sample_width": WIDTH}
    if lang is not None:
        metadata["lang"] = lang
    return HiveMessage(
        HiveMessageType.BINARY, samples, bin_type=BinType.STT_AUDIO_TRANSCRIBE, metadata=metadata
    )


def to_synthesize(text: str, lang: Optional[str]) -> dict[str, Any]:
    """The fields of the OVOS Message that asks the hub for the sound of a text."""
    data = {"utterance": text} if lang is None else {"utterance": text, "lang": lang}
    return {"type": SYNTHESIZE, "data": data}


def transcript(message: Optional[HiveMessage], seconds: float) -> str:
    """What the hub understood. Raises QueryTimeout where no message came, NotUnderstood where that is nothing."""
    if message is None:
        raise QueryTimeout(f"the hub sent no text for the audio within {seconds:g} s", Mend(_NO_PLUGIN))
    data = message["data"]
    if isinstance(data, dict) and data.get("error"):
        raise NotUnderstood(f"the hub does not take this audio: {printable(str(data['error']), 100)}")
    text = _best(data.get("transcriptions") if isinstance(data, dict) else None)
    if not text:
        raise NotUnderstood("the hub understood nothing in the audio", Mend("speak longer, louder or closer"))
    return text


def _best(transcriptions: Any) -> str:
    """The first of `[[text, confidence], …]`, without the quotes and blanks around it."""
    best = transcriptions[0] if isinstance(transcriptions, list) and transcriptions else ""
    text = best[0] if isinstance(best, list) and best else best
    return text.strip(" '\"\n") if isinstance(text, str) else ""


def audio_answer(answer: Answer, question: str, speech: Iterable[Speech]) -> AudioAnswer:
    """An answer, with what was understood before it and spoken after it."""
    fields = {name.name: getattr(answer, name.name) for name in attrs.fields(Answer)}
    return AudioAnswer(**fields, question=question, speech=tuple(speech))


def no_speech(seconds: float) -> QueryTimeout:
    """The error for speech that did not come."""
    return QueryTimeout(f"the hub sent no speech within {seconds:g} s", Mend(_NO_PLUGIN))


def pieces(text: str) -> list[str]:
    """A text in pieces that a hub can speak: sentences, and parts of those that are too long for a frame."""
    return [piece for sentence in _SENTENCE.split(text.strip()) for piece in _parts(sentence)]


def pieces_to_hear(text: str) -> list[str]:
    """The first `MOST_HEARD` pieces of what the hub said; that there are more is logged."""
    found = pieces(text)
    if len(found) > MOST_HEARD:
        log.warning(
            "the hub said %d sentences at once, and the first %d are spoken; `speak` has them all",
            len(found),
            MOST_HEARD,
        )
    return found[:MOST_HEARD]


def _parts(sentence: str) -> Iterator[str]:
    part = ""
    for word in sentence.split():
        longer = f"{part} {word}".strip()
        if part and len(json.dumps(longer)) > _MOST_PIECE:
            yield part
            longer = word
        part = longer
    if part:
        yield part


def samples_of(audio: Audio) -> bytes:
    """What a hub hears of a WAV file: mono samples of 16 bit at 16,000 Hz, little-endian.

    Raises InvalidOption for a path that cannot be read, InvalidMessage for what is no WAV file, or too long.
    """
    content, name = (
        (bytes(audio), "the audio")
        if isinstance(audio, (bytes, bytearray, memoryview))
        else (_read(audio), repr(printable(os.fspath(audio), 300)))
    )
    import wave  # it takes its time, and most clients need none

    try:
        with wave.open(io.BytesIO(content)) as file:
            form = file.getparams()[:3]
            frames = file.readframes(file.getnframes())
        if form[1] > _WIDEST or not form[2]:
            raise wave.Error(f"samples of {form[1]} bytes, {form[2]} a second")
    except (wave.Error, EOFError, ValueError) as error:
        reason = f" ({error})" if str(error) else ""
        raise InvalidMessage(f"{name} is no WAV file that can be read{reason}", _CONVERT) from error
    # Before it is converted: that may take a thousand times the memory.
    length, most = len(frames) / math.prod(form), MOST_SAMPLES / RATE / WIDTH
    if not frames or length > most:
        raise InvalidMessage(f"{name} has {length:g} s of sound; a hub takes up to {most:.0f} s")
    return frames if form == (1, WIDTH, RATE) else _converted(frames, *form)


def _read(path: Union[str, os.PathLike[str]]) -> bytes:
    try:
        file = Path(path).expanduser()
        if not file.is_file():
            raise FileNotFoundError(0, "there is no such file")
        if file.stat().st_size > _MOST_FILE:
            raise OSError(0, f"it has more than {_MOST_FILE // 2**20} MiB")
        return file.read_bytes()
    except (OSError, ValueError, TypeError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InvalidOption(
            f"cannot read {printable(str(path), 300)!r}: {reason}", Mend("pass the path of a WAV file")
        ) from error


def _converted(frames: bytes, channels: int, width: int, rate: int) -> bytes:
    """Samples of another form, as hubs take them."""
    audioop = _audioop()
    if channels > 2:
        raise InvalidMessage(f"the WAV file has {channels} channels, and may have 2 at most", _CONVERT)
    if width == 1:
        frames = audioop.bias(frames, 1, -128)  # a WAV file has them unsigned
    if channels == 2:
        frames = audioop.tomono(frames, width, 0.5, 0.5)
    frames = audioop.lin2lin(frames, width, WIDTH)
    return bytes(audioop.ratecv(frames, WIDTH, 1, rate, RATE, None)[0])


def _audioop() -> Any:
    """The module of the standard library until Python 3.12, and of audioop-lts from 3.13 on."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            return importlib.import_module("audioop")
    except ImportError as error:
        raise InvalidMessage(
            "hubs hear WAV files of 16,000 Hz, 16 bit and one channel, and this one has another form",
            Mend("run `pip install audioop-lts`, and it is converted"),
            _CONVERT,
        ) from error
