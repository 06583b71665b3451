from __future__ import annotations

import errno
import io
import json
import logging
import os
import stat
import threading
import wave
from pathlib import Path
from typing import Any, Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hivemind_client_binary_tts import Player, SavingCallbacks, plugin, wav_bytes
from hivemind_client_binary_tts.ledger import LEDGER_NAME, Ledger
from hivemind_core_client.errors import InvalidOption
from hivemind_core_client.message import HiveMessage, HiveMessageType
from hivemind_core_client.message import HiveMindBinaryPayloadType as BinType
from hivemind_core_client.testing import EmbeddedHub

UNSAFE = [
    "../../etc/passwd",
    "/etc/passwd",
    "a" * 10_000 + ".wav",
    "a\0b.wav",
    "C:\\CON",
    "..",
    "\u202egpj.exe",
]
NAMES = st.one_of(
    st.sampled_from(UNSAFE),
    st.text(max_size=300),
    st.text(alphabet="./\\:\0 ~-aCON\ud800ü\n", max_size=300),
    st.none(),
    st.integers(),
)


def saved(directory: Path) -> dict[str, bytes]:
    """Name and content of everything but the ledger."""
    return {path.name: path.read_bytes() for path in directory.iterdir() if path.name != LEDGER_NAME}


def names(name: str) -> dict[str, str]:
    """What `on_saved` is told of a name that was safe."""
    return {"file_name": name, "file_name_as_said": name}


def receive(callbacks: SavingCallbacks, kind: BinType, data: bytes, metadata: dict[str, Any]) -> None:
    """What a client does with a BINARY message."""
    handlers = {handler.bin_type: handler for handler in plugin.hivemind_binary_handlers()}
    context: Any = None
    for action in handlers[kind].receive(context, data, metadata) or ():
        getattr(callbacks, action.method)(**action.arguments)  # type: ignore[union-attr]  # it is a CallBack


@pytest.mark.parametrize("name", UNSAFE)
@pytest.mark.parametrize("kind", [BinType.FILE, BinType.TTS_AUDIO])
def test_an_unsafe_file_name_is_warned_of_once_and_the_data_kept(
    tmp_path: Path, name: str, kind: BinType, caplog: pytest.LogCaptureFixture
) -> None:
    """defects.md, Messages: files and audio were written to a path taken from the wire."""
    directory = tmp_path / "a" / "b" / "saved"
    receive(SavingCallbacks(directory), kind, b"data", {"file_name": name})
    (content,) = saved(directory).values()
    assert content == b"data"
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert record.getMessage().isprintable()
    assert len(record.getMessage()) < 500
    assert "is not safe" in record.getMessage()
    assert [path.name for path in tmp_path.rglob("*") if path.is_file() and path.parent != directory] == []


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, SavingCallbacks]:
    root = tmp_path_factory.mktemp("sandbox")
    (root / "etc").mkdir()
    (root / "etc" / "passwd").write_text("theirs")
    return root, SavingCallbacks(root / "x" / "saved", max_files=None)


def outside(root: Path, directory: Path) -> dict[str, Any]:
    found = {}
    for path in root.rglob("*"):
        if path.parent != directory:
            found[str(path)] = path.read_bytes() if path.is_file() else None
    return found


@given(NAMES, st.booleans(), st.sampled_from([BinType.FILE, BinType.TTS_AUDIO]))
def test_whatever_the_name_a_file_lands_in_the_directory_itself(
    sandbox: tuple[Path, SavingCallbacks], name: Any, directly: bool, kind: BinType
) -> None:
    root, callbacks = sandbox
    directory = callbacks.directory
    around, before = outside(root, directory), set(saved(directory))
    if directly:
        path = callbacks.save(b"content", name, kind)
        assert path is not None
    else:
        receive(callbacks, kind, b"content", {"file_name": name})
        (new,) = set(saved(directory)) - before
        path = directory / new
    found = path.lstat()
    assert path.parent == directory
    assert stat.S_ISREG(found.st_mode)
    assert stat.S_IMODE(found.st_mode) == 0o600
    assert path.read_bytes() == b"content"
    assert not path.name.startswith(".")
    assert set(saved(directory)) == before | {path.name}
    assert outside(root, directory) == around
    if len(before) > 20:
        for name in before:
            (directory / name).unlink()


def test_speech_is_saved_told_and_played(tmp_path: Path) -> None:
    told, played = [], []
    player = Player(played.append)
    callbacks = SavingCallbacks(tmp_path, player, lambda *facts: told.append(facts))
    callbacks.handle_receive_tts(b"sound", "hello", "en-us", "hello.wav")
    path = tmp_path / "hello.wav"
    assert told == [(path, BinType.TTS_AUDIO, {"utterance": "hello", "lang": "en-us", **names("hello.wav")})]
    assert player.wait(5)
    assert played == [path]
    assert callbacks.player is player


