"""Binary data that arrives: dropped without a word, or saved in files."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from hivemind_core_client.errors import Mend, PluginError
from hivemind_core_client.message import (
    AnyBinaryType,
    HiveMessage,
    HiveMessageType,
    HiveMindBinaryPayloadType,
)
from hivemind_core_client.shell.callbacks import BinaryDataCallbacks
from hivemind_core_client.wire.mends import INSTALL_TTS

#: Kinds that are samples without a header, with the method that makes them a WAV file.
_SAMPLES: dict[AnyBinaryType, str] = {
    HiveMindBinaryPayloadType.RAW_AUDIO: "handle_receive_raw_audio",
    HiveMindBinaryPayloadType.STT_AUDIO_TRANSCRIBE: "handle_receive_stt_transcribe",
    HiveMindBinaryPayloadType.STT_AUDIO_HANDLE: "handle_receive_stt_handle",
}


class QuietCallbacks(BinaryDataCallbacks):
    """Drops binary data and logs nothing. `listen` has handlers of its own for it."""

    def _ignored(self, what: str, data: bytes) -> None:
        return


def saver(directory: str) -> Callable[[HiveMessage], str | None]:
    """A function that saves what a BINARY message carries in `directory`, and returns the path of the file, or None.

    Raises PluginError without the plugin that saves, and InvalidOption for a directory that cannot be written in.
    """
    try:
        from hivemind_client_binary_tts import SavingCallbacks
    except ImportError as error:
        raise PluginError(
            "nothing here can save binary data",
            Mend(INSTALL_TTS, joint=": "),
        ) from error

    paths = threading.local()

    def saved(path: Path, *about: object) -> None:
        paths.last = str(path)

    callbacks = SavingCallbacks(directory, on_saved=saved, save_raw_audio=True)

    def save(message: HiveMessage) -> str | None:
        if message.msg_type is not HiveMessageType.BINARY:
            return None
        metadata, data = message.metadata, message.raw_payload
        method = _SAMPLES.get(message.bin_type)
        if method is None:
            path = callbacks.save(data, metadata.get("file_name"), message.bin_type)
            return None if path is None else str(path)
        paths.last = None
        facts = {name: metadata.get(name) for name in ("sample_rate", "sample_width", "lang")}
        getattr(callbacks, method)(bin_data=data, **facts)
        found: str | None = paths.last
        return found

    return save
