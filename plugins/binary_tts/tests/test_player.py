from __future__ import annotations

import logging
import os
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest

from hivemind_client_binary_tts import Player, SavingCallbacks, wav_bytes
from hivemind_core_client.errors import InvalidOption


class Machine:
    """A PATH with nothing but what a test installs; `log` is what its programs wrote."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "bin"
        self.folder.mkdir()
        self.log = folder / "log"

    def install(self, name: str, script: str = "") -> Path:
        path = self.folder / name
        body = f'printf "%s|" {name} "$@" >> {self.log}\nprintf "\\n" >> {self.log}\n{script}\n'
        path.write_text(f"#!/bin/sh\n{body}")
        path.chmod(0o755)
        return path

    def calls(self) -> list[list[str]]:
        return [line.split("|")[:-1] for line in self.log.read_text().splitlines()]


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine(tmp_path)
    monkeypatch.setenv("PATH", str(made.folder))
    return made


def speech(tmp_path: Path, name: str = "a.wav", data: bytes = b"") -> Path:
    path = tmp_path / name
    path.write_bytes(data or wav_bytes(b"\0\0"))
    return path


@pytest.mark.parametrize(
    ("installed", "chosen"),
    [
        (["afplay", "aplay", "ffplay", "paplay"], "ffplay"),
        (["afplay", "aplay", "paplay"], "paplay"),
        (["afplay", "aplay"], "aplay"),
        (["afplay"], "afplay"),
    ],
)
def test_what_is_installed_is_found(
    machine: Machine, tmp_path: Path, installed: list[str], chosen: str
) -> None:
    for name in installed:
        machine.install(name)
    player = Player.find()
    assert player is not None
    assert player.command[0] == str(machine.folder / chosen)
    path = speech(tmp_path, "-rf a.wav")
    assert player.play(path)
    assert player.wait(5)
    (call,) = machine.calls()
    assert call == [chosen, *player.command[1:], str(path)]
    assert ("--" in call) == (chosen != "afplay")
    if chosen == "ffplay":
        assert {"-nodisp", "-autoexit"} < set(call)
        assert call[call.index("-protocol_whitelist") + 1] == "file"  # a playlist opens no connection


def test_a_machine_without_a_player_has_none(machine: Machine, caplog: pytest.LogCaptureFixture) -> None:
    assert Player.find() is None
    assert "ffplay, paplay, aplay, afplay" in caplog.text


def test_aplay_is_spared_what_it_would_play_as_noise(
    machine: Machine, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    machine.install("aplay")
    player = Player.find()
    assert player is not None
    player.play(speech(tmp_path, "a.wav", b"ID3 is no WAV"))
    player.play(speech(tmp_path, "b.wav"))
    assert player.wait(5)
    assert [call[-1] for call in machine.calls()] == [str(tmp_path / "b.wav")]
    assert "plays .wav only" in caplog.text


def test_no_shell_reads_a_path(machine: Machine, tmp_path: Path) -> None:
    player = Player([str(machine.install("play"))])
    path = tmp_path / "a b; $(touch pwned) 'x'.wav"
    player.play(path)
    assert player.wait(5)
    assert machine.calls() == [["play", str(path)]]
    assert not Path("pwned").exists()


def test_one_plays_after_the_other_in_order(tmp_path: Path) -> None:
    playing, order, most = 0, [], []

    def play(path: Path) -> None:
        nonlocal playing
        playing += 1
        most.append(playing)
        order.append(path.name)
        playing -= 1

    player = Player(play)
    for number in range(10):
        assert player.play(tmp_path / str(number))
    assert player.wait(5)
    assert order == [str(number) for number in range(10)]
    assert set(most) == {1}


def test_play_returns_while_something_plays_and_the_queue_is_bounded(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    began, go, played = threading.Event(), threading.Event(), []

    def play(path: Path) -> None:
        played.append(path.name)
        began.set()
        assert go.wait(5)

    player = Player(play, limit=2)
    assert player.play(tmp_path / "0")
    assert began.wait(5)
    assert [player.play(tmp_path / name) for name in "123"] == [True, True, False]
    assert not player.wait(0)
    go.set()
    assert player.wait(5)
    assert played == ["0", "1", "2"]
    assert "not played" in caplog.text


def test_the_thread_ends_when_there_is_nothing_to_play(tmp_path: Path) -> None:
    player = Player(lambda path: None)
    for _ in range(2):
        player.play(tmp_path)
        assert player.wait(5)
        assert "hivemind-player" not in [thread.name for thread in threading.enumerate() if thread.is_alive()]


class Endless:
    """A program that tells its process id once it runs, and does not end."""

    def __init__(self, machine: Machine, tmp_path: Path) -> None:
        self._pipe = tmp_path / "pipe"
        os.mkfifo(self._pipe)
        self.program = str(machine.install("endless", f"echo $$ > {self._pipe}; exec /bin/sleep 60"))

    def pid(self) -> int:
        return int(self._pipe.read_text())


def is_gone(pid: int) -> bool:
    """Neither running nor waiting to be reaped."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_stop_ends_what_plays_and_forgets_what_waits(
    machine: Machine, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    endless = Endless(machine, tmp_path)
    callbacks = SavingCallbacks(tmp_path / "saved", Player([endless.program]))
    for _ in range(3):
        callbacks.handle_receive_tts(b"x", "", "", "a.wav")
    pid = endless.pid()
    callbacks.close()
    assert callbacks.player is not None
    assert callbacks.player.wait(5)
    assert is_gone(pid)
    assert len(machine.calls()) == 1
    assert caplog.text == ""


