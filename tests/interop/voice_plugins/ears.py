"""What listens: somebody asks the microphone a question once, and the others hear it."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any, Optional

from ovos_plugin_manager.templates.hotwords import HotWordEngine
from ovos_plugin_manager.templates.microphone import Microphone
from ovos_plugin_manager.templates.stt import STT
from ovos_plugin_manager.templates.vad import VADEngine

from .sound import heard, spoken

_QUESTION_SECONDS = 2.0


def _is_silence(chunk: bytes) -> bool:
    return not any(chunk)


@dataclass
class OneQuestion(Microphone):
    """Gives `question` for two seconds, then silence, each chunk after as long as it lasts."""

    question: str = ""
    _stopped: threading.Event = field(default_factory=threading.Event)
    _at: int = 0

    def start(self) -> None:
        self._stopped.clear()

    def read_chunk(self) -> Optional[bytes]:
        self._stopped.wait(self.seconds_per_chunk)
        chunk = spoken(self.question, _QUESTION_SECONDS)[self._at : self._at + self.chunk_size]
        self._at += len(chunk)
        return chunk.ljust(self.chunk_size, b"\0")

    def stop(self) -> None:
        self._stopped.set()


class Voice(VADEngine):
    """Takes what is not silent for a voice."""

    def is_silence(self, chunk: bytes) -> bool:
        return _is_silence(chunk)


class AnySound(HotWordEngine):
    """Is found in the first sound after a silence."""

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self._was_silent, self._found = True, False

    def update(self, chunk: bytes) -> None:
        silent = _is_silence(chunk)
        # It may be fed more chunks before it is asked.
        self._found = self._found or (self._was_silent and not silent)
        self._was_silent = silent

    def found_wake_word(self) -> bool:
        found, self._found = self._found, False
        return found


class Understands(STT):
    """Understands what the microphone said."""

    available_languages = frozenset({"en-US"})

    def execute(self, audio: Any, language: Optional[str] = None) -> str:
        return heard(audio.frame_data)
