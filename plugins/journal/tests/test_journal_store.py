"""The file: its bounds, its modes, several processes, and disks and files that cannot be used."""

from __future__ import annotations

import logging
import os
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from hivemind_client_journal import writer
from hivemind_client_journal.entry import SENT, Entry
from hivemind_client_journal.place import NoPlace, journal_path
from hivemind_client_journal.reading import JournalError, Query, clear, missing, read, read_one
from hivemind_client_journal.settings import Settings
from hivemind_client_journal.store import Store
from hivemind_client_journal.writer import MOST_ROWS, Writer
from hivemind_core_client import NodeIdentity
from hivemind_core_client.config.key_files import common_file

posix = pytest.mark.skipif(os.name != "posix", reason="mode bits say nothing there")


def entry(number: int, at: float = 0.0, text: str = "{}") -> Entry:
    return Entry(at or time.time(), SENT, "bus", f"type.{number}", "node", "hub", len(text), text)


def types(path: str) -> list[str]:
    return [each.ovos_type for each in read(path, Query())]


def written(path: str, settings: Settings, entries: list[Entry]) -> None:
    store = Store(path, settings)
    store.append(entries, 0, time.time())
    store.close()


def run(path: str, program: str) -> subprocess.Popen[str]:
    """A process of its own; `path` is the first argument of the program."""
    return subprocess.Popen([sys.executable, "-c", program, path], stderr=subprocess.PIPE, text=True)


# bounds


def test_the_oldest_rows_go_first(path: str) -> None:
    for start in (0, 7):
        written(path, Settings(rows=10), [entry(number) for number in range(start, start + 7)])
    assert types(path) == [f"type.{number}" for number in range(4, 14)]


def test_the_bytes_of_all_texts_are_bounded(path: str) -> None:
    texts = [f'{{"x": "{"ä" * 200}"}}' for _ in range(20)]
    size = len(texts[0].encode())
    written(path, Settings(bytes=5 * size), [entry(number, text=text) for number, text in enumerate(texts)])
    assert types(path) == [f"type.{number}" for number in range(15, 20)]
    written(path, Settings(bytes=5 * size - 1), [])
    assert len(types(path)) == 4


def test_the_file_does_not_grow_beyond_what_is_kept(path: str) -> None:
    sizes = []
    for _ in range(12):
        rows = [entry(number, text="x" * 1000) for number in range(100)]
        written(path, Settings(bytes=200_000), rows)
        sizes.append(os.path.getsize(path))
    assert sizes[3] == sizes[-1] < 600_000


def test_what_is_too_old_goes(path: str) -> None:
    now = time.time()
    ages = [40, 31, 29, 1]
    written(path, Settings(), [entry(age, at=now - age * 86_400) for age in ages])
    assert types(path) == ["type.29", "type.1"]


def test_numbers_are_never_used_again(path: str) -> None:
    written(path, Settings(rows=2), [entry(number) for number in range(5)])
    clear(path)
    written(path, Settings(rows=2), [entry(5)])
    assert [each.id for each in read(path, Query())] == [6]
    assert read_one(path, 5) is None


# reading


def test_conditions_are_those_of_the_query(path: str) -> None:
    rows = [
        Entry(100.0, "sent", "bus", "ask"),
        Entry(200.0, "received", "bus", "speak"),
        Entry(300.0, "sent", "escalate", "alarm"),
    ]
    store = Store(path, Settings())
    store.append(rows, 0, 300.0)
    store.close()

    def found(**conditions: object) -> list[int]:
        return [each.id for each in read(path, Query(**conditions))]  # type: ignore[arg-type]

    assert found() == [1, 2, 3]
    assert found(since=200.0) == [2, 3]
    assert found(direction="sent") == [1, 3]
    assert found(types=("bus",)) == [1, 2]
    assert found(types=("alarm", "speak")) == [2, 3]
    assert found(limit=2) == [2, 3]
    assert found(types=("'; DROP TABLE messages",)) == []


def test_where_nothing_was_written_nothing_is_made(path: str) -> None:
    assert (read(path, Query()), read_one(path, 1), missing(path), clear(path)) == ([], None, 0, 0)
    assert not os.path.exists(os.path.dirname(path))


def test_what_was_cleared_is_gone_from_the_disk(path: str) -> None:
    store = Store(path, Settings())
    store.append([entry(1, text='{"said": "something-private"}')], 0, time.time())
    assert clear(path) == 1
    files = [file.read_bytes() for file in Path(path).parent.iterdir()]
    assert not any(b"something-private" in data for data in files)
    store.append([entry(2)], 0, time.time())
    store.close()
    assert types(path) == ["type.2"]


# modes and places


@posix
def test_only_its_owner_may_read_it(path: str) -> None:
    store = Store(path, Settings())
    store.append([entry(1)], 0, time.time())
    folder = Path(path).parent
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()}
    store.close()
    assert "journal.sqlite-wal" in modes and set(modes.values()) == {0o600}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    os.chmod(path, 0o644)
    written(path, Settings(), [])
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600


