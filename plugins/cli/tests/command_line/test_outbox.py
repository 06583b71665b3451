"""`hivemind-client outbox`: what waits in a file is shown, and removed when one says so."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from hivemind_core_client.config.outbox_clock import Clock
from hivemind_core_client.config.outbox_file import OutboxFile, Owner
from hivemind_core_client.message import HiveMessage
from hivemind_core_client.testing import EmbeddedHub

PASSWORD = "Tq7!vLz0#correct-horse-battery-4711"
OWNER = Owner("ws://hub.local:5678", "AN-ACCESS-KEY")


def opened(path: Path) -> OutboxFile:
    file = OutboxFile(str(path), lambda: OWNER, Clock())
    file.open()
    return file


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file in which three messages wait."""
    made = tmp_path / "outbox.db"
    file = opened(made)
    for message in (
        HiveMessage("bus", {"type": "door.bell", "data": {"rings": 1}, "context": {}}),
        HiveMessage("bus", {"type": "evil\x1b[2J", "data": {}, "context": {}}),
        HiveMessage("escalate", HiveMessage("bus", {"type": "alarm", "data": {}, "context": {}})),
    ):
        file.append(message.as_json.encode(), Clock().steady() - 5)
    file.close()
    return made


def test_show_tells_what_waits_for_whom(run: Any, path: Path) -> None:
    done = run("outbox", "show", str(path)).expect(0)
    assert "3 messages wait for ws://hub.local:5678" in done.out
    assert "door.bell" in done.out
    assert "\x1b" not in done.out
    assert OWNER.key not in done.out
    data = run("outbox", "show", str(path), "--json").expect(0).json
    assert (data["waiting"], data["hub"], data["file"]) == (3, OWNER.hub, str(path))
    assert data["bytes"] == sum(len(each.data) for each in opened(path).after(0, 9))
    first, _, last = data["messages"]
    assert first["message"]["payload"]["data"] == {"rings": 1}
    assert 5 <= first["age"] < 100
    assert last["message_type"] == "escalate"


def test_show_is_limited(run: Any, path: Path) -> None:
    data = run("outbox", "show", str(path), "--limit", "1", "--json").expect(0).json
    assert (data["waiting"], [each["number"] for each in data["messages"]]) == (3, [1])


def test_clear_removes_all(run: Any, path: Path) -> None:
    assert "removed 3 messages" in run("outbox", "clear", str(path)).expect(0).out
    assert run("outbox", "clear", str(path), "--json").expect(0).json["removed"] == 0
    assert "0 messages wait" in run("outbox", "show", str(path)).expect(0).out


def test_a_file_in_use_is_left_alone(run: Any, path: Path) -> None:
    file = opened(path)
    assert "is in use" in run("outbox", "clear", str(path)).expect(2).err
    assert file.count == 3
    file.close()


def test_send_sends_what_waits_to_its_hub(run: Any, tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    with EmbeddedHub(clients={"AN-ACCESS-KEY": PASSWORD}) as hub:
        login = (
            "--key",
            "AN-ACCESS-KEY",
            "--password",
            PASSWORD,
            "--host",
            hub.host,
            "--port",
            str(hub.port),
        )
        file = OutboxFile(str(path), lambda: Owner(hub.url, "AN-ACCESS-KEY"), Clock())
        file.open()
        for number in range(3):
            message = HiveMessage("bus", {"type": "count", "data": {"number": number}, "context": {}})
            file.append(message.as_json.encode(), Clock().steady() - 1e6)
        file.close()
        refused = run("outbox", "send", str(path), *login[2:], "--key", "ANOTHER-KEY").expect(2)
        assert "another access key" in refused.err
        assert run("outbox", "send", str(path), *login, "--json").expect(0).json["sent"] == 3
        assert [each["data"]["number"] for each in hub.wait_for("count", count=3)] == [0, 1, 2]
        assert run("outbox", "send", str(path), *login).expect(0).out == "sent 0 messages\n"


@pytest.mark.parametrize("content", [None, b"", b"my notes"])
@pytest.mark.parametrize("command", ["show", "send", "clear"])
def test_what_is_no_outbox_stays_what_it_is(
    run: Any, tmp_path: Path, command: str, content: bytes | None
) -> None:
    path = tmp_path / "other"
    if content is not None:
        path.write_bytes(content)
    assert run("outbox", command, str(path), "--json").expect(2).json["type"] == "OutboxFileError"
    assert os.path.exists(path) == (content is not None)
    assert content is None or path.read_bytes() == content
