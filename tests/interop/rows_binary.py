"""Rows about speech and files, with a hub that loads the binary protocol of hub_plugin."""

from __future__ import annotations

import hashlib
import json
import os
import threading
import tracemalloc
import wave
from pathlib import Path
from typing import Any

import pytest
from ovos_bus_client.message import Message

from hivemind_client_binary_tts import SavingCallbacks
from hivemind_core_client import HiveMessage, HiveMessageType
from hivemind_core_client.errors import ConnectionLost
from hivemind_core_client.message import HiveMindBinaryPayloadType

from .hub_plugin.tone import RATE, frames
from .hubs import BinaryProtocol, HubOptions, RealHub
from .packages import Package
from .rows_client import ANSWER_SECONDS, Heard, check_answer, check_comes_back, roomy
from .satellite import Satellite
from .table import behaviour

BINARY = "speech and files"
_PLUGIN = "interop-binary-protocol"
#: A hub with hub_plugin, and room for messages of 64 MiB.
FILES = HubOptions(
    binary=BinaryProtocol(
        name="files",
        module=_PLUGIN,
        settings=json.dumps({"max_message_size": 64 * 1024 * 1024}),
        package=Package(
            Path(__file__).with_name("hub_plugin"),
            f"[hivemind.binary.protocol]\n{_PLUGIN} = hub_plugin.binary_protocol:EchoingProtocol\n",
        ),
    )
)
MEBIBYTE = 1024 * 1024

_SIZE = 20 * MEBIBYTE
_FILE_SECONDS = 60.0
#: What sending and receiving a file may take of memory at once, by the size of the file, which itself is not
#: counted. Most of it is taken by the WebSocket library while it masks the frame.
_MOST_MEMORY = 8


class Saved:
    """Callbacks that save into the satellite's folder, and the files as they come."""

    def __init__(self, folder: Path) -> None:
        self.callbacks = SavingCallbacks(folder, on_saved=self._note)
        self.files: list[tuple[Path, Any]] = []
        self._arrived = threading.Event()

    def _note(self, path: Path, kind: HiveMindBinaryPayloadType, metadata: dict[str, Any]) -> None:
        self.files.append((path, metadata))
        self._arrived.set()

    def wait(self, seconds: float = ANSWER_SECONDS) -> Path:
        """The first file."""
        assert self._arrived.wait(seconds), "nothing was saved"
        return self.files[0][0]


@behaviour("speech from the hub is saved as a WAV file with the frames that were sent", BINARY, FILES)
def speech(hub: RealHub, satellite: Satellite) -> None:
    hub.allow_msg("speak:synth", satellite.node_id)
    saved = Saved(satellite.folder("speech"))
    client = satellite.connected(bin_callbacks=saved.callbacks)
    text = f"good morning {satellite.name}"
    client.emit(Message("speak:synth", {"utterance": text, "lang": "en-us", "file_name": "morning.wav"}))
    path = saved.wait()
    assert path.name == "morning.wav"
    said = {
        "utterance": text,
        "lang": "en-us",
        "file_name": "morning.wav",
        "file_name_as_said": "morning.wav",
    }
    assert saved.files[0][1] == said
    with wave.open(str(path)) as sound:
        assert (sound.getnchannels(), sound.getsampwidth(), sound.getframerate()) == (1, 2, RATE)
        assert sound.readframes(sound.getnframes()) == frames(text)


@behaviour("speech with a file name that climbs out of the folder stays in it", BINARY, FILES)
def speech_with_a_path(hub: RealHub, satellite: Satellite) -> None:
    hub.allow_msg("speak:synth", satellite.node_id)
    folder = satellite.folder("speech")
    saved = Saved(folder)
    client = satellite.connected(bin_callbacks=saved.callbacks)
    facts = {"utterance": "hello", "lang": "en-us", "file_name": "../../etc/passwd"}
    client.emit(Message("speak:synth", facts))
    path = saved.wait()
    assert path.parent == folder.resolve()
    assert not (folder.parent.parent / "etc").exists()
    with wave.open(str(path)) as sound:
        assert sound.readframes(sound.getnframes()) == frames("hello")


@behaviour(
    "20 MiB file to a hub that is set up to take it, and back: equal, in bounded memory, with progress",
    BINARY,
    FILES,
)
def large_file(hub: RealHub, satellite: Satellite) -> None:
    saved = Saved(satellite.folder("files"))
    client = satellite.connected(bin_callbacks=saved.callbacks, **roomy(hub))
    content = os.urandom(_SIZE)
    steps: list[tuple[int, int]] = []
    packet = HiveMessage(
        HiveMessageType.BINARY,
        content,
        bin_type=HiveMindBinaryPayloadType.FILE,
        metadata={"file_name": "blob.bin"},
    )
    tracemalloc.start()
    try:
        client.emit(packet, progress=lambda written, total: steps.append((written, total)))
        path = saved.wait(_FILE_SECONDS)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert hashlib.sha256(path.read_bytes()).digest() == hashlib.sha256(content).digest()
    assert path.name == "blob.bin"
    assert peak < _MOST_MEMORY * _SIZE, f"{peak / _SIZE:.1f} times the file"
    # The threads write in pieces of their own. Of others the system may take the whole file at once, where the hub
    # reads as fast as they write; a peer that reads slowly is met in tests/unit/transports.
    if satellite.client_kind == "sync":
        assert steps[0][0] < _SIZE, steps[:5]
        assert len(steps) > 10
    assert steps[0][0] > 0, steps[:5]
    assert steps == sorted(steps)
    assert steps[-1][0] == steps[-1][1] >= _SIZE
    check_answer(client, "still there")


@behaviour(
    "a message larger than the hub takes as installed: the error tells the limit; the client comes back",
    BINARY,
    needs="older versions",
)
def too_large(hub: RealHub, satellite: Satellite) -> None:
    client = satellite.client(max_protocol_version=2)
    heard = Heard(client)
    client.connect()
    kind = HiveMindBinaryPayloadType.FILE
    packet = HiveMessage(
        HiveMessageType.BINARY, bytes(12 * MEBIBYTE), bin_type=kind, metadata={"file_name": "blob.bin"}
    )
    with pytest.raises(ConnectionLost, match="hubs take 10 MiB"):
        client.emit(packet)
    check_comes_back(client, heard)
