from __future__ import annotations

import json
import os
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any, Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

import hivemind_client_binary_tts as binary_tts
from hivemind_client_binary_tts import (
    send_file,
    send_for_transcription,
    send_image,
    send_raw_audio,
    send_utterance_audio,
    wav_bytes,
)
from hivemind_client_binary_tts.sending import HUB_MAX_BYTES, sent_name
from hivemind_core_client.builtins import binary_serializer
from hivemind_core_client.errors import InvalidMessage, InvalidOption
from hivemind_core_client.message import HiveMessage, HiveMessageType
from hivemind_core_client.message import HiveMindBinaryPayloadType as BinType
from hivemind_core_client.testing import EmbeddedHub


class Client:
    """Keeps what is emitted."""

    def __init__(self) -> None:
        self.sent: list[HiveMessage] = []
        self.options: list[dict[str, Any]] = []

    def emit(self, message: HiveMessage, **options: Any) -> str:
        self.sent.append(message)
        self.options.append(options)
        return "what emit returns"


@pytest.fixture
def client() -> Client:
    return Client()


def test_a_file_goes_with_its_name(client: Client, tmp_path: Path) -> None:
    path = tmp_path / "hello.txt"
    path.write_bytes(b"hello")
    assert send_file(client, path) == "what emit returns"
    expected = HiveMessage(
        HiveMessageType.BINARY, b"hello", bin_type=BinType.FILE, metadata={"file_name": "hello.txt"}
    )
    assert client.sent == [expected]
    assert client.options == [{}]


