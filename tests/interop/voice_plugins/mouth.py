"""What speaks: the TTS writes the sound of a text."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Optional

from ovos_plugin_manager.templates.tts import TTS

from .sound import wav


class Speaks(TTS):
    """Writes a WAV file that is that of this text and of no other."""

    available_languages = frozenset({"en-US"})

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, audio_ext="wav", **settings)

    def get_tts(
        self, sentence: str, wav_file: str, lang: Optional[str] = None, voice: Optional[str] = None
    ) -> Any:
        Path(wav_file).write_bytes(wav(sentence))
        return wav_file, None