def test_each_identity_has_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    other = NodeIdentity(str(tmp_path / "kitchen.json"))
    names = [
        os.path.relpath(journal_path(each), tmp_path / "hivemind")
        for each in (NodeIdentity(common_file()), NodeIdentity({}), other)
    ]
    assert names[:2] == ["journal.sqlite", "journal-memory.sqlite"]
    assert len(names[2]) == len("journal-01234567.sqlite") and len(set(names)) == 3
    assert journal_path(other) == journal_path(NodeIdentity(str(tmp_path / "kitchen.json")))
    assert journal_path(other, "/somewhere/x.db") == "/somewhere/x.db"


def test_without_a_home_folder_there_is_no_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "")
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    for given in (None, "~/journal.sqlite"):
        with pytest.raises(NoPlace):
            journal_path(NodeIdentity({}), given)


# several processes

WRITES = """
import sys
from hivemind_client_journal.entry import Entry
from hivemind_client_journal.settings import Settings
from hivemind_client_journal.writer import Writer
writer = Writer(sys.argv[1], Settings())
for batch in range(10):
    for number in range(20):
        writer.put(Entry(1e9 + batch, "sent", "bus", f"{batch}.{number}", text="{}"))
    assert writer.flush(30)
writer.end(30)
"""


def test_several_processes_write_one_file(path: str) -> None:
    """All of them make it at the same moment."""
    processes = [run(path, WRITES.replace("Settings()", "Settings(days=36500)")) for _ in range(4)]
    for process in processes:
        _, errors = process.communicate(timeout=50)
        assert (process.returncode, errors) == (0, "")
    kept = types(path)
    assert len(kept) == 4 * 200 and missing(path) == 0
    assert all(kept.count(name) == 4 for name in set(kept))
    with sqlite3.connect(path) as connection:
        totals = connection.execute("SELECT rows, bytes FROM totals").fetchone()
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()
    assert totals == (800, 1600)


@posix
def test_a_forked_child_writes_by_itself_and_ends_nothing_of_its_parent(path: str) -> None:
    ours = writer.writer_of(path, Settings())
    ours.put(entry(1))
    assert ours.flush(20)
    ours.put(entry(2))  # waits while the process is forked: the parent writes it, and the child does not
    child = os.fork()
    if child == 0:
        code = 1
        try:
            own = writer.writer_of(path, Settings())
            own.put(entry(3))
            code = 0 if own is not ours and own.flush(20) else 2
            writer.end()
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert ours.flush(20)
    ours.put(entry(4))
    writer.end()
    assert sorted(types(path)) == ["type.1", "type.2", "type.3", "type.4"]


def test_the_end_of_the_process_waits_for_what_is_not_written(path: str) -> None:
    program = WRITES.partition("for batch")[0].replace(
        "Writer(sys.argv[1], Settings())", "writer_of(sys.argv[1], Settings())"
    )
    program = program.replace("import Writer", "import writer_of")
    process = run(
        path, program + "import time\nwriter.put(Entry(time.time(), 'sent', 'bus', 'last', text='{}'))"
    )
    assert process.communicate(timeout=50)[1] == ""
    assert not os.path.exists(f"{path}-wal")
    assert types(path) == ["last"]


# what cannot be written


def failing(path: str, caplog: pytest.LogCaptureFixture) -> list[str]:
    """What is logged when two batches cannot be written."""
    with caplog.at_level(logging.INFO):
        failed = Writer(path, Settings())
        for number in range(2):
            failed.put(entry(number))
            assert failed.flush(20)
        failed.end(20)
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.INFO]


def test_a_file_that_is_no_journal_is_left_as_it_is(path: str, caplog: pytest.LogCaptureFixture) -> None:
    os.makedirs(os.path.dirname(path))
    Path(path).write_text("a letter to my aunt, which is longer than the header of a database\n" * 20)
    before = Path(path).read_bytes()
    (line,) = failing(path, caplog)
    assert "file is not a database" in line and "Move the file away" in line
    assert Path(path).read_bytes() == before
    with pytest.raises(JournalError):
        read(path, Query())
    with pytest.raises(JournalError):
        clear(path)
    assert Path(path).read_bytes() == before


def test_a_journal_of_another_version_is_left_as_it_is(path: str, caplog: pytest.LogCaptureFixture) -> None:
    written(path, Settings(), [entry(1)])
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 2")
    connection.close()
    (line,) = failing(path, caplog)
    assert "made by another version (2)" in line
    assert types(path) == ["type.1"]


