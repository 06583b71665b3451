"""BINARY: each bin type goes to its method of the user's BinaryDataCallbacks."""

from __future__ import annotations

import logging
from typing import Any, Callable

from hivemind_core_client.plugins.contract import Actions, BinaryHandler, CallBack, Context
from hivemind_core_client.plugins.hookspecs import hookimpl
from hivemind_core_client.wire.json_text import Json
from hivemind_core_client.wire.message import HiveMindBinaryPayloadType as BinType
from hivemind_core_client.wire.text import printable, safe_label

log = logging.getLogger(__name__)

#: The callback and the metadata it is given, for each bin type.
CALLBACKS: dict[BinType, tuple[str, tuple[str, ...]]] = {
    BinType.UNDEFINED: ("handle_receive_undefined", ()),
    BinType.RAW_AUDIO: ("handle_receive_raw_audio", ("sample_rate", "sample_width", "lang")),
    BinType.NUMPY_IMAGE: ("handle_receive_image", ("camera_id",)),
    BinType.FILE: ("handle_receive_file", ("file_name",)),
    BinType.STT_AUDIO_TRANSCRIBE: (
        "handle_receive_stt_transcribe",
        ("sample_rate", "sample_width", "lang"),
    ),
    BinType.STT_AUDIO_HANDLE: ("handle_receive_stt_handle", ("sample_rate", "sample_width", "lang")),
    BinType.TTS_AUDIO: ("handle_receive_tts", ("utterance", "lang", "file_name")),
}


@hookimpl(trylast=True)
def hivemind_binary_handlers() -> list[BinaryHandler]:
    """One handler for each bin type."""
    return [
        BinaryHandler(bin_type, bin_type.name.lower(), _receiver(method, names))
        for bin_type, (method, names) in CALLBACKS.items()
    ]


def _receiver(method: str, names: tuple[str, ...]) -> Callable[[Context, bytes, Json], Actions]:
    def receive(context: Context, data: bytes, metadata: Json) -> Actions:
        arguments = {name: metadata.get(name) for name in names}
        if "file_name" in arguments:
            arguments["file_name"] = _label(context, arguments["file_name"])
        return [CallBack(method, {"bin_data": data, **arguments})]

    return receive


def _label(context: Context, file_name: Any) -> str:
    label = safe_label(file_name, "")
    if file_name is not None and label != file_name:
        context.note(
            log.warning,
            "the hub's file name %r is not safe as it came; it is now %r",
            printable(str(file_name)),
            label,
        )
    return label
