"""Completion: the scripts, what they are told, and how fast."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hivemind_client_cli import message_types
from hivemind_core_client.identity import NodeIdentity

from .tools import HEAVY, command, completed, environment


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script(run: Any, shell: str) -> None:
    script = run("completion", shell).expect(0).out
    assert "_HIVEMIND_CLIENT_COMPLETE" in script
    assert "hivemind-client" in script
    assert "?" not in script.replace("$?", "")
    assert run("completion", shell, "--json").expect(0).json == {"shell": shell, "script": script}
    if shutil.which(shell):
        subprocess.run([shell, "-n"], input=script, text=True, check=True, timeout=20)


def test_help_says_where_to_put_it(run: Any) -> None:
    text = run("completion", "--help").expect(0).out
    for place in (
        "bash-completion/completions/hivemind-client",
        ".zfunc/_hivemind-client",
        "fish/completions",
    ):
        assert place in text


def test_another_shell(run: Any) -> None:
    run("completion", "tcsh").expect(2)


def test_commands_and_options() -> None:
    assert "listen" in completed("hivemind-client l")
    assert completed("hivemind-client trust ") == ["add", "list", "remove", "show"]
    assert "--save" in completed("hivemind-client listen --s")
    assert completed("hivemind-client completion z") == ["zsh"]


def test_message_types() -> None:
    assert completed("hivemind-client listen --type pro") == ["propagate"]
    assert "recognizer_loop:utterance" in completed("hivemind-client listen --type reco")
    assert completed("hivemind-client send-mycroft --msg spe") == ["speak"]
    assert completed("hivemind-client send-mycroft --wait prop") == []


def test_aliases(home: Path) -> None:
    assert completed("hivemind-client trust remove ") == []
    identity = NodeIdentity()
    for alias in ("kitchen", "kiosk", "attic", "ki\nosk"):
        identity.add_trusted_key(alias, "-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----")
    identity.save()
    assert completed("hivemind-client trust remove ki") == ["kitchen", "kiosk"]
    assert completed("hivemind-client trust show a") == ["attic"]
    assert completed("hivemind-client intercom send --to ki") == ["kitchen", "kiosk"]
    assert completed("hivemind-client intercom send --to key.p") == ["key.p"], "a file, for the shell"
    other = home / "other.json"
    other.write_text("{corrupt")
    assert completed(f"hivemind-client trust remove --identity-file {other} ki") == []


def test_a_broken_plugin_does_not_print_into_the_line(tmp_path: Path) -> None:
    from .tools import install

    folder = tmp_path / "packages"
    folder.mkdir()
    install(folder, "broken", "raise RuntimeError('broken on purpose')")
    path = environment(folder)["PYTHONPATH"]
    assert completed("hivemind-client lis", PYTHONPATH=path) == ["listen"]


@pytest.mark.parametrize(
    "variables", [{"COMP_WORDS": "hivemind-client l", "COMP_CWORD": "x"}, {"COMP_WORDS": "x"}, {}], ids=str
)
@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_a_broken_request_is_silent(shell: str, variables: dict[str, str]) -> None:
    done = subprocess.run(
        command(),
        env=environment(_HIVEMIND_CLIENT_COMPLETE=f"{shell}_complete", **variables),
        capture_output=True,
        timeout=50,
    )
    assert (done.returncode, done.stdout, done.stderr) == (1, b"", b"")


def test_completing_imports_nothing_heavy() -> None:
    program = f"""
import sys
from hivemind_client_cli.main import main
sys.argv = ["hivemind-client"]
try:
    main()
except SystemExit as end:
    print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment(
            _HIVEMIND_CLIENT_COMPLETE="zsh_complete",
            COMP_WORDS="hivemind-client listen --type sp",
            COMP_CWORD="3",
        ),
        capture_output=True,
        text=True,
        timeout=50,
        check=True,
    )
    assert done.stderr == "[]\n"
    assert "speak" in done.stdout


def test_every_hive_type_that_arrives_is_offered() -> None:
    assert "shake" not in message_types.HIVE_TYPES
    assert {"bus", "bin", "intercom", "query"} <= {*message_types.HIVE_TYPES}
