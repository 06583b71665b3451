"""What a user overrides to get binary data."""

from __future__ import annotations

import logging
import time
from typing import Optional

from hivemind_core_client.wire.log_lines import LogLines

log = logging.getLogger(__name__)


class BinaryDataCallbacks:
    """One method for each type of binary data. Override those that you want.

    `bin_data` is the payload in bytes. `file_name` is a label without directories, never a path. It may be empty.
    `sample_rate` is in Hz and `sample_width` in bytes. A value that the hub did not give is None.
    """

    def handle_receive_tts(
        self, bin_data: bytes, utterance: Optional[str], lang: Optional[str], file_name: str
    ) -> None:
        """Synthesized speech: an audio file that says `utterance`."""
        expected = self.__dict__.get("_expected", 0)
        self.__dict__["_expected"] = max(0, expected - 1)
        if not expected:  # else whoever asked for it has it
            self._ignored("TTS audio", bin_data)

    def handle_receive_file(self, bin_data: bytes, file_name: str) -> None:
        """A file."""
        self._ignored("a file", bin_data)

    def handle_receive_raw_audio(
        self, bin_data: bytes, sample_rate: Optional[int], sample_width: Optional[int], lang: Optional[str]
    ) -> None:
        """Raw audio samples."""
        self._ignored("raw audio", bin_data)

    def handle_receive_stt_transcribe(
        self, bin_data: bytes, sample_rate: Optional[int], sample_width: Optional[int], lang: Optional[str]
    ) -> None:
        """Audio that somebody wants as text."""
        self._ignored("audio to transcribe", bin_data)

    def handle_receive_stt_handle(
        self, bin_data: bytes, sample_rate: Optional[int], sample_width: Optional[int], lang: Optional[str]
    ) -> None:
        """Audio of an utterance that somebody wants handled."""
        self._ignored("audio to handle", bin_data)

    def handle_receive_image(self, bin_data: bytes, camera_id: Optional[str]) -> None:
        """A NumPy image."""
        self._ignored("an image", bin_data)

    def handle_receive_undefined(self, bin_data: bytes) -> None:
        """Bytes of a kind that the sender did not name."""
        self._ignored("untyped data", bin_data)

    def _ignored(self, what: str, data: bytes) -> None:
        lines = self.__dict__.setdefault("_lines", LogLines())  # whose subclasses need not call a constructor
        text = "ignored %s of %d bytes: the bin_callbacks in use do not take it"
        lines.write(time.monotonic(), log.warning, text, what, len(data), kind=what)


def expect_speech(callbacks: object) -> None:
    """One piece of speech will come that somebody waits for: who takes none of it need not be told of it."""
    if isinstance(callbacks, BinaryDataCallbacks):  # its subclasses need not call a constructor
        callbacks.__dict__["_expected"] = callbacks.__dict__.get("_expected", 0) + 1
