"""Hubs that hear and speak: what they are started with, and what their voice says."""

from __future__ import annotations

import json
import wave
from collections.abc import Iterator
from pathlib import Path

from .hubs import BinaryProtocol, HubOptions
from .packages import Package
from .specs import HubSpec, beside

#: The plugins that stand for microphone, voice activity detection, wake word, STT and TTS, by their names.
MIC, VAD, WAKE_WORD, STT, TTS = "test-mic", "test-vad", "test-wake-word", "test-stt", "test-tts"
#: A voice of the package index, which speaks in the beeps of a droid: a sound for each letter.
DROID = "ovos-tts-plugin-beepspeak"
FOLDER = Path(__file__).with_name("voice_plugins")
PACKAGE = Package(
    FOLDER,
    f"""\
[opm.microphone]
{MIC} = voice_plugins.ears:OneQuestion
[opm.VAD]
{VAD} = voice_plugins.ears:Voice
[opm.wake_word]
{WAKE_WORD} = voice_plugins.ears:AnySound
[opm.stt]
{STT} = voice_plugins.ears:Understands
[opm.tts]
{TTS} = voice_plugins.mouth:Speaks
""",
)
WORD = "any_sound"
HOTWORDS = {WORD: {"module": WAKE_WORD, "active": True}}
LISTENER = "ovos-simple-listener==0.3.3a2"

_HUB_PLUGIN = "hivemind-audio-binary-protocol-plugin"
_NAME = "voice"
_REQUIREMENTS = (
    "hivemind-audio-binary-protocol==2.2.2a1",
    f"{DROID}==0.1.1a1",
    LISTENER,
    "SpeechRecognition==3.17.0",
    # What the one above lacks from Python 3.13 on.
    "audioop-lts; python_version >= '3.13'",
    "standard-aifc; python_version >= '3.13'",
    "standard-chunk; python_version >= '3.13'",
)


def hearing(voice: str) -> HubOptions:
    """A hub that hears, and speaks with this voice, for its satellites."""
    settings = {
        "stt": {"module": STT},
        "tts": {"module": voice},
        "vad": {"module": VAD},
        "wake_word": WORD,
        "hotwords": HOTWORDS,
    }
    return HubOptions(
        binary=BinaryProtocol(
            name=_NAME,
            module=_HUB_PLUGIN,
            settings=json.dumps(settings),
            package=PACKAGE,
            requirements=_REQUIREMENTS,
            programs=Path(__file__).with_name("voice_programs"),
        )
    )


def beeps(text: str, spec: HubSpec) -> bytes:
    """The frames in which the droid says a text, read from its sounds as they are installed beside a hub."""
    sounds = beside(spec, _NAME, _REQUIREMENTS) / "ovos_tts_plugin_beepspeak" / "res" / "droid"
    return b"".join(_frames(path) for path in _files(text, sounds))


def _files(text: str, sounds: Path) -> Iterator[Path]:
    for letter in text.upper():
        path = sounds / ("silence01.wav" if letter == " " else f"{letter}_beep.wav")
        if path.exists():
            yield path


def _frames(path: Path) -> bytes:
    with wave.open(str(path)) as sound:
        return sound.readframes(sound.getnframes())
