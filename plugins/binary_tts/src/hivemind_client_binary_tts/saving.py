"""SavingCallbacks: what a hub sends becomes files in a folder of the user's."""

from __future__ import annotations

import logging
import os
import threading
from pathlib import Path
from typing import Any, Callable, Optional, Union

from hivemind_client_binary_tts import wav
from hivemind_client_binary_tts.folder import Folder
from hivemind_client_binary_tts.ledger import Ledger
from hivemind_client_binary_tts.names import as_said, name_for
from hivemind_client_binary_tts.player import Player, PlayFunction
from hivemind_core_client.errors import InvalidOption, Mend, UsageError
from hivemind_core_client.message import AnyBinaryType
from hivemind_core_client.message import HiveMindBinaryPayloadType as BinType
from hivemind_core_client.shell.callbacks import BinaryDataCallbacks
from hivemind_core_client.wire.json_text import Json
from hivemind_core_client.wire.text import printable, safe_label

log = logging.getLogger(__name__)

OnSaved = Callable[[Path, BinType, Json], object]

#: What is saved under its kind where its own name is missing or unsafe.
UNNAMED: dict[AnyBinaryType, str] = {
    BinType.TTS_AUDIO: "speech",
    BinType.FILE: "file",
    BinType.RAW_AUDIO: "audio.wav",
    BinType.STT_AUDIO_TRANSCRIBE: "transcribe.wav",
    BinType.STT_AUDIO_HANDLE: "utterance.wav",
}