@posix
@pytest.mark.parametrize("kind", ["fifo", "folder", "no folder"])
def test_what_is_no_file_is_one_warning(path: str, caplog: pytest.LogCaptureFixture, kind: str) -> None:
    parent = os.path.dirname(path)
    if kind == "no folder":
        Path(parent).write_text("in the way")
    else:
        os.makedirs(parent)
        os.mkfifo(path) if kind == "fifo" else os.mkdir(path)
    (line,) = failing(path, caplog)
    assert line.startswith(f"the journal {path} cannot be written")


def test_a_full_disk_is_one_warning_and_told_when_there_is_room(
    path: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite says the same where a database may have no more pages as where the disk has no more room."""
    written(path, Settings(), [entry(0)])
    monkeypatch.setattr("hivemind_client_journal.store.connect", small)
    (line,) = failing(path, caplog)
    assert "full" in line and "Make room on the disk" in line
    monkeypatch.undo()
    assert types(path) == ["type.0"]


def small(path: str) -> sqlite3.Connection:
    """A connection that takes no page more than there are, and has no room for the next row."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("CREATE TABLE IF NOT EXISTS ballast (data BLOB)")
    connection.execute("PRAGMA max_page_count = 1")
    heavy = "AFTER INSERT ON messages BEGIN INSERT INTO ballast VALUES (zeroblob(99999)); END"
    connection.execute(f"CREATE TRIGGER IF NOT EXISTS heavy {heavy}")
    return connection


def test_what_could_not_be_kept_is_counted_and_told(
    path: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "REST_S", 0.0)
    os.makedirs(os.path.dirname(path))
    os.mkdir(path)
    mended = Writer(path, Settings())
    for number in range(3):
        mended.put(entry(number))
        assert mended.flush(20)
    os.rmdir(path)
    mended.put(entry(3))
    mended.end(20)
    assert types(path) == ["type.3"] and missing(path) == 3
    levels = [
        record.levelname for record in caplog.records if record.name.startswith("hivemind_client_journal")
    ]
    assert levels.count("WARNING") == 2  # it cannot be written; three are missing
    assert "3 messages are missing" in caplog.text
    clear(path)
    assert missing(path) == 0


@contextmanager
def held_up(path: str) -> Iterator[Writer]:
    """A writer that waits with one row, as somebody else holds the file; afterwards it has written all it could."""
    written(path, Settings(), [])
    with closing(sqlite3.connect(path, isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        slow = Writer(path, Settings())
        slow.put(entry(0))
        assert not slow.flush(0.5)
        yield slow
        holder.execute("ROLLBACK")
    slow.end(30)


def test_what_waits_for_a_slow_disk_is_bounded(path: str, caplog: pytest.LogCaptureFixture) -> None:
    """Somebody else holds the file: whoever puts rows is not held up, and what is too much is counted."""
    with held_up(path) as slow:
        began = time.monotonic()
        for number in range(MOST_ROWS + 50):
            slow.put(entry(number))
        assert time.monotonic() - began < 2
    assert len(types(path)) == MOST_ROWS + 1 and missing(path) == 50
    assert "50 messages are missing" in caplog.text


def test_texts_that_wait_are_bounded_too(path: str) -> None:
    with held_up(path) as slow:
        for number in range(20):
            slow.put(entry(number, text="x" * 2**20))
    assert missing(path) == 4


def test_a_file_that_was_removed_is_made_anew(path: str) -> None:
    kept = Writer(path, Settings())
    kept.put(entry(1))
    assert kept.flush(20)
    for file in Path(path).parent.iterdir():
        file.unlink()
    kept.put(entry(2))
    kept.end(20)
    assert types(path) == ["type.2"]


def test_who_puts_rows_after_the_end_is_told_nothing(path: str) -> None:
    over = Writer(path, Settings())
    over.end(1)
    over.put(entry(1))
    assert over.flush(1) and not os.path.exists(path)


# settings


def test_settings_are_those_of_the_environment() -> None:
    assert Settings.of({}) == Settings()
    variables = {
        "": " On ",
        "_PATH": "/x",
        "_TYPES": "bus, query",
        "_ROWS": "5",
        "_BYTES": "6",
        "_DAYS": "0.5",
    }
    given = Settings.of({f"HIVEMIND_JOURNAL{name}": value for name, value in variables.items()})
    assert given == Settings(True, "/x", ("bus", "query"), 5, 6, 0.5)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("", "maybe", "HIVEMIND_JOURNAL is 'maybe'"),
        ("_ROWS", "many", "HIVEMIND_JOURNAL_ROWS"),
        ("_ROWS", "0", "rows"),
        ("_DAYS", "nan", "days"),
        ("_TYPES", "bus,hello", "messages of type hello are never recorded"),
        ("_TYPES", "shake", "messages of type shake are never recorded"),
        ("_TYPES", "bin", "messages of type bin are never recorded"),
        ("_TYPES", "speak", "unknown message type"),
    ],
)
def test_settings_that_make_no_sense_are_refused(name: str, value: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Settings.of({f"HIVEMIND_JOURNAL{name}": value})
