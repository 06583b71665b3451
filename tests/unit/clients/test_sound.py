"""Sound at a hub that hears and speaks: what is asked, what is answered, and a microphone's stream."""

from __future__ import annotations

import io
import logging
import struct
import sys
import threading
import wave
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Optional

import pytest
from ovos_bus_client.message import Message

from hivemind_core_client import BinaryDataCallbacks, HiveMessageBusClient, HiveMindBinaryPayloadType
from hivemind_core_client.errors import (
    ClientClosed,
    HubConnectionError,
    InvalidMessage,
    InvalidOption,
    NotUnderstood,
    QueryTimeout,
)
from hivemind_core_client.testing import EmbeddedHub
from tests.unit.client_support import PATIENCE, Make, until
from tests.unit.support import PASSWORD

#: Over HTTP only protocol version 3 has messages that are binary, and Python 3.9 has no version 3.
HAS_NOISE = sys.version_info >= (3, 10)
pytestmark = [] if HAS_NOISE else [pytest.mark.otherwise("http", why="binary messages need version 3 there")]
NEWEST: dict[str, Any] = {"versions": (3, 3)} if HAS_NOISE else {}

RATE = 16_000


def sound(text: str) -> bytes:
    """Samples that these tests' hub hears a text in."""
    return text.encode("utf-16-le")


def wav(samples: bytes, rate: int = RATE, width: int = 2, channels: int = 1) -> bytes:
    content = io.BytesIO()
    with wave.open(content, "wb") as file:
        file.setparams((channels, width, rate, 0, "NONE", ""))
        file.writeframes(samples)
    return content.getvalue()


