"""The file of an outbox: what it refuses, what it keeps, and how old it calls a message."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import pytest

from hivemind_core_client.config.outbox_clock import Clock
from hivemind_core_client.config.outbox_file import OutboxFile, Owner
from hivemind_core_client.kernel.outbox_store import OutboxStore, StoredMessage
from hivemind_core_client.message import HiveMessage, HiveMessageType
from hivemind_core_client.wire.outbox_errors import OutboxFileError
from tests.unit.outbox_support import OWNER, all_of, filled, message, numbers, opened

#: A date at which clocks are set, as Unix time, and one that only a clock shows that was never set.
TODAY, NEVER_SET = 1_800_000_000.0, 1_000.0


class SetClock(Clock):
    """A clock that a test sets: which start of the machine it is, for how long it runs, and the date."""

    def __init__(self, boot: str = "first", running: float = 10.0, date: float = TODAY) -> None:
        self.boot, self._running, self._date = boot, running, date
        self._began = date - running

    def running(self) -> float:
        return self._running

    def date(self) -> float:
        return self._date

    def shift(self) -> float:
        return self._date - self._running

    def steady(self) -> float:
        return self._began + self._running

    def goes_on(self, seconds: float) -> None:
        self._running += seconds
        self._date += seconds

    def is_set(self, date: float) -> None:
        self._date = date


def ages(file: OutboxFile, clock: Clock) -> list[float]:
    return [clock.steady() - each.since for each in all_of(file)]


def refusal(path: Path, owner: Owner = OWNER) -> str:
    with pytest.raises(OutboxFileError) as caught:
        opened(path, owner)
    return str(caught.value)


def test_what_is_kept_outlives_its_client_in_order(tmp_path: Path) -> None:
    path = tmp_path / "made" / "outbox.db"
    filled(path, 1, 2, 3).close()
    file = opened(path)
    assert (file.count, numbers(file), file.hub) == (3, [1, 2, 3], OWNER.hub)
    assert file.size == sum(len(each.data) for each in all_of(file)) == 3 * len(message(1))
    file.remove_up_to(all_of(file)[0].number)
    file.append(message(4), 0.0)
    file.close()
    file.close()
    file.open()
    assert (file.count, numbers(file), file.size) == (3, [2, 3, 4], 3 * len(message(1)))


def test_it_does_what_a_store_does(tmp_path: Path) -> None:
    clock = SetClock()
    store: OutboxStore = OutboxFile(str(tmp_path / "o"), lambda: OWNER, clock)
    assert (store.count, store.size) == (0, 0)
    store.open()
    store.open()
    assert [store.append(message(number), TODAY - number) for number in (1, 2, 3)] == [1, 2, 3]
    assert store.after(0, 2) == [StoredMessage(n, TODAY - n, message(n)) for n in (1, 2)]
    assert [each.number for each in store.after(2, 5)] == [3]
    store.remove_up_to(2)
    store.remove_up_to(1)
    assert (store.count, store.size) == (1, len(message(3)))
    assert [each.number for each in store.after(0, 5)] == [3]
    store.remove_up_to(9)
    assert (store.count, store.size, list(store.after(0, 5))) == (0, 0, [])


def test_a_number_never_comes_twice(tmp_path: Path) -> None:
    file = filled(tmp_path / "o", 1)
    first = all_of(file)[0].number
    file.remove_up_to(first)
    file.close()
    file = filled(tmp_path / "o", 2)
    assert all_of(file)[0].number > first
    file.remove_up_to(first)
    assert file.count == 1


def test_one_that_is_not_open_says_so(tmp_path: Path) -> None:
    file = OutboxFile(str(tmp_path / "o"), lambda: OWNER)
    with pytest.raises(OutboxFileError, match="is not open"):
        file.append(message(1), 0.0)
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(os.name != "posix", reason="there are no modes here")
def test_the_files_are_for_their_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "new" / "o"
    filled(path, 1).close()
    path.chmod(0o644)
    file = filled(path, 2)
    modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in path.parent.iterdir()}
    assert modes == {"o": 0o600, "o-wal": 0o600}
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    file.close()


def test_what_was_sent_is_no_more_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "o"
    file = opened(path)
    text = {"type": "t", "data": {"x": "secret " * 9000}, "context": {}}
    file.remove_up_to(file.append(HiveMessage(HiveMessageType.BUS, text).as_json.encode(), 0.0))
    file.close()
    assert b"secret" not in path.read_bytes()
    assert path.stat().st_size < 60_000
    assert [each.name for each in tmp_path.iterdir()] == ["o"]


def test_one_client_at_a_time_has_it(tmp_path: Path) -> None:
    path = tmp_path / "o"
    file = filled(path, 1)
    assert "is in use by another client" in refusal(path)
    program = (
        "import sys; from hivemind_core_client.config.outbox_file import OutboxFile\n"
        "try: OutboxFile(sys.argv[1], None).open()\nexcept Exception as error: print(error)"
    )
    said = subprocess.run(
        [sys.executable, "-c", program, str(path)], capture_output=True, text=True, timeout=60, check=True
    )
    assert "is in use by another client" in said.stdout
    file.append(message(2), 0.0)
    file.close()
    assert numbers(opened(path)) == [1, 2]


@pytest.mark.parametrize("other", [Owner("ws://other:5678", "KEY"), Owner("ws://hub:5678", "OTHER")])
def test_messages_of_another_hub_or_key_are_refused_and_stay(tmp_path: Path, other: Owner) -> None:
    path = tmp_path / "o"
    filled(path, 1, 2).close()
    said = refusal(path, other)
    assert "has 2 messages for" in said
    assert f"hivemind-client outbox clear {path}" in said
    assert "KEY" not in said
    assert numbers(opened(path)) == [1, 2]


def test_an_empty_one_goes_to_another_hub(tmp_path: Path) -> None:
    path, other = tmp_path / "o", Owner("ws://other:5678", "OTHER")
    file = filled(path, 1)
    file.remove_up_to(1)
    file.close()
    opened(path, other).close()
    assert b"OTHER" not in path.read_bytes()
    assert opened(path, None).hub == other.hub


def foreign_database(path: Path) -> None:
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE messages (number, body)")
    database.close()


def of_a_later_version(path: Path) -> None:
    filled(path, 1).close()
    database = sqlite3.connect(path)
    database.execute("PRAGMA user_version = 99")
    database.close()


def damaged(path: Path) -> None:
    filled(path, *range(50)).close()
    content = bytearray(path.read_bytes())
    content[4096:6000] = b"\xff" * (6000 - 4096)
    path.write_bytes(content)


def with_a_damaged_message(path: Path) -> None:
    filled(path, 12345).close()
    content = path.read_bytes()
    assert b"12345" in content
    path.write_bytes(content.replace(b"12345", b"12346"))


def with_a_type_that_nobody_knows(path: Path) -> None:
    filled(path, 1).close()
    body = b'{"msg_type":"unheard","payload":{}}'
    database = sqlite3.connect(path)
    database.execute("UPDATE messages SET body = ?, checksum = ?", (body, zlib.crc32(body)))
    database.commit()
    database.close()


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda path: path.write_text("my notes, and no database at all"), "a file of another kind"),
        (foreign_database, "is no outbox"),
        (of_a_later_version, "has the form 99"),
        (damaged, "is damaged"),
        (with_a_damaged_message, "a message, number 1, that is damaged"),
        (with_a_type_that_nobody_knows, "a message, number 1, that cannot be read"),
        (lambda path: path.mkdir(), "is no regular file"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_and_left_alone(tmp_path: Path, make: Any, said: str) -> None:
    path = tmp_path / "o"
    make(path)
    before = path.is_dir() or path.read_bytes()
    mode = path.stat().st_mode
    assert said in refusal(path)
    assert (path.is_dir() or path.read_bytes()) == before
    assert path.stat().st_mode == mode
    assert [each.name for each in tmp_path.iterdir()] == ["o"]


def test_an_empty_file_becomes_an_outbox(tmp_path: Path) -> None:
    (tmp_path / "o").touch()
    assert numbers(filled(tmp_path / "o", 1)) == [1]


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert "cannot be made" in refusal(tmp_path / "file" / "o")


FULL_DISK = """
import resource, sys
from pathlib import Path
from hivemind_core_client.errors import OutboxFileError
from tests.unit.outbox_support import all_of, opened
file = opened(Path(sys.argv[1]))
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY))
kept = 0
def large(number):
    text = b'{"msg_type":"bus","payload":{"type":"count","data":{"number":%d,"x":"%s"},"context":{}}}'
    return text % (number, b"x" * 2000)
