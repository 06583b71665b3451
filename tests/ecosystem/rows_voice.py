"""Programs that listen to a microphone and speak: no sound device, no model, and each sound tells its text."""

from __future__ import annotations

import json
from hashlib import md5
from pathlib import Path

from tests.interop import voice
from tests.interop.hubs import Json, RealHub
from tests.interop.processes import Process
from tests.interop.voice_plugins.player import PARTIAL
from tests.interop.voice_plugins.sound import heard

from .environments import OVOS, EnvironmentSpec
from .running import Run
from .table import program

#: What a satellite with ears of its own calls what it understood.
_HANDLE = "ovos.utterance.handle"
SITE = "kitchen"
#: Two seconds of speech, some of silence, and the time that the slowest takes to start.
_SPOKEN_SECONDS = 60.0

#: A hub that hears and speaks for its satellites.
HEARING = voice.hearing(voice.TTS)

_SHARED = (
    *(requirement for requirement in OVOS if not requirement.startswith("ovos-config")),
    "click==8.5.1",
    "ovos-dinkum-listener==0.11.3a1",
    "ovos-plugin-manager==2.12.5a1",
    "pexpect==4.9.0",
    "pybase64==1.5.1",
    # hivemind-ggwave imports distutils, which Python 3.12 has no more.
    "setuptools<81",
    voice.LISTENER,
)
#: Their plugins for real microphones, STT and TTS are left out: those of the tests stand in their place.
_SATELLITES = ("hivemind-ggwave==0.0.3a3", "hivemind-voice-relay==1.4.1a1", "HiveMind-voice-sat==2.2.7a1")
AUDIO_1 = EnvironmentSpec(
    "voice-ovos-audio-1",
    (*_SHARED, "ovos-audio==1.3.0a1", "ovos-config==2.3.11a2"),
    ("hivemind-mic-satellite==0.10.3a1", *_SATELLITES),
)
AUDIO_2 = EnvironmentSpec(
    "voice-ovos-audio-2", (*_SHARED, "ovos-audio==2.2.9a1", "ovos-config==3.9.0a1"), _SATELLITES
)


class Speaker:
    """A satellite at work: `question` is what its microphone hears."""

    def __init__(self, run: Run, **settings: str) -> None:
        self.question = f"what does {run.name} hear"
        self._run = run
        self._played = run.home / "played"
        self._played.mkdir()
        run.env["PYTHONPATH"] = str(voice.PACKAGE.write(run.home / "plugins"))
        config = Path(run.env["XDG_CONFIG_HOME"]) / "mycroft" / "mycroft.conf"
        config.parent.mkdir(parents=True, exist_ok=True)
        config.write_text(json.dumps({**self._settings(), **settings}), encoding="utf-8")

    def allow(self, *types: str) -> None:
        """Let it send messages of these types."""
        for msg_type in types:
            self._run.hub.allow_msg(msg_type, self._run.node_id)

    def start(self, command: str) -> Process:
        """Start it with its credentials as options."""
        return self._run.start(
            command,
            *("--host", self._run.host, "--port", str(self._run.port), "--siteid", SITE),
            *("--key", self._run.key, "--password", self._run.password),
        )

    def says(self, process: Process, text: str) -> None:
        """Wait until the satellite has played a sound with this text. Raises HarnessError if it does not."""
        # What comes from the hub they keep here, wherever their other files are.
        kept = Path("/tmp", f"{md5(text.encode(), usedforsecurity=False).hexdigest()}.wav")
        try:
            process.wait_for(lambda: text in self._texts(), _SPOKEN_SECONDS, f"sound that says {text!r}")
        finally:
            kept.unlink(missing_ok=True)

    def _texts(self) -> list[str]:
        sounds = [path for path in self._played.iterdir() if not path.name.startswith(PARTIAL)]
        return [heard(path.read_bytes()) for path in sounds]

    def _settings(self) -> Json:
        python, player = self._run.venv.command("python"), voice.FOLDER / "player.py"
        unused = ("hey_mycroft", "stop_recording", "wake_up")
        return {
            "play_wav_cmdline": f"{python} {player} {self._played} %1",
            "confirm_listening": False,
            "stt": {"module": voice.STT, "fallback_module": ""},
            "tts": {"module": voice.TTS, "fallback_module": ""},
            "listener": {
                "microphone": {"module": voice.MIC, voice.MIC: {"question": self.question}},
                "VAD": {"module": voice.VAD},
                "wake_word": voice.WORD,
            },
            "hotwords": {**voice.HOTWORDS, **{word: {"active": False} for word in unused}},
        }


@program(
    "hivemind-mic-satellite",
    "0.10.3a1",
    "with the identity that `hivemind-client --app` stored: the hub hears the microphone, and its answer is played, "
    "all of it as BINARY",
    AUDIO_1,
    options=HEARING,
)
def mic_satellite(hub: RealHub, run: Run) -> None:
    run.set_identity(app="mic-satellite")
    speaker = Speaker(run)
    speaker.allow("speak:synth")
    process = run.start("hivemind-mic-sat")
    speaker.says(process, f"you said: {speaker.question}")
    run.arrived(speaker.question)


def _voice_relay(run: Run, transport: str, *allowed: str) -> None:
    speaker = Speaker(run, stt_transport=transport, tts_transport=transport)
    speaker.allow(*allowed)
    process = speaker.start("hivemind-voice-relay")
    speaker.says(process, f"you said: {speaker.question}")
    assert run.arrived(speaker.question)["context"]["session"]["site_id"] == SITE


@program(
    "hivemind-voice-relay",
    "1.4.1a1, ovos-audio 1.3.0a1",
    "the hub understands the recording and makes the sound of its answer: both in messages, as base64",
    AUDIO_1,
    options=HEARING,
)
def voice_relay_audio_1(hub: RealHub, run: Run) -> None:
    _voice_relay(run, "b64", "recognizer_loop:b64_transcribe", "speak:b64_audio")


@program(
    "hivemind-voice-relay",
    "1.4.1a1, ovos-audio 2.2.9a1",
    "the hub understands the recording and makes the sound of its answer: both in messages, as base64",
    AUDIO_2,
    options=HEARING,
)
def voice_relay_audio_2(hub: RealHub, run: Run) -> None:
    _voice_relay(run, "b64", "recognizer_loop:b64_transcribe", "speak:b64_audio")


@program(
    "hivemind-voice-relay",
    "1.4.1a1, ovos-audio 2.2.9a1",
    "the hub understands the recording and makes the sound of its answer: both as BINARY",
    AUDIO_2,
    options=HEARING,
)
def voice_relay_binary(hub: RealHub, run: Run) -> None:
    _voice_relay(run, "binary", "speak:synth")


def _voice_sat(run: Run) -> None:
    speaker = Speaker(run)
    speaker.allow(_HANDLE)
    process = speaker.start("hivemind-voice-sat")
    speaker.says(process, f"you said: {speaker.question}")
    message = run.arrived(speaker.question, _HANDLE)
    assert message["context"]["session"]["site_id"] == SITE


@program(
    "HiveMind-voice-sat",
    "2.2.7a1, ovos-audio 1.3.0a1",
    "it understands the question itself, and speaks the answer itself",
    AUDIO_1,
)
def voice_sat_audio_1(hub: RealHub, run: Run) -> None:
    _voice_sat(run)


@program(
    "HiveMind-voice-sat",
    "2.2.7a1, ovos-audio 2.2.9a1",
    "it understands the question itself, and speaks the answer itself",
    AUDIO_2,
)
def voice_sat_audio_2(hub: RealHub, run: Run) -> None:
    _voice_sat(run)