def test_a_file_is_saved_and_told_and_never_played(tmp_path: Path) -> None:
    told, played = [], []
    callbacks = SavingCallbacks(tmp_path, played.append, lambda *facts: told.append(facts))
    callbacks.handle_receive_file(b"", "empty.txt")
    assert told == [(tmp_path / "empty.txt", BinType.FILE, names("empty.txt"))]
    assert callbacks.player is not None
    assert callbacks.player.wait(5)
    assert played == []


def test_nothing_is_played_unless_it_is_asked_for(tmp_path: Path) -> None:
    assert SavingCallbacks(tmp_path).player is None


@pytest.mark.parametrize(
    ("start", "name"),
    [
        (b"RIFF\x24\0\0\0WAVEfmt ", "speech.wav"),
        (b"OggS", "speech.ogg"),
        (b"fLaC", "speech.flac"),
        (b"ID3\4", "speech.mp3"),
        (b"\xff\xfb\x90", "speech.mp3"),
        (b"\xff\xff", "speech"),
        (b"", "speech"),
    ],
)
def test_speech_without_a_name_gets_the_extension_it_begins_like(
    tmp_path: Path, start: bytes, name: str
) -> None:
    receive(SavingCallbacks(tmp_path), BinType.TTS_AUDIO, start, {})
    assert saved(tmp_path) == {name: start}


