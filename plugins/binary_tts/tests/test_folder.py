from __future__ import annotations

import errno
import os
import stat
import threading
from pathlib import Path
from typing import Any

import pytest

from hivemind_client_binary_tts import folder as folders
from hivemind_client_binary_tts.folder import Folder
from hivemind_core_client.errors import InvalidOption


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def test_the_folder_is_made_for_its_owner_only(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "a" / "b")
    assert folder.path == tmp_path / "a" / "b"
    assert mode(folder.path) == 0o700


def test_home_and_relative_paths_are_understood(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert Folder("~/speech").path == tmp_path / "speech"
    monkeypatch.chdir(tmp_path)
    folder = Folder("here")
    monkeypatch.chdir("/")
    assert folder.add("a.txt", b"a", durable=False) == tmp_path / "here" / "a.txt"


@pytest.mark.parametrize("directory", ["~no-such-user-here/x", "with\0nul", 7, None])
def test_what_is_no_directory_is_refused(directory: Any) -> None:
    with pytest.raises(InvalidOption, match="Pass a folder"):
        Folder(directory)


def test_a_file_in_the_way_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(InvalidOption, match="cannot save files in"):
        Folder(tmp_path / "file")


def test_a_folder_that_cannot_be_written_in_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(InvalidOption, match="may not write"):
        Folder(tmp_path)


@pytest.mark.parametrize("durable", [True, False])
def test_a_file_is_for_its_owner_only_and_nothing_else_is_left(tmp_path: Path, durable: bool) -> None:
    path = Folder(tmp_path).add("a.wav", b"\0data", durable)
    assert path.read_bytes() == b"\0data"
    assert mode(path) == 0o600
    assert path.stat().st_nlink == 1
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("links", [True, False])
def test_a_name_that_is_taken_gets_a_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    if not links:
        monkeypatch.setattr(os, "link", no_links)
    folder = Folder(tmp_path)
    added = [folder.add("a.b.wav", bytes([number]), durable=False) for number in range(3)]
    assert [path.name for path in added] == ["a.b.wav", "a.b-2.wav", "a.b-3.wav"]
    assert [path.read_bytes() for path in added] == [b"\0", b"\1", b"\2"]
    assert folder.add("plain", b"", durable=False).name == "plain"
    assert folder.add("plain", b"", durable=False).name == "plain-2"
    assert all(mode(path) == 0o600 for path in tmp_path.iterdir())
    assert len(list(tmp_path.iterdir())) == 5


@pytest.mark.parametrize("links", [True, False])
def test_symlinks_in_the_way_are_not_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    if not links:
        monkeypatch.setattr(os, "link", no_links)
    victim = tmp_path / "victim"
    victim.write_bytes(b"mine")
    folder = Folder(tmp_path / "saved")
    (folder.path / "a.wav").symlink_to(victim)
    (folder.path / "a-2.wav").symlink_to(tmp_path / "not-there")
    assert folder.add("a.wav", b"theirs", durable=False).name == "a-3.wav"
    assert victim.read_bytes() == b"mine"
    assert not (tmp_path / "not-there").exists()


def test_many_at_once_lose_nothing(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    start = threading.Barrier(8)

    def add(number: int) -> None:
        start.wait(5)
        for turn in range(5):
            folder.add("same.wav", f"{number}-{turn}".encode(), durable=False)

    threads = [threading.Thread(target=add, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    contents = sorted(path.read_text() for path in tmp_path.iterdir())
    assert contents == sorted(f"{number}-{turn}" for number in range(8) for turn in range(5))


def test_a_file_has_its_name_only_when_it_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    link = os.link

    def watching(source: Path, target: Path) -> None:
        seen.append((source.parent == target.parent, source.read_bytes(), target.exists()))
        link(source, target)

    monkeypatch.setattr(os, "link", watching)
    Folder(tmp_path).add("a.wav", b"all of it", durable=False)
    assert seen == [(True, b"all of it", False)]


def test_a_full_disk_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        Folder(tmp_path).add("a.wav", b"data", durable=True)
    assert list(tmp_path.iterdir()) == []


def test_a_replacement_that_fails_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "link", no_links)
    monkeypatch.setattr(os, "replace", no_links)
    with pytest.raises(PermissionError):
        Folder(tmp_path).add("a.wav", b"data", durable=False)
    assert list(tmp_path.iterdir()) == []


def test_a_thousand_of_one_name_are_no_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folders, "_MOST_NUMBERED", 3)
    folder = Folder(tmp_path)
    names = [folder.add("a.wav", b"", durable=False).name for _ in range(4)]
    assert names[:2] == ["a.wav", "a-2.wav"]
    assert all(len(name) == len("a-01234567.wav") for name in names[2:])
    monkeypatch.setattr(os, "link", taken)
    with pytest.raises(FileExistsError, match="every name"):
        folder.add("a.wav", b"", durable=False)


def test_a_folder_that_was_removed_is_made_again(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "gone")
    folder.path.rmdir()
    assert folder.add("a.txt", b"a", durable=False).read_bytes() == b"a"
    assert mode(folder.path) == 0o700


def test_what_a_dead_process_left_half_written_goes(tmp_path: Path) -> None:
    old, new, other = (tmp_path / name for name in (".hivemind-incoming-1", ".hivemind-incoming-2", ".other"))
    for path in (old, new, other):
        path.touch()
    for path in (old, other):
        os.utime(path, (1, 1))
    Folder(tmp_path)
    assert sorted(tmp_path.iterdir()) == [new, other]


def test_a_system_without_utf8_names_gets_plain_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsencode", lambda name: name.encode("ascii"))
    names = [Folder(tmp_path).add(name, b"", durable=False).name for name in ("Grüße.wav", "plain.wav")]
    assert names == ["Gr__e.wav", "plain.wav"]


def no_links(*_: object) -> None:
    raise PermissionError(errno.EPERM, "Operation not permitted")


def taken(*_: object) -> None:
    raise FileExistsError(errno.EEXIST, "File exists")
