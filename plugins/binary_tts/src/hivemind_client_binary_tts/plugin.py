"""The entry point `binary_tts`: handlers for TTS_AUDIO and FILE."""

from __future__ import annotations

from typing import Any

from hivemind_client_binary_tts.names import name_for
from hivemind_core_client.message import HiveMindBinaryPayloadType as BinType
from hivemind_core_client.plugins.contract import Actions, BinaryHandler, CallBack, Context
from hivemind_core_client.plugins.hookspecs import hookimpl
from hivemind_core_client.wire.json_text import Json

#: What speech and files are called whose own name is missing or unsafe.
UNNAMED_SPEECH = "speech"
UNNAMED_FILE = "file"


@hookimpl
def hivemind_binary_handlers() -> list[BinaryHandler]:
    """One handler for speech and one for files."""
    return [
        BinaryHandler(BinType.TTS_AUDIO, "binary_tts speech", receive_speech),
        BinaryHandler(BinType.FILE, "binary_tts file", receive_file),
    ]


def receive_speech(context: Context, data: bytes, metadata: Json) -> Actions:
    """Hand speech to `handle_receive_tts`, with a safe name in place of the one from the wire."""
    return [
        CallBack(
            "handle_receive_tts",
            {
                "bin_data": data,
                "utterance": _text(metadata, "utterance"),
                "lang": _text(metadata, "lang"),
                "file_name": name_for(metadata.get("file_name"), UNNAMED_SPEECH),
            },
        )
    ]


def receive_file(context: Context, data: bytes, metadata: Json) -> Actions:
    """Hand a file to `handle_receive_file`, with a safe name in place of the one from the wire."""
    return [
        CallBack(
            "handle_receive_file",
            {"bin_data": data, "file_name": name_for(metadata.get("file_name"), UNNAMED_FILE)},
        )
    ]


def _text(metadata: Json, key: str) -> str:
    value: Any = metadata.get(key)
    return value if isinstance(value, str) else ""