class SavingCallbacks(BinaryDataCallbacks):
    """Saves speech and files in `directory`. Names are made safe, and no file is ever overwritten.

    If `directory` is missing, it is made with mode 0700. `~` is your home. Files have mode 0600. If a name is taken,
    the new file gets a number (`hello-2.wav`). Nobody can read a file that is only half written.

    `player` is a Player, or a function that takes a path and returns when it was played. None plays nothing.

    `on_saved(path, kind, metadata)` is called after each file with a `Path`, a HiveMindBinaryPayloadType, and a dict of
    what the hub said. The dict has two forms of the name: `file_name` is safe. `file_name_as_said` is only made
    printable: never use it as a path.

    With `save_raw_audio` raw audio is saved too. Each message becomes its own WAV file.

    `max_files` (default 1000) and `max_bytes` (default 512 MiB) limit what this class saved in the directory, in
    earlier runs too. None means no limit. To make room, the oldest speech and audio are removed. What the hub
    sends as a file is never removed. If there is still no room, the new one is refused with a warning. Other files in
    the directory do not count, and are not touched.

    Raises InvalidOption if the directory cannot be written in, a limit is below 1, or `player` is something else.
    """

    def __init__(
        self,
        directory: Union[str, os.PathLike[str]],
        player: Union[Player, PlayFunction, None] = None,
        on_saved: Optional[OnSaved] = None,
        *,
        max_files: Optional[int] = 1000,
        max_bytes: Optional[int] = 512 * 2**20,
        save_raw_audio: bool = False,
    ) -> None:
        for name, bound in (("max_files", max_files), ("max_bytes", max_bytes)):
            if bound is not None and (type(bound) is not int or bound < 1):
                raise InvalidOption(
                    f"{name} is {bound!r}; it is a whole number above 0, or None for no bound"
                )
        self._folder = Folder(directory)
        self._ledger = Ledger(self._folder.path)
        self._player = _as_player(player)
        self._on_saved = on_saved
        self._max_files = max_files
        self._max_bytes = max_bytes
        self._save_raw_audio = save_raw_audio
        self._lock = threading.Lock()

    @property
    def directory(self) -> Path:
        """Where files are saved: an absolute path."""
        return self._folder.path

    @property
    def player(self) -> Optional[Player]:
        """What plays speech, or None."""
        return self._player

    def handle_receive_tts(
        self, bin_data: bytes, utterance: Optional[str], lang: Optional[str], file_name: Optional[str]
    ) -> None:
        """Save speech, and play it if there is a player."""
        metadata = {"utterance": utterance, "lang": lang, **_names(file_name)}
        path = self.save(bin_data, file_name, BinType.TTS_AUDIO)
        if path is not None:
            if self._player is not None:
                self._player.play(path)
            self._tell(path, BinType.TTS_AUDIO, metadata)

    def handle_receive_file(self, bin_data: bytes, file_name: Optional[str]) -> None:
        """Save a file."""
        path = self.save(bin_data, file_name, BinType.FILE)
        if path is not None:
            self._tell(path, BinType.FILE, _names(file_name))

    def handle_receive_raw_audio(
        self, bin_data: bytes, sample_rate: Optional[int], sample_width: Optional[int], lang: Optional[str]
    ) -> None:
        """Save raw audio as a WAV file, if that is wanted."""
        self._audio(BinType.RAW_AUDIO, bin_data, sample_rate, sample_width, lang)

    def handle_receive_stt_transcribe(
        self, bin_data: bytes, sample_rate: Optional[int], sample_width: Optional[int], lang: Optional[str]
    ) -> None:
        """Save audio that somebody wants as text as a WAV file, if that is wanted."""
        self._audio(BinType.STT_AUDIO_TRANSCRIBE, bin_data, sample_rate, sample_width, lang)

    def handle_receive_stt_handle(
        self, bin_data: bytes, sample_rate: Optional[int], sample_width: Optional[int], lang: Optional[str]
    ) -> None:
        """Save the audio of an utterance as a WAV file, if that is wanted."""
        self._audio(BinType.STT_AUDIO_HANDLE, bin_data, sample_rate, sample_width, lang)

    def save(self, data: bytes, file_name: Any, kind: AnyBinaryType) -> Optional[Path]:
        """Save `data` under a safe form of `file_name`. Returns the path, or None if it was refused.

        A refusal is logged. A name that had to be changed is logged once. You may call this from any thread.
        """
        name: str = name_for(file_name, UNNAMED.get(kind, "file"))
        if kind is BinType.TTS_AUDIO and "." not in name:
            name += wav.audio_suffix(data)
        with self._lock:
            try:
                return self._add(name, data, kind)
            except OSError as error:
                log.warning("%s was not saved in %s: %s", name, self.directory, error.strerror or error)
                return None

    def close(self) -> None:
        """Stop playing. Nothing else has to be closed."""
        if self._player is not None:
            self._player.stop()

    def _add(self, name: str, data: bytes, kind: AnyBinaryType) -> Optional[Path]:
        if not self._make_room(len(data)):
            log.warning(
                "%s (%d bytes) was not saved: %s may hold %s files and %s bytes of the hub's. Remove some, or raise "
                "max_files or max_bytes",
                name,
                len(data),
                self.directory,
                self._max_files or "any number of",
                self._max_bytes or "any number of",
            )
            return None
        path = self._folder.add(name, data, durable=kind is BinType.FILE)
        self._ledger.add(path, kind)
        return path

    def _make_room(self, size: int) -> bool:
        """Remove as much of the oldest speech as one more file of `size` bytes needs; False if that is not enough."""
        entries = self._ledger.present()
        files, used = len(entries) + 1, sum(entry.size for entry in entries) + size
        leaving = []
        for entry in entries:
            if self._fits(files, used):
                break
            if entry.kind != BinType.FILE:
                leaving.append(entry)
                files, used = files - 1, used - entry.size
        if not self._fits(files, used):
            return False
        for entry in leaving:
            self._ledger.remove(entry)
        return True

    def _fits(self, files: int, used: int) -> bool:
        return (self._max_files is None or files <= self._max_files) and (
            self._max_bytes is None or used <= self._max_bytes
        )

    def _audio(
        self,
        kind: BinType,
        data: bytes,
        sample_rate: Optional[int],
        sample_width: Optional[int],
        lang: Optional[str],
    ) -> None:
        if not self._save_raw_audio:
            self._ignored(f"{kind.name} (save_raw_audio is off)", data)
            return
        rate = wav.DEFAULT_SAMPLE_RATE if sample_rate is None else sample_rate
        width = wav.DEFAULT_SAMPLE_WIDTH if sample_width is None else sample_width
        try:
            path = self.save(wav.wav_bytes(data, rate, width), None, kind)
        except UsageError as error:
            log.warning("%s of %d bytes was not saved: %s", kind.name, len(data), printable(str(error), 300))
            return
        if path is not None:
            self._tell(path, kind, {"sample_rate": rate, "sample_width": width, "lang": lang})

    def _tell(self, path: Path, kind: BinType, metadata: Json) -> None:
        if self._on_saved is None:
            return
        try:
            self._on_saved(path, kind, metadata)
        except Exception:  # the file is saved; what the user does with it is logged with its cause
            log.exception("on_saved raised for %s", path.name)


def _names(file_name: Optional[str]) -> Json:
    """What `on_saved` is told of a file's name."""
    return {"file_name": safe_label(file_name, ""), "file_name_as_said": as_said(file_name)}


def _as_player(player: Any) -> Optional[Player]:
    if player is None or isinstance(player, Player):
        return player
    if callable(player):
        return Player(player)
    raise InvalidOption(
        f"player is a {type(player).__name__}", Mend("pass a Player, a function, or None", joint="; ")
    )
