"""PlayingCallbacks: speech that a hub sends is heard, and not kept."""

from __future__ import annotations

import tempfile
from typing import Optional, Union

from hivemind_client_binary_tts.player import PROGRAMS, Player, PlayFunction
from hivemind_client_binary_tts.saving import SavingCallbacks
from hivemind_core_client.errors import InvalidOption, Mend
from hivemind_core_client.shell.callbacks import BinaryDataCallbacks

#: What waits to be played lies in a folder for a moment; older speech makes room.
_MOST_FILES, _MOST_BYTES = 32, 64 * 2**20


class PlayingCallbacks(BinaryDataCallbacks):
    """Plays speech as it comes, one piece after the other, and keeps none of it.

    `player` is a Player, or a function that takes a path and returns when it was played. None takes the first of
    `ffplay`, `paplay`, `aplay` and `afplay` that this machine has. Files and other data are ignored, with a warning.

    Raises InvalidOption if `player` is something else, and if this machine has none of these programs.
    """

    def __init__(self, player: Union[Player, PlayFunction, None] = None) -> None:
        found = Player.find() if player is None else player
        if found is None:
            names = ", ".join(program.command[0] for program in PROGRAMS)
            raise InvalidOption(
                f"this machine has no program that plays sound: none of {names}",
                Mend("install one (`apt install ffmpeg` has ffplay), or pass `player`"),
            )
        self._folder = tempfile.TemporaryDirectory(prefix="hivemind-speech-")
        self._saving = SavingCallbacks(self._folder.name, found, max_files=_MOST_FILES, max_bytes=_MOST_BYTES)

    @property
    def player(self) -> Player:
        """The Player that plays the speech."""
        player = self._saving.player
        assert player is not None  # noqa: S101  # it was given one
        return player

    def handle_receive_tts(
        self, bin_data: bytes, utterance: Optional[str], lang: Optional[str], file_name: Optional[str]
    ) -> None:
        """Play speech."""
        self._saving.handle_receive_tts(bin_data, utterance, lang, file_name)

    def close(self) -> None:
        """Stop playing, and remove the speech that waited."""
        self._saving.close()
        self._folder.cleanup()