def test_progress_and_another_name_are_passed_on(client: Client, tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.touch()
    progress = print
    send_file(client, str(path), progress, "../other.txt")
    assert client.options == [{"progress": progress}]
    assert client.sent[0].metadata == {"file_name": "other.txt"}
    assert client.sent[0].payload == b""


def test_home_is_understood(client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    (tmp_path / "a.txt").write_bytes(b"a")
    send_file(client, "~/a.txt")
    assert client.sent[0].payload == b"a"


def test_what_is_no_file_is_refused(client: Client, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path, reason in (
        (tmp_path / "not-there", "No such file"),
        (tmp_path, "Is a directory"),
        (tmp_path / "pipe", "a pipe or a device"),
        ("with\0nul", "null"),
        (7, "cannot send '7'"),
    ):
        with pytest.raises(InvalidOption, match=reason):
            send_file(client, path)  # type: ignore[arg-type]  # one of them is meant to be wrong
    assert client.sent == []


def test_a_file_that_hubs_would_hang_up_on_is_refused(client: Client, tmp_path: Path) -> None:
    path = tmp_path / "big"
    with path.open("wb") as file:
        file.truncate(HUB_MAX_BYTES + 1)
    with pytest.raises(InvalidMessage, match="10 MiB"):
        send_file(client, path)
    assert client.sent == []
    for bound in (HUB_MAX_BYTES + 1, None):
        send_file(client, path, max_bytes=bound)
    assert [len(message.payload) for message in client.sent] == [HUB_MAX_BYTES + 1] * 2


def test_a_file_that_grows_meanwhile_is_bounded_too(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty, grown = tmp_path / "empty", tmp_path / "grown"
    empty.touch()
    grown.write_bytes(b"0123456789")
    before = empty.stat()
    monkeypatch.setattr(os, "fstat", lambda descriptor: before)
    with pytest.raises(InvalidMessage, match=r"10 bytes, and the bound is 9: .* pass a larger max_bytes if"):
        send_file(client, grown, max_bytes=9)


@pytest.mark.parametrize("compress", [True, False, None])
@pytest.mark.parametrize(
    "name", ["ü" * 100 + ".wav", "".join(map(chr, range(0x4E00, 0x4E50))) + ".wav", "x.wav"]
)
def test_a_long_name_is_shortened_until_the_frame_holds_it(
    client: Client, tmp_path: Path, name: str, compress: bool | None
) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"data")
    send_file(client, path, file_name=name)
    frame = binary_serializer.encode(client.sent[0], compress)
    assert frame is not None
    sent = binary_serializer.decode(frame, 2**20).metadata["file_name"]
    assert sent.endswith(".wav")
    assert sent[0] == name[0]
    assert len(sent.encode()) > 200 or sent == name


@given(st.text(max_size=400))
def test_every_name_fits(name: str) -> None:
    text = json.dumps({"file_name": sent_name(name, name)}, ensure_ascii=False).encode()
    assert max(len(text), len(zlib.compress(text))) <= 255 + 1  # json.dumps puts a space after the colon


@pytest.mark.parametrize(
    ("send", "kind"),
    [
        (send_raw_audio, BinType.RAW_AUDIO),
        (send_for_transcription, BinType.STT_AUDIO_TRANSCRIBE),
        (send_utterance_audio, BinType.STT_AUDIO_HANDLE),
    ],
)
def test_audio_goes_with_what_hubs_need_to_know(client: Client, send: Any, kind: BinType) -> None:
    assert send(client, bytearray(b"\1\2\3\4"), 8000, 4, "en-us") == "what emit returns"
    send(client, b"\1\2")
    assert [(message.bin_type, message.payload, message.metadata) for message in client.sent] == [
        (kind, b"\1\2\3\4", {"sample_rate": 8000, "sample_width": 4, "lang": "en-us"}),
        (kind, b"\1\2", {"sample_rate": 16000, "sample_width": 2}),
    ]


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ((b"\1\2", 999, 2), InvalidOption, "sample_rate is 999"),
        ((b"\1\2", 768_001, 2), InvalidOption, "sample_rate"),
        ((b"\1\2", "16000", 2), InvalidOption, "sample_rate"),
        ((b"\1\2", 16000.0, 2), InvalidOption, "sample_rate"),
        ((b"\1\2", 16000, 0), InvalidOption, "sample_width"),
        ((b"\1\2", 16000, 5), InvalidOption, "sample_width"),
        ((b"\1\2", 16000, True), InvalidOption, "sample_width"),
        ((b"\1\2\3", 16000, 2), InvalidMessage, "no whole number of samples"),
        ((b"", 16000, 2), InvalidMessage, "no data"),
        (("text", 16000, 2), InvalidMessage, "pass bytes"),
        ((wav_bytes(b"\1\2"), 16000, 2), InvalidMessage, "WAV file"),
        ((b"\1\2", 16000, 2, "ü" * 33), InvalidOption, "lang"),
        ((b"\1\2", 16000, 2, 7), InvalidOption, "lang"),
        ((b"\1\2", 16000, 2, "e\nn"), InvalidOption, "lang"),
    ],
)
def test_audio_that_makes_no_sense_is_refused(
    client: Client, arguments: tuple[Any, ...], error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=text):
        send_raw_audio(client, *arguments)
    assert client.sent == []


def test_samples_that_begin_like_another_format_are_samples(client: Client) -> None:
    send_raw_audio(client, b"\xff\xfb\0\0")
    assert client.sent[0].payload == b"\xff\xfb\0\0"


def test_an_image_goes_with_its_camera(client: Client) -> None:
    send_image(client, memoryview(b"pixels"), "door", print)
    send_image(client, b"pixels")
    assert [(message.bin_type, message.metadata) for message in client.sent] == [
        (BinType.NUMPY_IMAGE, {"camera_id": "door"}),
        (BinType.NUMPY_IMAGE, {}),
    ]
    assert client.options == [{"progress": print}, {}]
    with pytest.raises(InvalidOption, match="camera_id"):
        send_image(client, b"pixels", "x" * 65)


def test_a_file_reaches_a_hub_with_progress(
    tmp_path: Path, hivemind_hub: EmbeddedHub, hivemind_client_factory: Callable[..., Any]
) -> None:
    data = os.urandom(2**20) * 20
    (tmp_path / "big.bin").write_bytes(data)
    client = hivemind_client_factory()
    client.connect()
    seen: list[tuple[int, int]] = []
    send_file(client, tmp_path / "big.bin", lambda sent, total: seen.append((sent, total)), max_bytes=None)
    (message,) = hivemind_hub.wait_for(HiveMessageType.BINARY, 20)
    assert (message.bin_type, message.metadata) == (BinType.FILE, {"file_name": "big.bin"})
    assert message.payload == data
    assert len(seen) > 2
    assert seen == sorted(seen)
    assert seen[-1][0] == seen[-1][1] >= len(data)


def test_audio_reaches_a_hub(hivemind_hub: EmbeddedHub, hivemind_client: Any) -> None:
    send_utterance_audio(hivemind_client, b"\1\2" * 100, lang="en-us")
    (message,) = hivemind_hub.wait_for(HiveMessageType.BINARY)
    assert message.bin_type is BinType.STT_AUDIO_HANDLE
    assert message.payload == b"\1\2" * 100
    assert message.metadata == {"sample_rate": 16000, "sample_width": 2, "lang": "en-us"}


def test_public_names_are_there_and_cost_nothing_before_they_are_used() -> None:
    assert dir(binary_tts) == sorted(binary_tts.__all__)
    assert all(getattr(binary_tts, name) for name in binary_tts.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = binary_tts.nothing
    code = (
        "import sys, hivemind_client_binary_tts.plugin as p; p.hivemind_binary_handlers(); "
        "print([m for m in sys.modules if m.startswith('ovos') or m.endswith(('.player', '.saving', '.sending'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
