"""Speech, files and audio that pass between a hub and a satellite: saved, played, sent.

Nothing but names is imported before one of them is used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hivemind_client_binary_tts.names import safe_file_name
    from hivemind_client_binary_tts.player import Player
    from hivemind_client_binary_tts.playing import PlayingCallbacks
    from hivemind_client_binary_tts.saving import SavingCallbacks
    from hivemind_client_binary_tts.sending import (
        check_size,
        send_file,
        send_for_transcription,
        send_image,
        send_raw_audio,
        send_utterance_audio,
        sent_name,
    )
    from hivemind_client_binary_tts.wav import wav_bytes
    from hivemind_core_client.wire.text import safe_label

__all__ = [
    "Player",
    "PlayingCallbacks",
    "SavingCallbacks",
    "check_size",
    "safe_file_name",
    "safe_label",
    "send_file",
    "send_for_transcription",
    "send_image",
    "send_raw_audio",
    "send_utterance_audio",
    "sent_name",
    "wav_bytes",
]

_HOMES = {
    "Player": f"{__name__}.player",
    "PlayingCallbacks": f"{__name__}.playing",
    "SavingCallbacks": f"{__name__}.saving",
    "safe_file_name": f"{__name__}.names",
    "safe_label": "hivemind_core_client.wire.text",
    "wav_bytes": f"{__name__}.wav",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES.get(name, f"{__name__}.sending")), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """The public names, imported or not."""
    return sorted(__all__)