try:
    while True:
        file.append(large(kept), 0.0)
        kept += 1
except OutboxFileError as error:
    print(error)
assert file.count == kept > 5 and len(all_of(file)) == kept
try:
    while True:
        file.remove_up_to(all_of(file)[0].number)
except OutboxFileError as error:
    print(error)
    left = len(all_of(file))
assert file.count == left <= kept
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
file.remove_up_to(3)
assert file.count == kept - 3 and all_of(file)[0].number == 4
file.append(large(kept), 0.0)
file.close()
print(kept)
"""


@pytest.mark.skipif(os.name != "posix", reason="there is no limit to files here")
def test_a_disk_without_room_raises_and_loses_nothing(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(tmp_path / "o")],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    *said, kept = done.stdout.splitlines()
    assert len(said) == 2
    assert all("disk" in each for each in said)
    assert numbers(opened(tmp_path / "o")) == list(range(3, int(kept) + 1))


def test_the_age_is_told_by_the_clock_that_nobody_sets(tmp_path: Path) -> None:
    clock = SetClock()
    file = filled(tmp_path / "o", 1, clock=clock)
    clock.goes_on(5)
    clock.is_set(TODAY + 1e6)
    assert ages(file, clock) == [5]
    clock.is_set(NEVER_SET)
    assert ages(file, clock) == [5]
    file.close()
    clock.goes_on(5)
    assert ages(filled(tmp_path / "o", clock=clock), clock) == [10]


def age_after_a_restart(path: Path, clock: SetClock) -> float:
    (found,) = ages(opened(path, clock=clock), clock)
    return found


@pytest.mark.parametrize(
    ("date", "age"),
    [(TODAY + 60, 60.0), (TODAY - 60, 0.0), (NEVER_SET, 0.0)],
    ids=["on", "back", "never set"],
)
def test_after_a_restart_of_the_machine_the_date_counts(tmp_path: Path, date: float, age: float) -> None:
    filled(tmp_path / "o", 1, clock=SetClock()).close()
    assert age_after_a_restart(tmp_path / "o", SetClock("second", 0.0, date)) == age


def test_a_date_that_was_never_set_makes_no_message_old(tmp_path: Path) -> None:
    filled(tmp_path / "o", 1, clock=SetClock(date=NEVER_SET)).close()
    assert age_after_a_restart(tmp_path / "o", SetClock("second")) == 0


def test_a_clock_that_was_set_later_counts_for_what_was_kept_before(tmp_path: Path) -> None:
    clock = SetClock(date=NEVER_SET)
    file = filled(tmp_path / "o", 1, clock=clock)
    clock.goes_on(10)
    clock.is_set(TODAY)
    file.append(message(2), clock.steady())
    file.close()
    later = SetClock("second", 0.0, TODAY + 60)
    assert ages(opened(tmp_path / "o", clock=later), later) == [70, 60]


def test_a_message_that_waited_before_it_was_kept_is_as_old(tmp_path: Path) -> None:
    clock = SetClock()
    file = opened(tmp_path / "o", clock=clock)
    file.append(message(1), clock.steady() - 7)
    file.append(message(2), clock.steady() + 7)
    assert ages(file, clock) == [7, 0]


def test_the_clock_of_the_machine_goes_on(tmp_path: Path) -> None:
    clock = Clock()
    file = filled(tmp_path / "o", 1, clock=clock)
    (first,), (second,) = ages(file, clock), ages(file, clock)
    assert 0 <= first <= second < 60
    assert abs(clock.steady() - clock.date()) < 60
