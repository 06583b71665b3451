from __future__ import annotations

import logging
from pathlib import Path

import pytest

from hivemind_client_binary_tts import Player, PlayingCallbacks, wav_bytes
from hivemind_core_client.errors import InvalidOption

ONE, OTHER = wav_bytes(b"\1\0" * 160), wav_bytes(b"\2\0" * 160)


def test_speech_is_played_in_its_order_and_not_kept() -> None:
    played: list[tuple[bytes, Path]] = []
    callbacks = PlayingCallbacks(lambda path: played.append((path.read_bytes(), path)))
    for number, sound in enumerate([ONE, OTHER]):
        callbacks.handle_receive_tts(sound, "hello", "en-US", f"{number}.wav")
    assert callbacks.player.wait(10)
    callbacks.close()
    assert [sound for sound, _ in played] == [ONE, OTHER]
    assert not any(path.parent.exists() for _, path in played)


def test_years_of_speech_fill_no_disk() -> None:
    left: list[int] = []
    callbacks = PlayingCallbacks(
        lambda path: left.append(sum(p.suffix == ".wav" for p in path.parent.iterdir()))
    )
    for number in range(50):
        callbacks.handle_receive_tts(ONE, "hello", "en-US", f"{number}.wav")
        assert callbacks.player.wait(10)
    assert len(left) == 50
    assert max(left) <= 32


def test_a_player_of_the_user_is_taken() -> None:
    player = Player(["true"])
    assert PlayingCallbacks(player).player is player


def test_a_machine_without_a_player_is_told_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InvalidOption, match=r"none of ffplay.*apt install ffmpeg"):
        PlayingCallbacks()


def test_files_are_ignored_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    callbacks = PlayingCallbacks(lambda path: None)
    with caplog.at_level(logging.WARNING):
        callbacks.handle_receive_file(b"milk", "notes.txt")
    assert "ignored a file of 4 bytes" in caplog.text