@pytest.mark.parametrize(
    ("metadata", "label", "said"),
    [
        ({"file_name": "../../et\x1bc/a.wav"}, "a.wav", "../../et?c/a.wav"),
        ({"file_name": "con.wav"}, "_con.wav", "con.wav"),
        ({"file_name": "a.wav"}, "a.wav", "a.wav"),
        ({}, None, ""),
        ({"file_name": ""}, None, ""),
    ],
)
@pytest.mark.parametrize(("kind", "unnamed"), [(BinType.TTS_AUDIO, "speech"), (BinType.FILE, "file")])
def test_on_saved_is_told_the_name_as_the_hub_said_it_too(
    tmp_path: Path,
    kind: BinType,
    unnamed: str,
    metadata: dict[str, Any],
    label: str | None,
    said: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    told: list[Any] = []
    callbacks = SavingCallbacks(tmp_path, on_saved=lambda *facts: told.append(facts[2]))
    receive(callbacks, kind, b"x", metadata)
    assert (told[0]["file_name"], told[0]["file_name_as_said"]) == (label or unnamed, said)
    assert ("is not safe" in caplog.text) is (bool(said) and said != label)


def test_a_hub_that_gives_no_name_is_nothing_to_warn_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The built-in handlers pass an empty one on."""
    callbacks = SavingCallbacks(tmp_path)
    callbacks.handle_receive_tts(b"x", "", "", "")
    callbacks.handle_receive_file(b"x", "")
    assert set(saved(tmp_path)) == {"speech", "file"} and caplog.text == ""


def test_what_on_saved_raises_harms_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("the user's own fault")

    SavingCallbacks(tmp_path, on_saved=broken).handle_receive_file(b"x", "a.txt")
    assert saved(tmp_path) == {"a.txt": b"x"}
    assert "the user's own fault" in caplog.text


def test_a_disk_that_is_full_is_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    told: list[object] = []
    callbacks = SavingCallbacks(tmp_path, told.append, lambda *facts: told.append(facts))
    monkeypatch.setattr(os, "open", full)
    callbacks.handle_receive_tts(b"x", "", "", "a.wav")
    callbacks.handle_receive_file(b"x", "a.txt")
    assert saved(tmp_path) == {}
    assert told == []
    assert caplog.text.count("No space left on device") == 2


def test_old_speech_makes_room(tmp_path: Path) -> None:
    callbacks = SavingCallbacks(tmp_path, max_files=3)
    callbacks.handle_receive_file(b"f", "keep.txt")
    for number in range(4):
        callbacks.handle_receive_tts(b"s", "", "", f"{number}.wav")
    assert set(saved(tmp_path)) == {"keep.txt", "2.wav", "3.wav"}
    callbacks.handle_receive_file(b"f", "too.txt")
    assert set(saved(tmp_path)) == {"keep.txt", "too.txt", "3.wav"}


def test_bytes_are_bounded_too(tmp_path: Path) -> None:
    callbacks = SavingCallbacks(tmp_path, max_bytes=10)
    for number in range(3):
        callbacks.handle_receive_tts(b"1234", "", "", f"{number}.wav")
    assert set(saved(tmp_path)) == {"1.wav", "2.wav"}
    callbacks.handle_receive_tts(b"0123456789", "", "", "big.wav")
    assert set(saved(tmp_path)) == {"big.wav"}


def test_files_are_never_removed_and_what_does_not_fit_is_refused(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    callbacks = SavingCallbacks(tmp_path, max_bytes=10)
    callbacks.handle_receive_tts(b"1234", "", "", "a.wav")
    callbacks.handle_receive_file(b"123456", "a.txt")
    callbacks.handle_receive_file(b"12345", "b.txt")
    callbacks.handle_receive_tts(b"12345", "", "", "b.wav")
    assert set(saved(tmp_path)) == {"a.txt", "a.wav"}  # nothing was removed for what would not fit anyway
    assert caplog.text.count("raise max_files or max_bytes") == 2


def test_bounds_outlive_a_restart(tmp_path: Path) -> None:
    for number in range(4):
        SavingCallbacks(tmp_path, max_files=2).handle_receive_tts(b"s", "", "", f"{number}.wav")
    assert set(saved(tmp_path)) == {"2.wav", "3.wav"}


def test_no_bounds(tmp_path: Path) -> None:
    callbacks = SavingCallbacks(tmp_path, max_files=None, max_bytes=None)
    for _ in range(3):
        callbacks.handle_receive_tts(b"s", "", "", "a.wav")
    assert set(saved(tmp_path)) == {"a.wav", "a-2.wav", "a-3.wav"}


def test_files_of_the_user_neither_count_nor_go(tmp_path: Path) -> None:
    for number in range(5):
        (tmp_path / f"mine-{number}").write_bytes(b"mine")
    callbacks = SavingCallbacks(tmp_path, max_files=1)
    callbacks.handle_receive_tts(b"s", "", "", "a.wav")
    (tmp_path / "a.wav").unlink()
    (tmp_path / "a.wav").write_bytes(b"now it is mine")
    callbacks.handle_receive_tts(b"s", "", "", "b.wav")
    callbacks.handle_receive_tts(b"s", "", "", "c.wav")
    kept = {f"mine-{number}": b"mine" for number in range(5)}
    assert saved(tmp_path) == {**kept, "a.wav": b"now it is mine", "c.wav": b"s"}


@pytest.mark.parametrize(
    "line",
    [
        b'["../outside", 6, 6, %f]',
        b'["sub/inside", 6, 6, %f]',
        b'["..", 6, 6, %f]',
        b'[".hidden", 6, 6, %f]',
        b"[1]",
        b"{}",
        b"\xff\xfe",
        b"[" * 5000,
        b'["a", 1e999, 6, 6]',
    ],
)
def test_a_ledger_that_was_tampered_with_removes_nothing(tmp_path: Path, line: bytes) -> None:
    directory = tmp_path / "saved"
    (directory / "sub").mkdir(parents=True)
    victims = [tmp_path / "outside", directory / "sub" / "inside", directory / ".hidden"]
    for victim in victims:
        victim.write_bytes(b"theirs")
    line = line.replace(b"%f", repr(victims[0].stat().st_mtime).encode())
    (directory / LEDGER_NAME).write_bytes(line + b"\n")
    callbacks = SavingCallbacks(directory, max_files=1)
    for number in range(2):
        callbacks.handle_receive_tts(b"s", "", "", f"{number}.wav")
    assert all(victim.read_bytes() == b"theirs" for victim in victims)
    assert (directory / "1.wav").exists()


def test_a_ledger_that_is_a_symlink_is_not_followed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    directory = tmp_path / "saved"
    directory.mkdir()
    (directory / LEDGER_NAME).symlink_to(tmp_path / "elsewhere")
    SavingCallbacks(directory).handle_receive_tts(b"s", "", "", "a.wav")
    assert (directory / "a.wav").read_bytes() == b"s"
    assert not (tmp_path / "elsewhere").exists()
    assert "cannot read" in caplog.text
    assert "cannot write" in caplog.text


def test_the_ledger_does_not_grow_for_ever(tmp_path: Path) -> None:
    callbacks = SavingCallbacks(tmp_path, max_files=2)
    for number in range(450):
        assert callbacks.save(b"s", f"{number}.wav", BinType.TTS_AUDIO)
    lines = (tmp_path / LEDGER_NAME).read_text().splitlines()
    assert len(lines) < 250
    assert [json.loads(line)[0] for line in lines[-2:]] == ["448.wav", "449.wav"]
    assert sorted(os.listdir(tmp_path)) == [LEDGER_NAME, "448.wav", "449.wav"]


def test_a_long_ledger_that_cannot_be_replaced_is_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / LEDGER_NAME).write_text('["gone", 6, 1, 1.0]\n' * 300)
    (tmp_path / f"{LEDGER_NAME}.new").mkdir()
    callbacks = SavingCallbacks(tmp_path)
    assert callbacks.save(b"x", "a.txt", BinType.FILE) == tmp_path / "a.txt"
    assert caplog.text.count("cannot write") == 1


def test_a_file_that_goes_at_once_is_not_noted(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.add(tmp_path / "gone", BinType.FILE)
    assert ledger.present() == []
    assert not (tmp_path / LEDGER_NAME).exists()


def test_callbacks_without_a_player_or_listener(tmp_path: Path) -> None:
    callbacks = SavingCallbacks(tmp_path, save_raw_audio=True)
    callbacks.handle_receive_raw_audio(b"\1\2", 8000, 2, None)
    callbacks.close()
    assert set(saved(tmp_path)) == {"audio.wav"}


@pytest.mark.parametrize("options", [{"max_files": 0}, {"max_bytes": -1}, {"max_files": True}, {"player": 7}])
def test_options_that_make_no_sense_are_refused(tmp_path: Path, options: dict[str, Any]) -> None:
    with pytest.raises(InvalidOption):
        SavingCallbacks(tmp_path, **options)


RAW = {
    "audio.wav": "handle_receive_raw_audio",
    "transcribe.wav": "handle_receive_stt_transcribe",
    "utterance.wav": "handle_receive_stt_handle",
}


@pytest.mark.parametrize(("name", "method"), RAW.items())
def test_raw_audio_becomes_a_wav_file_where_that_is_wanted(tmp_path: Path, name: str, method: str) -> None:
    told: list[Any] = []
    callbacks = SavingCallbacks(tmp_path, on_saved=lambda *facts: told.append(facts), save_raw_audio=True)
    getattr(callbacks, method)(b"\1\2\3\4", 8000, 2, "en")
    with wave.open(str(tmp_path / name)) as file:
        assert (file.getframerate(), file.getsampwidth(), file.getnchannels()) == (8000, 2, 1)
        assert file.readframes(9) == b"\1\2\3\4"
    ((path, kind, metadata),) = told
    assert path.name == name
    assert f"handle_receive_{kind.name.lower().replace('_audio', '')}" in (method, "handle_receive_raw")
    assert metadata == {"sample_rate": 8000, "sample_width": 2, "lang": "en"}


def test_raw_audio_is_of_16_khz_where_the_hub_does_not_say(tmp_path: Path) -> None:
    callbacks = SavingCallbacks(tmp_path, save_raw_audio=True)
    callbacks.handle_receive_raw_audio(b"\1\2", None, None, None)
    with wave.open(str(tmp_path / "audio.wav")) as file:
        assert (file.getframerate(), file.getsampwidth()) == (16000, 2)


@pytest.mark.parametrize(
    ("rate", "width"), [("8000", 2), (0, 2), (10**9, 2), (8000, 3), (8000, 9), (True, 2)]
)
def test_raw_audio_that_makes_no_sense_is_a_warning(
    tmp_path: Path, rate: Any, width: Any, caplog: pytest.LogCaptureFixture
) -> None:
    SavingCallbacks(tmp_path, save_raw_audio=True).handle_receive_raw_audio(b"\1\2", rate, width, None)
    assert saved(tmp_path) == {}
    assert "was not saved" in caplog.text


def test_raw_audio_is_ignored_by_default(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    SavingCallbacks(tmp_path).handle_receive_raw_audio(b"\1\2", None, None, None)
    assert saved(tmp_path) == {}
    assert "save_raw_audio is off" in caplog.text


def test_speech_of_a_hub_is_a_wav_file_of_equal_frames(
    tmp_path: Path, hivemind_hub: EmbeddedHub, hivemind_client_factory: Callable[..., Any]
) -> None:
    arrived = threading.Event()
    frames = bytes(range(256)) * 200
    sent = wav_bytes(frames, 22_050)
    callbacks = SavingCallbacks(tmp_path / "speech", on_saved=lambda *_: arrived.set())
    hivemind_client_factory(bin_callbacks=callbacks).connect()
    assert hivemind_hub.send_tts(sent, "hello", file_name="../../hello.wav") == 1
    assert arrived.wait(5)
    with wave.open(str(tmp_path / "speech" / "hello.wav")) as got, wave.open(io.BytesIO(sent)) as original:
        assert got.getparams() == original.getparams()
        assert got.readframes(got.getnframes()) == frames
    assert os.listdir(tmp_path) == ["speech"]


def test_a_file_of_20_mib_of_a_hub(
    tmp_path: Path, hivemind_hub: EmbeddedHub, hivemind_client_factory: Callable[..., Any]
) -> None:
    arrived = threading.Event()
    data = os.urandom(2**20) * 20
    callbacks = SavingCallbacks(tmp_path, on_saved=lambda *_: arrived.set())
    hivemind_client_factory(bin_callbacks=callbacks).connect()
    message = HiveMessage(
        HiveMessageType.BINARY, data, bin_type=BinType.FILE, metadata={"file_name": "big.bin"}
    )
    assert hivemind_hub.broadcast(message) == 1
    assert arrived.wait(20)
    assert (tmp_path / "big.bin").read_bytes() == data
