"""Sending files, audio and images to the hub, each with the metadata that hubs read.

Each function calls `client.emit`, and returns what that returns. With an asyncio client, await it.
"""

from __future__ import annotations

import errno
import os
import stat
import zlib
from typing import Any, Callable, Optional, Union

from hivemind_client_binary_tts import wav
from hivemind_client_binary_tts.names import shortened
from hivemind_core_client.errors import InvalidMessage, InvalidOption, Mend, Setting
from hivemind_core_client.message import HiveMessage, HiveMessageType
from hivemind_core_client.message import HiveMindBinaryPayloadType as BinType
from hivemind_core_client.wire.json_text import Json, json_text
from hivemind_core_client.wire.text import printable, safe_label

Progress = Callable[[int, int], object]
Data = Union[bytes, bytearray, memoryview]

#: What hivemind-core accepts in one message as it is installed (its WebSocket server's default), less room for
#: metadata and encryption.
HUB_MAX_BYTES = 10 * 2**20 - 1024

_MAX_METADATA = 255
_MAX_TEXT = 64
_UNNAMED_FILE = "file"


def send_file(
    client: Any,
    path: Union[str, os.PathLike[str]],
    progress: Optional[Progress] = None,
    file_name: Optional[str] = None,
    *,
    max_bytes: Optional[int] = HUB_MAX_BYTES,
) -> Any:
    """Send the file at `path`. `~` is your home. The file may be empty.

    The hub gets the name `file_name`, by default the last part of `path`. It is made a plain name. If it is too long
    for a frame, it is shortened before its extension. `progress(sent_bytes, total_bytes)` is called during sending.

    Hubs end the connection on a message that is too large for them. For hivemind-core that is 10 MiB. So a file of more
    than `max_bytes` is refused here. If your hub takes more, pass a larger limit, or None for no limit. The whole
    file is in memory while it is sent.

    Raises InvalidOption if `path` is not a file that can be read, InvalidMessage for a file that is too large, and
    what `emit` raises.
    """
    data = _content(path, max_bytes)
    return _emit(client, BinType.FILE, data, {"file_name": sent_name(path, file_name)}, progress)


def check_size(path: Union[str, os.PathLike[str]], size: int, max_bytes: int = HUB_MAX_BYTES) -> None:
    """Raise the InvalidMessage of `send_file` if the `size` of the file at `path`, in bytes, is too large.

    With this you know it before you connect.
    """
    if size > max_bytes:
        raise InvalidMessage(
            f"{_shown(path)} has {size} bytes, and the bound is {max_bytes}: hivemind-core as installed hangs up on "
            "messages of more than 10 MiB",
            Mend(
                "send less, or pass ",
                Setting("a larger max_bytes", "--large"),
                " if your hub is set up to take more",
            ),
        )


def sent_name(path: Union[str, os.PathLike[str]], file_name: Optional[str] = None) -> str:
    """The name that the hub gets for the file at `path` when you call `send_file` with the same arguments."""
    name = os.path.basename(os.fspath(path)) if file_name is None else file_name
    return _fitting(safe_label(name, _UNNAMED_FILE))


def send_raw_audio(
    client: Any, data: Data, sample_rate: int = 16_000, sample_width: int = 2, lang: Optional[str] = None
) -> Any:
    """Send a piece of a microphone's stream: mono samples without a header, rate in Hz, width in bytes.

    `lang` is a language tag such as `en-us`. With None the hub decides. Raises InvalidOption for a rate, width or
    `lang` that makes no sense, InvalidMessage for no data or samples that are cut off, and what `emit` raises.
    """
    return _audio(client, BinType.RAW_AUDIO, data, sample_rate, sample_width, lang)


def send_for_transcription(
    client: Any, data: Data, sample_rate: int = 16_000, sample_width: int = 2, lang: Optional[str] = None
) -> Any:
    """Send one whole utterance of audio. The hub sends back its text. Otherwise like `send_raw_audio`."""
    return _audio(client, BinType.STT_AUDIO_TRANSCRIBE, data, sample_rate, sample_width, lang)


