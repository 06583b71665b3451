"""`hivemind-client --app NAME`: each application has an identity of its own, or uses the shared one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from hivemind_client_cli.builtin_commands import BUILTIN_COMMANDS
from hivemind_client_cli.main import build_cli
from hivemind_core_client import NodeIdentity
from hivemind_core_client.testing import EmbeddedHub

from .tools import KEY, PASSWORD, plugins_of, spawn


@pytest.fixture
def shared(run: Any, home: Path) -> Path:
    run("set-identity", "--siteid", "hall").expect(0)
    return home / "config" / "hivemind" / "_identity.json"


def site_of(file: Path) -> Any:
    return json.loads(file.read_text())["site_id"]


@pytest.mark.parametrize("behind", [False, True], ids=["before the command", "behind the command"])
def test_set_identity_gives_it_a_file_of_its_own(run: Any, shared: Path, behind: bool) -> None:
    line = ["set-identity", "--siteid", "attic"]
    line = [*line, "--app", "bridge"] if behind else ["--app", "bridge", *line]
    own = shared.parent / "bridge" / "_identity.json"
    assert run(*line, "--json").expect(0).json["file"] == str(own)
    assert (site_of(own), site_of(shared)) == ("attic", "hall")
    assert NodeIdentity(app_name="bridge").site_id == "attic"
    assert run("--app", "bridge", "show-identity", "--json").expect(0).json["file"] == str(own)


def test_without_a_file_of_its_own_it_uses_the_shared_one(home: Path, shared: Path) -> None:
    done = spawn("--app", "bridge", "show-identity", "--json").expect(0)
    assert done.json["file"] == str(shared)
    assert "bridge has no identity of its own" in done.err
    assert not (shared.parent / "bridge").exists()


def test_a_new_key_is_for_the_application_alone(run: Any, shared: Path) -> None:
    before = shared.read_bytes()
    data = run("--app", "bridge", "reset-pgp", "--json").expect(0).json
    assert data["file"] == str(shared.parent / "bridge" / "_identity.json")
    assert shared.read_bytes() == before


@pytest.mark.parametrize("name", ["../hivemind", "", "/etc", "a/b", ".hidden"])
def test_a_bad_name(run: Any, home: Path, name: str) -> None:
    done = run("--app", name, "set-identity", "--siteid", "attic").expect(2)
    assert "app_name" in done.err and "letters" in done.err
    assert not (home / "config").exists()


def test_an_identity_is_one(run: Any, shared: Path) -> None:
    done = run("--app", "bridge", "show-identity", "--identity-file", str(shared)).expect(2)
    assert "--app and --identity-file" in done.err


def test_errors_name_its_file(run: Any, home: Path) -> None:
    done = run("--app", "bridge", "test-identity").expect(2)
    own = home / "config" / "hivemind" / "bridge" / "_identity.json"
    assert f"hivemind-client set-identity --identity-file {own}" in done.err


def test_an_application_connects(run: Any) -> None:
    with EmbeddedHub(clients={KEY: PASSWORD}) as hub:
        address = ("--host", hub.host, "--port", str(hub.port))
        run("--app", "bridge", "set-identity", "--key", KEY, "--password", PASSWORD, *address).expect(0)
        assert run("--app", "bridge", "test-identity").expect(0).out.startswith("ok: hub ")
        run("test-identity").expect(2)


def test_every_command_that_takes_an_identity_file_takes_an_application() -> None:
    cli = build_cli(plugins_of())
    shown = {name: CliRunner().invoke(cli, [name, "--help"]).output for name in BUILTIN_COMMANDS}
    taking = {name for name, text in shown.items() if "--identity-file" in text}
    assert taking > {"terminal", "ping", "doctor"}
    assert {name for name, text in shown.items() if "--app NAME" in text} == taking