def with_form(file: bytes, rate: int = RATE, bits: int = 16) -> bytes:
    """A WAV file whose header says something else, which no library writes."""
    form = struct.pack("<IIHH", rate, rate * bits // 8, bits // 8, bits)
    return file[:24] + form + file[36:]


class Speech(BinaryDataCallbacks):
    """What came as speech."""

    def __init__(self) -> None:
        self.heard: list[tuple[bytes, Optional[str]]] = []

    def handle_receive_tts(
        self, bin_data: bytes, utterance: Optional[str], lang: Optional[str], file_name: str
    ) -> None:
        self.heard.append((bin_data, utterance))


@pytest.fixture
def hub() -> Any:
    hears: dict[str, Any] = {
        "ears": lambda samples: samples.decode("utf-16-le"),
        "voice": lambda text: wav(sound(text)),
    }
    with EmbeddedHub({"k": PASSWORD}, **hears, **NEWEST) as hub:
        yield hub


@pytest.fixture
def speech() -> Speech:
    return Speech()


@pytest.fixture
def client(hub: EmbeddedHub, make: Make, speech: Speech) -> Any:
    with make(hub, bin_callbacks=speech) as connected:
        yield connected


def test_a_question_in_a_file_is_answered_as_text_and_as_speech(
    client: HiveMessageBusClient, speech: Speech, tmp_path: Path
) -> None:
    path = tmp_path / "question.wav"
    path.write_bytes(wav(sound("what time is it")))
    answer = client.ask_audio(path, "en-US", PATIENCE)
    assert answer.question == "what time is it"
    assert answer.text == str(answer) == "you said: what time is it"
    assert [message.msg_type for message in answer.messages] == ["speak"]
    (said,) = answer.speech
    assert (said.text, said.data) == (answer.text, wav(sound(answer.text)))
    assert said.save(tmp_path / "answer.wav").read_bytes() == said.data
    assert repr(said).count("<") == 1
    assert until(lambda: speech.heard == [(said.data, said.text)])


def test_an_answer_without_speech(client: HiveMessageBusClient, speech: Speech) -> None:
    answer = client.ask_audio(wav(sound("hello")), timeout=PATIENCE, speech=False)
    assert answer.text == "you said: hello"
    assert answer.speech == ()
    assert speech.heard == []


@pytest.mark.parametrize(
    ("audio", "seconds"),
    [
        (wav(b"\1\2\3\4" * 8000, rate=8000), 2.0),
        (wav(b"\1\2\3\4" * 44100, rate=44100, channels=2), 1.0),
        (wav(b"\x81" * RATE, width=1), 1.0),
        (wav(b"\1\2\3" * RATE, width=3), 1.0),
        (wav(b"\1\2\3\4" * RATE, width=4), 1.0),
    ],
)
def test_other_forms_are_converted(make: Make, audio: bytes, seconds: float) -> None:
    heard: list[bytes] = []

    def ears(samples: bytes) -> str:
        heard.append(samples)
        return "yes"

    with EmbeddedHub({"k": PASSWORD}, ears=ears, **NEWEST) as hub, make(hub) as client:
        assert client.sound.transcribe(audio, timeout=PATIENCE) == "yes"
    assert len(heard[0]) / RATE / 2 == pytest.approx(seconds, abs=0.01)


def test_each_gets_the_text_of_his_own_audio(client: HiveMessageBusClient) -> None:
    texts = [f"question {number}" for number in range(8)]
    with ThreadPoolExecutor(8) as threads:
        heard = threads.map(lambda text: client.sound.transcribe(wav(sound(text)), None, PATIENCE), texts)
        assert list(heard) == texts


@pytest.mark.parametrize(
    ("audio", "error", "text"),
    [
        (
            "/nowhere/question.wav",
            InvalidOption,
            "cannot read '/nowhere/question.wav': there is no such file",
        ),
        ("/dev/null", InvalidOption, "there is no such file"),
        (b"no sound", InvalidMessage, "the audio is no WAV file.*ffmpeg -i YOURS -ar 16000 -ac 1"),
        (wav(b""), InvalidMessage, "has 0 s of sound"),
        (wav(bytes(12 * 2**20)), InvalidMessage, "has 393.216 s of sound; a hub takes up to 328 s"),
        (wav(bytes(30), channels=3), InvalidMessage, "3 channels"),
        (wav(bytes(2 * 10**6), rate=1), InvalidMessage, r"has 1e\+06 s of sound"),
        (with_form(wav(bytes(32)), rate=0), InvalidMessage, "no WAV file.*samples of 2 bytes, 0 a second"),
        (with_form(wav(bytes(40)), bits=40), InvalidMessage, "no WAV file.*samples of 5 bytes, 16000 a"),
    ],
)
def test_what_is_no_sound_is_told_before_it_is_sent(
    client: HiveMessageBusClient, audio: Any, error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=text):
        client.ask_audio(audio)


def test_noise_is_not_understood(make: Make) -> None:
    with (
        EmbeddedHub({"k": PASSWORD}, ears=lambda samples: "", **NEWEST) as hub,
        make(hub) as client,
        pytest.raises(NotUnderstood, match="understood nothing in the audio"),
    ):
        client.ask_audio(wav(sound("hm")), timeout=PATIENCE)


def test_a_hub_without_ears_or_voice_is_waited_for_in_vain(make: Make) -> None:
    with EmbeddedHub({"k": PASSWORD}, **NEWEST) as hub, make(hub) as client:
        with pytest.raises(QueryTimeout, match=r"no text for the audio within 0\.2 s.*hivemind-audio-binary"):
            client.sound.transcribe(wav(sound("hello")), timeout=0.2)
        with pytest.raises(QueryTimeout, match=r"no speech within 0\.2 s"):
            client.sound.speak("hello", timeout=0.2)


@pytest.mark.parametrize("verb", ["transcribe", "speak"])
def test_the_end_of_the_connection_is_told_at_once_and_as_that(make: Make, verb: str) -> None:
    with EmbeddedHub({"k": PASSWORD}, **NEWEST) as hub, make(hub) as client, ThreadPoolExecutor(1) as threads:
        what = wav(sound("hello")) if verb == "transcribe" else "hello"
        waiting = threads.submit(getattr(client.sound, verb), what, timeout=PATIENCE)
        hub.wait_for("bin" if verb == "transcribe" else "bus")
        hub.drop()
        with pytest.raises(HubConnectionError):
            waiting.result(PATIENCE)


def test_a_long_text_is_spoken_in_pieces_that_fit_a_frame(client: HiveMessageBusClient) -> None:
    text = "One is short. " + " ".join(f"word{number}" for number in range(80)) + "! Schön, nicht wahr? Ja."
    spoken = client.sound.speak(text, "de-DE", PATIENCE)
    assert " ".join(piece.text for piece in spoken) == text
    assert [piece.text for piece in spoken[:1] + spoken[-2:]] == [
        "One is short.",
        "Schön, nicht wahr?",
        "Ja.",
    ]
    assert all(piece.lang == "de-DE" for piece in spoken)
    assert client.sound.speak(" \n") == []


def test_speech_of_a_text_that_the_hub_has_changed_is_taken(make: Make) -> None:
    with EmbeddedHub({"k": PASSWORD}, **NEWEST) as hub, make(hub) as client, ThreadPoolExecutor(1) as threads:
        speaking = threads.submit(client.sound.speak, "hello", None, 1.0)
        hub.wait_for("bus")
        hub.send_tts(b"RIFF", "ahoy")
        (spoken,) = speaking.result(PATIENCE)
    assert (spoken.text, spoken.data) == ("ahoy", b"RIFF")


def test_what_converts_audio_is_named_where_it_is_missing(
    client: HiveMessageBusClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "audioop", None)
    with pytest.raises(InvalidMessage, match=r"another form.*pip install audioop-lts.*ffmpeg"):
        client.sound.transcribe(wav(bytes(100), rate=8000))


def test_all_that_the_hub_says_is_heard_once_that_is_wished(
    hub: EmbeddedHub, client: HiveMessageBusClient, speech: Speech
) -> None:
    for _ in range(2):
        client.sound.hear_answers()
    hub.broadcast(Message("speak", {"utterance": "Dinner is ready. Come!", "lang": "en-US"}))
    assert until(lambda: len(speech.heard) == 2)
    assert [text for _, text in speech.heard] == ["Dinner is ready.", "Come!"]
    answer = client.ask_audio(wav(sound("hello")), timeout=PATIENCE)
    assert answer.speech == ()
    assert until(lambda: len(speech.heard) == 3)
    client.sound.hear_answers(False)
    assert client.ask("again", timeout=PATIENCE).text == "you said: again"
    assert len(speech.heard) == 3


def test_a_text_without_end_is_not_spoken_whole(
    hub: EmbeddedHub,
    client: HiveMessageBusClient,
    speech: Speech,
    caplog: pytest.LogCaptureFixture,
) -> None:
    client.sound.hear_answers()
    hub.broadcast(Message("speak", {"utterance": "No. " * 103}))
    assert until(lambda: len(speech.heard) >= 100)
    client.ask("Is that all?", timeout=PATIENCE)
    assert [text for _, text in speech.heard].count("No.") == 100
    assert "said 103 sentences at once, and the first 100 are spoken" in caplog.text


def test_what_the_hub_says_by_both_names_is_spoken_once(
    hub: EmbeddedHub, client: HiveMessageBusClient, speech: Speech
) -> None:
    client.sound.hear_answers()
    for name, text in (
        ("ovos.utterance.speak", "One."),
        ("speak", "One."),
        ("speak", "Two."),
        ("speak", "Two."),
    ):
        hub.broadcast(Message(name, {"utterance": text}))
    hub.broadcast(Message("speak", {"utterance": "Three."}))
    assert until(lambda: len(speech.heard) >= 4 and "Three." in [text for _, text in speech.heard])
    assert sorted(str(text) for _, text in speech.heard) == ["One.", "Three.", "Two.", "Two."]


def test_speech_that_nobody_asked_for_is_told_of_and_no_other(
    hub: EmbeddedHub, make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    with make(hub) as client, caplog.at_level(logging.WARNING):
        assert client.sound.speak("hello", timeout=PATIENCE)[0].text == "hello"
        hub.send_tts(b"RIFF", "by itself")
        assert until(lambda: "ignored TTS audio of 4 bytes" in caplog.text)
    assert caplog.text.count("ignored") == 1


def test_a_microphone_sends_all_in_order_and_at_its_end_what_waits(
    hub: EmbeddedHub, client: HiveMessageBusClient
) -> None:
    content = bytes(range(256)) * 100
    with client.sound.microphone("en-US") as microphone:
        microphone.stream([content[:10_000], content[10_000:]])
        assert microphone.put(b"")
    assert (microphone.sent, microphone.waiting, microphone.dropped) == (len(content), 0, 0)
    assert until(lambda: b"".join(each.payload for each in hub.wait_for("bin")) == content)
    first = hub.wait_for("bin")[0]
    assert first.bin_type is HiveMindBinaryPayloadType.RAW_AUDIO
    assert first.metadata == {"sample_rate": RATE, "sample_width": 2, "lang": "en-US"}
    with pytest.raises(ClientClosed):
        microphone.put(b"\0\0")


def test_a_microphone_takes_samples_only(client: HiveMessageBusClient) -> None:
    with client.sound.microphone() as microphone:
        with pytest.raises(InvalidMessage, match="3 bytes, and a sample 2"):
            microphone.put(b"abc")
        with pytest.raises(InvalidMessage, match="a chunk is a str"):
            microphone.write("abc")  # type: ignore[arg-type]
    with pytest.raises(InvalidOption, match="4096 bytes or more"):
        client.sound.microphone(max_bytes=100)


@pytest.mark.otherwise("http", why="its hub is stopped another way")
def test_what_the_hub_does_not_take_is_bounded_and_told(
    stuck: tuple[HiveMessageBusClient, EmbeddedHub, threading.Event],
) -> None:
    client, _, flow = stuck
    told: list[int] = []
    chunk, most = bytes(4096), 64 * 4096
    with client.sound.microphone(max_bytes=most, on_drop=told.append) as microphone:
        count = 0
        while len(told) < 2:
            before = len(told)
            assert microphone.put(chunk) is (len(told) == before)
            count += 1
            assert microphone.waiting <= most
            assert count < 100_000
        assert microphone.dropped == sum(told) > 0
        flow.set()
    assert microphone.sent + microphone.dropped == count * len(chunk)


def test_writing_waits_for_room_until_the_microphone_ends(hub: EmbeddedHub, make: Make) -> None:
    with make(hub) as client:
        microphone = client.sound.microphone(max_bytes=8192)
        assert microphone.put(bytes(8192))
        with ThreadPoolExecutor(1) as threads:
            writing = threads.submit(microphone.write, bytes(4096))
            with microphone:
                writing.result(PATIENCE)
        assert (microphone.sent, microphone.dropped) == (12288, 0)


def test_a_microphone_ends_with_its_client(hub: EmbeddedHub, make: Make) -> None:
    with make(hub) as client:
        microphone = client.sound.microphone()
        with microphone:
            client.close()
            microphone.put(bytes(4096))
            assert until(lambda: microphone.dropped == 4096)
            with pytest.raises(ClientClosed):
                microphone.write(bytes(4096))


def test_an_on_drop_that_raises_harms_nothing(client: HiveMessageBusClient) -> None:
    microphone = client.sound.microphone(max_bytes=4096, on_drop=lambda size: 1 / 0)
    assert microphone.put(bytes(4096))
    assert not microphone.put(bytes(4096))
    assert (microphone.waiting, microphone.dropped) == (4096, 4096)
