"""`hivemind-client journal`."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import time
from inspect import signature
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from hivemind_client_cli.main import build_cli
from hivemind_client_journal import Query, flush, read
from hivemind_client_journal.entry import Entry
from hivemind_client_journal.settings import Settings
from hivemind_client_journal.store import Store
from hivemind_core_client.plugins.manager import load_plugins
from hivemind_core_client.testing import EmbeddedHub

PASSWORD = "7f3c9a51e08b4d26bb0c4f19d2e6a785"
BUS = json.dumps(
    {
        "msg_type": "bus",
        "payload": {"type": "%s", "data": {"said": "%s"}, "context": {"session": {"session_id": "old"}}},
    }
)


#: Both streams by themselves, as click has them from 8.2 on without being asked.
RUNNER = CliRunner(**({"mix_stderr": False} if "mix_stderr" in signature(CliRunner).parameters else {}))


def run(*arguments: str, **options: Any) -> Result:
    return RUNNER.invoke(build_cli(load_plugins(["journal"])), ["journal", *arguments], **options)


def told(*arguments: str) -> Any:
    done = run(*arguments, "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


@pytest.fixture
def rows(journal: str) -> str:
    """The path of a journal with three rows: an old question, its answer, and one that was too long to be kept."""
    now = time.time()
    store = Store(journal, Settings())
    store.append(
        [
            Entry(now - 7200, "sent", "bus", "ask", "hall", "hub", 9, BUS % ("ask", "hi")),
            Entry(now - 60, "received", "bus", "speak", "hall", "hub", 9, BUS % ("speak", "\\u001b[31mred")),
            Entry(now, "sent", "bus", "big", "hall", "hub", 2**21, None),
        ],
        missing=0,
        now=now,
    )
    store.close()
    return journal


def test_list_shows_the_newest_last(rows: str) -> None:
    lines = run("list").stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["1", "2", "3"]
    assert lines[0].endswith('sent      bus ask  {"said": "hi"}')
    assert "\x1b" not in lines[1]
    assert lines[2].endswith("2097152 bytes, not kept")


@pytest.mark.parametrize(
    ("options", "ids"),
    [
        ((), [1, 2, 3]),
        (("--since", "1h"), [2, 3]),
        (("--since", "2000-01-01"), [1, 2, 3]),
        (("--since", "2000-01-01T10:00:00Z"), [1, 2, 3]),
        (("--type", "speak"), [2]),
        (("--type", "speak", "--type", "ask"), [1, 2]),
        (("--direction", "sent"), [1, 3]),
        (("--limit", "1"), [3]),
        (("--direction", "sent", "--since", "3h", "--limit", "1", "--type", "bus"), [3]),
        (("--type", "nothing"), []),
    ],
)
def test_list_takes_conditions(rows: str, options: tuple[str, ...], ids: list[int]) -> None:
    assert [row["id"] for row in told("list", *options)] == ids


def test_a_row_for_programs(rows: str) -> None:
    first, _, last = told("list")
    assert first["message"]["payload"]["data"] == {"said": "hi"} and first["at"].endswith("+00:00")
    assert (first["direction"], first["msg_type"], first["ovos_type"]) == ("sent", "bus", "ask")
    assert (first["node"], first["hub"]) == ("hall", "hub")
    assert last["message"] is None and last["size"] == 2**21


@pytest.mark.parametrize("when", ["yesterday", "2h ago", "2000-13-01"])
def test_a_time_that_is_none_is_wrong_usage(rows: str, when: str) -> None:
    done = run("list", "--since", when)
    assert done.exit_code == 2 and "--since" in done.stderr


def test_an_empty_journal_says_how_to_fill_it(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HIVEMIND_JOURNAL_PATH", path)
    assert f"nothing fits in {path}; HIVEMIND_JOURNAL=on records" in run("list").output
    assert told("list") == [] and not os.path.exists(path)


def test_what_could_not_be_kept_is_told(rows: str) -> None:
    store = Store(rows, Settings())
    store.append([], 7, time.time())
    store.close()
    assert "7 messages could not be kept" in run("list").stderr


def test_show_has_the_whole_message(rows: str) -> None:
    assert '"said": "hi"' in run("show", "1").stdout
    assert told("show", "1")["message"]["payload"]["type"] == "ask"
    assert "it was too long" in run("show", "3").stdout
    done = run("show", "9")
    assert done.exit_code == 2 and "there is no message 9" in done.stderr


def test_the_journal_is_that_of_the_identity(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: str
) -> None:
    monkeypatch.delenv("HIVEMIND_JOURNAL_PATH")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state-home"))
    (tmp_path / "kitchen.json").write_text("{}")
    folder = tmp_path / "state-home" / "hivemind"
    own = told("clear", "--yes")["file"]
    other = told("clear", "--yes", "--identity-file", str(tmp_path / "kitchen.json"))["file"]
    assert own == str(folder / "journal.sqlite")
    assert other.startswith(str(folder / "journal-")) and not folder.exists()


def address(hub: EmbeddedHub) -> list[str]:
    return ["--host", hub.host, "--port", str(hub.port), "--key", "k", "--password", PASSWORD]


def test_replay_sends_again_and_records_that(rows: str) -> None:
    with EmbeddedHub({"k": PASSWORD}) as hub:
        done = run("replay", "1", "1", "--yes", *address(hub))
        assert done.exit_code == 0, done.output
        sent = [each.raw_payload for each in hub.wait_for("bus", count=2)]
    assert [each["type"] for each in sent] == ["ask", "ask"]
    assert sent[0]["data"] == {"said": "hi"} and sent[0]["context"]["session"]["session_id"] != "old"
    assert flush(20)
    assert [(row.id, row.ovos_type) for row in read(rows, Query())][3:] == [(4, "ask"), (5, "ask")]


@pytest.mark.parametrize(
    ("number", "said"),
    [
        ("2", "message 2 was received: only what was sent can be sent again"),
        ("3", "message 3 was not kept whole"),
        ("9", "there is no message 9"),
    ],
)
def test_what_cannot_be_sent_again_is_said_before_anything_is_sent(rows: str, number: str, said: str) -> None:
    with EmbeddedHub({"k": PASSWORD}) as hub:
        done = run("replay", "1", number, "--yes", *address(hub))
        assert done.exit_code != 0 and hub.received == []
    assert said in done.stderr


@pytest.mark.parametrize("command", [("replay", "1"), ("clear",), ("clear", "--json")])
def test_where_nobody_can_be_asked_nothing_is_done(rows: str, command: tuple[str, ...]) -> None:
    done = run(*command)
    assert done.exit_code == 2 and "give --yes" in done.stdout + done.stderr
    assert len(read(rows, Query())) == 3


@pytest.mark.parametrize(("answer", "left"), [("y\n", 0), ("n\n", 3), ("\n", 3), ("", 3)])
def test_who_is_there_is_asked(rows: str, monkeypatch: pytest.MonkeyPatch, answer: str, left: int) -> None:
    monkeypatch.setattr("hivemind_client_journal.commands.stdin_is_terminal", lambda: True)
    done = run("clear", input=answer)
    assert f"all messages in {rows} are removed" in done.stderr
    assert (done.exit_code == 0) is (left == 0)
    assert len(read(rows, Query())) == left


def test_clear_removes_all(rows: str) -> None:
    assert told("clear", "--yes") == {"file": rows, "removed": 3}
    assert told("list") == []


def test_a_file_that_is_no_journal_is_an_error_that_says_so(rows: str) -> None:
    for file in Path(rows).parent.iterdir():
        file.unlink()
    Path(rows).write_text("nothing of the kind\n" * 99)
    for command in (["list"], ["show", "1"], ["clear", "--yes"]):
        done = run(*command)
        assert done.exit_code == 1 and f"the journal {rows} cannot be read or changed" in done.stderr


def test_a_row_that_somebody_has_spoiled_spoils_no_other(rows: str) -> None:
    connection = sqlite3.connect(rows)
    with connection:
        connection.execute("UPDATE messages SET text = '{' WHERE id = 2")
    connection.close()
    assert [row["message"] is None for row in told("list")] == [False, True, True]
    assert len(run("list").stdout.splitlines()) == 3


def test_settings_that_make_no_sense_are_an_error(rows: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HIVEMIND_JOURNAL_ROWS", "many")
    done = run("list")
    assert done.exit_code == 2 and "HIVEMIND_JOURNAL_ROWS" in done.stderr


def test_other_commands_do_without_sqlite() -> None:
    program = """
import sys
from hivemind_client_cli.main import build_cli
from hivemind_core_client.plugins.manager import load_plugins
cli = build_cli(load_plugins(["journal"]))
print(cli.owners["journal"], "sqlite3" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout == "journal False\n", done.stderr


def test_where_it_is_off_next_to_nothing_is_imported() -> None:
    program = (
        "import sys; from hivemind_client_journal import plugin; plugin.hivemind_message_handlers(); "
        "print([name for name in ('sqlite3', 'click', 'hivemind_client_journal.writer') if name in sys.modules])"
    )
    variables = {**os.environ, "HIVEMIND_JOURNAL": "off"}
    done = subprocess.run([sys.executable, "-c", program], env=variables, capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stderr