def test_after_stop_it_plays_again(machine: Machine, tmp_path: Path) -> None:
    endless = Endless(machine, tmp_path)
    player = Player([endless.program])
    player.stop()
    for _ in range(2):
        player.play(tmp_path / "a.wav")
        endless.pid()
        player.stop()
        assert player.wait(5)
    assert len(machine.calls()) == 2


def test_a_stop_between_two_steps_is_not_lost(machine: Machine, tmp_path: Path) -> None:
    class Late(Player):
        def run(self, path: Path) -> None:
            self.stop()  # the program has not been started yet
            super().run(path)

    endless = Endless(machine, tmp_path)
    player = Late(["/bin/sh", endless.program])
    player.play(tmp_path / "a.wav")
    assert player.wait(5)


def test_a_player_that_hangs_is_ended(
    machine: Machine, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    player = Player(["/bin/sh", "-c", "exec /bin/sleep 60"], timeout=0.05)
    player.play(tmp_path / "a.wav")
    assert player.wait(5)
    assert "took more than 0.05 s" in caplog.text


def test_how_long_a_program_may_take(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    minute = wav_bytes(bytes(2 * 16_000 * 60))
    files = {
        "a.wav": minute,
        "late.wav": minute[:12] + b"JUNK\3\0\0\0abc\0" + minute[12:],
        "list.wav": b"#EXTM3U\nlist.wav\n",
        "cut.wav": minute[:28],
        "slow.wav": minute[:28] + b"\1\0\0\0" + minute[32:],
        "endless.wav": minute[:12] + b"JUNK\0\0\0\0" * 100,
        "empty.wav": b"",
    }
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    waits: list[float] = []

    class Ended:
        """A program that has ended at once."""

        returncode = 0

        def __init__(self, command: list[str], **_: object) -> None:
            """It is not run."""

        def wait(self, seconds: float = 0) -> None:
            waits.append(seconds)

        def kill(self) -> None:
            """It has ended."""

    def patience(name: str, **options: float) -> int:
        waits.clear()
        Player(["unused"], **options).run(tmp_path / name)
        return round(waits[0])

    monkeypatch.setattr(subprocess, "Popen", Ended)
    seconds = {name: patience(name) for name in [*files, "missing"]}
    assert seconds.pop("a.wav") == seconds.pop("late.wav") == 70
    assert set(seconds.values()) == {120}
    assert patience("a.wav", timeout=7) == 7


def test_a_player_that_fails_is_logged_and_the_next_file_played(
    machine: Machine, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    script = "printf 'no \\033[31mdevice\\n' >&2; exit 3"
    player = Player([str(machine.install("play", script))])
    for name in "ab":
        player.play(tmp_path / name)
    assert player.wait(5)
    assert len(machine.calls()) == 2
    failures = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert len(failures) == 2
    assert failures[0].endswith("play ended with 3: no ?[31mdevice")


def test_a_player_that_is_gone_or_raises_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def broken(path: Path) -> None:
        raise RuntimeError("out of tune")

    for player in (Player([str(tmp_path / "not-there")]), Player(broken)):
        player.play(tmp_path / "a.wav")
        assert player.wait(5)
    assert "a.wav was not played: [Errno 2]" in caplog.text
    assert "out of tune" in caplog.text


def test_a_subclass_plays_in_its_own_way(tmp_path: Path) -> None:
    class Loud(Player):
        def run(self, path: Path) -> None:
            shouted.append(path.name.upper())

    shouted: list[str] = []
    player = Loud(["unused"])
    player.play("relative.wav")
    assert player.wait(5)
    assert shouted == ["RELATIVE.WAV"]


@pytest.mark.parametrize(
    ("command", "options"),
    [([], {}), ("ffplay", {}), (None, {}), (["x"], {"limit": 0}), (["x"], {"timeout": 0})],
)
def test_what_is_no_player_is_refused(command: Any, options: dict[str, Any]) -> None:
    with pytest.raises(InvalidOption):
        Player(command, **options)
