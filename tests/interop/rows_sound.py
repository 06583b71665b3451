"""Rows about sound: a hub with hivemind-audio-binary-protocol hears what is asked, and a real voice speaks."""

from __future__ import annotations

import io
import threading
import wave
from collections.abc import Iterator

import pytest

from hivemind_client_binary_tts import wav_bytes
from hivemind_core_client.errors import MessageDenied

from . import voice
from .hubs import RealHub
from .rows_binary import Saved
from .satellite import Satellite
from .table import behaviour
from .voice_plugins.sound import RATE, spoken

SOUND = "sound"
SPEAKING = voice.hearing(voice.DROID)

_CHUNK_SECONDS = 0.128
#: What a microphone hears: a question for two seconds, then silence.
_QUESTION_SECONDS, _MOST_SECONDS = 2.0, 15.0


def _frames(content: bytes) -> bytes:
    with wave.open(io.BytesIO(content)) as sound:
        return sound.readframes(sound.getnframes())


@behaviour(
    "`ask_audio` of a WAV file: the hub understands it, answers, and speaks: all samples of its voice arrive",
    SOUND,
    SPEAKING,
    needs="sound",
)
def ask_audio(hub: RealHub, satellite: Satellite) -> None:
    question = f"what does {satellite.name} hear"
    path = satellite.folder("question.wav")
    path.write_bytes(wav_bytes(spoken(question, 2.0), RATE))
    with pytest.raises(MessageDenied, match="hivemind-core allow-msg speak:synth"):
        satellite.sibling().connected().sound.speak("no")
    hub.allow_msg("speak:synth", satellite.node_id)
    saved = Saved(satellite.folder("speech"))
    client = satellite.connected(bin_callbacks=saved.callbacks)
    answer = client.ask_audio(path)
    assert answer.question == question
    assert answer.text == f"you said: {question}"
    expected = voice.beeps(answer.text, hub.spec)
    assert _frames(saved.wait().read_bytes()) == expected
    assert [_frames(speech.data) for speech in answer.speech] == [expected]
    (asked,) = hub.seen("recognizer_loop:utterance")[-1:]
    assert asked["data"]["utterances"] == [question]


@behaviour(
    "a microphone's stream: the hub hears its wake word and the question in it, and what it says comes as speech",
    SOUND,
    SPEAKING,
    needs="sound",
)
def stream(hub: RealHub, satellite: Satellite) -> None:
    hub.allow_msg("speak:synth", satellite.node_id)
    question = f"who streams but {satellite.name}"
    saved = Saved(satellite.folder("speech"))
    client = satellite.connected(bin_callbacks=saved.callbacks)
    client.sound.hear_answers()
    with client.sound.microphone() as microphone:
        for chunk in _microphone(question):
            microphone.put(chunk)
            if saved.files:
                break
    assert saved.files, "no speech came"
    path, said = saved.files[0]
    assert said["utterance"] == f"you said: {question}"
    assert _frames(path.read_bytes()) == voice.beeps(said["utterance"], hub.spec)
    assert microphone.dropped == 0


def _microphone(question: str) -> Iterator[bytes]:
    """Chunks of sound, each after as long as it lasts."""
    size = int(RATE * _CHUNK_SECONDS) * 2
    sound = spoken(question, _QUESTION_SECONDS)
    pace = threading.Event()
    for at in range(0, int(RATE * _MOST_SECONDS) * 2, size):
        pace.wait(_CHUNK_SECONDS)
        yield sound[at : at + size].ljust(size, b"\0")