def send_utterance_audio(
    client: Any, data: Data, sample_rate: int = 16_000, sample_width: int = 2, lang: Optional[str] = None
) -> Any:
    """Send one whole utterance of audio. The hub handles it as if you typed it. Otherwise like `send_raw_audio`."""
    return _audio(client, BinType.STT_AUDIO_HANDLE, data, sample_rate, sample_width, lang)


def send_image(
    client: Any, data: Data, camera_id: Optional[str] = None, progress: Optional[Progress] = None
) -> Any:
    """Send a NumPy image in the form that the hub's plugin for images reads. The protocol does not fix this form.

    Raises InvalidOption for a `camera_id` of more than 64 bytes, InvalidMessage for no data, and what `emit`
    raises.
    """
    metadata = {} if camera_id is None else {"camera_id": _short_text("camera_id", camera_id)}
    return _emit(client, BinType.NUMPY_IMAGE, _some(data), metadata, progress)


def _audio(
    client: Any, kind: BinType, data: Data, sample_rate: int, sample_width: int, lang: Optional[str]
) -> Any:
    samples = _some(data)
    wav.check_samples(samples, sample_rate, sample_width)
    if samples[:4] == b"RIFF" and samples[8:12] == b"WAVE":
        raise InvalidMessage(
            "this is a WAV file; hubs read bare samples",
            Mend("pass what readframes() of the module wave returns"),
        )
    metadata: Json = {"sample_rate": sample_rate, "sample_width": sample_width}
    if lang is not None:
        metadata["lang"] = _short_text("lang", lang)
    return _emit(client, kind, samples, metadata, None)


def _emit(client: Any, kind: BinType, data: bytes, metadata: Json, progress: Optional[Progress]) -> Any:
    message = HiveMessage(HiveMessageType.BINARY, data, bin_type=kind, metadata=metadata)
    return client.emit(message) if progress is None else client.emit(message, progress=progress)


def _content(path: Union[str, os.PathLike[str]], max_bytes: Optional[int]) -> bytes:
    try:
        with open(os.path.expanduser(os.fspath(path)), "rb", opener=_open_at_once) as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode):
                raise OSError(errno.EINVAL, "it is a pipe or a device and no file")
            if max_bytes is None:
                return file.read()
            # A file that grows meanwhile is noticed by one byte too many.
            data = b"" if found.st_size > max_bytes else file.read(max_bytes + 1)
    except (OSError, ValueError, TypeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InvalidOption(
            f"cannot send {_shown(path)}: {reason}", Mend("pass the path of a file that this user may read")
        ) from error
    check_size(path, max(found.st_size, len(data)), max_bytes)
    return data


def _open_at_once(path: str, flags: int) -> int:
    """Open without waiting: a pipe without a writer would block for ever; so it is refused by what it is."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _shown(path: object) -> str:
    return repr(printable(str(path), 300))


def _some(data: Data) -> bytes:
    if not isinstance(data, (bytes, bytearray, memoryview)):
        raise InvalidMessage(f"the data is a {type(data).__name__}", Mend("pass bytes", joint="; "))
    if not bytes(data):
        raise InvalidMessage("there is no data to send")
    return bytes(data)


def _short_text(name: str, value: Any) -> str:
    if not isinstance(value, str) or not value.isprintable() or len(value.encode()) > _MAX_TEXT:
        raise InvalidOption(f"{name} is no printable text of {_MAX_TEXT} bytes at most", Mend("shorten it"))
    return value


def _fitting(label: str) -> str:
    """`label`, shortened until the metadata of a frame holds it, compressed or not, as the client chooses."""
    for room in range(max(17, len(label.encode())), 16, -1):
        shorter = shortened(label, room)
        text = json_text({"file_name": shorter}).encode()
        if max(len(text), len(zlib.compress(text))) <= _MAX_METADATA:
            return shorter
    return _UNNAMED_FILE
