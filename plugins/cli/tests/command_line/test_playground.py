"""`hivemind-client demo --serve`: a hub that stays, and commands for other terminals that work as they are printed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from hivemind_client_cli import program

from .tools import command, environment, until

#: What goes before an identity file, and would break every command that is pasted.
VARIABLES = {"HIVEMIND_KEY": "another-key", "HIVEMIND_HOST": "hub.invalid", "HIVEMIND_PROFILE": "mine"}


class Served:
    """The hub that one terminal serves; `paste` is what is done at another one."""

    def __init__(self, process: subprocess.Popen[str], **variables: str) -> None:
        self.process = process
        self.told = self.line()
        self._environment = environment(**variables)

    def line(self) -> Any:
        assert self.process.stdout is not None
        return json.loads(self.process.stdout.readline())

    def command(self, name: str) -> str:
        return next(each for each in self.told["commands"] if f" {name} " in each)

    def start(self, typed: str) -> subprocess.Popen[str]:
        pipe = subprocess.PIPE
        return subprocess.Popen(
            typed, shell=True, env=self._environment, stdin=pipe, stdout=pipe, stderr=pipe, text=True
        )

    def paste(self, typed: str, stdin: str = "") -> str:
        with self.start(typed) as process:
            out, err = process.communicate(stdin, timeout=50)
        assert process.returncode == 0, out + err
        return out

    def end(self, number: int) -> int:
        self.process.send_signal(number)
        return self.process.wait(20)


@contextmanager
def serving(**variables: str) -> Iterator[Served]:
    process = subprocess.Popen(
        command("demo", "--serve", "--json"),
        env=environment(**variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield Served(process, **variables)
        finally:
            process.kill()


def test_what_is_printed_works_when_it_is_pasted(home: Path) -> None:
    own = home / "config" / "hivemind" / "_identity.json"
    own.parent.mkdir(parents=True)
    own.write_text('{"name": "mine"}')
    with serving(**VARIABLES) as served:
        assert "It is " in served.paste(served.command("terminal"), "what time is it\n")
        assert served.line()["heard"] == "what time is it"
        assert "It is " in served.paste(served.command("ask"))
        assert served.line()["said"].startswith("It is ")
        served.paste(served.command("doctor"))
        assert served.end(signal.SIGINT) == 0
    assert own.read_text() == '{"name": "mine"}'
    assert [each.name for each in own.parent.iterdir() if each.suffix == ".json"] == [own.name]


def test_one_satellite_hears_the_other() -> None:
    with serving() as served:
        with served.start(f"{served.command('listen')} --json --count 1 --timeout 40") as listening:

            def heard() -> bool:
                served.paste(served.command("broadcast"))
                return listening.poll() is not None

            until(heard)
            assert "my.alarm" in listening.communicate(timeout=20)[0]


#: A program that nohup started goes on when the terminal is closed.
HANGS_UP = pytest.mark.skipif(
    signal.getsignal(signal.SIGHUP) is signal.SIG_IGN, reason="nohup runs the tests"
)


@pytest.mark.parametrize(
    "number", [signal.SIGINT, signal.SIGTERM, pytest.param(signal.SIGHUP, marks=HANGS_UP)]
)
def test_nothing_stays_behind(number: int) -> None:
    with serving() as served:
        files = [Path(each) for each in served.told["identity_files"].values()]
        assert [each.stat().st_mode & 0o777 for each in files] == [0o600, 0o600]
        secrets = [json.loads(each.read_text())["password"] for each in files]
        assert not [each for each in secrets if each in json.dumps(served.told)]
        assert served.end(number) == 0
    assert not [each for each in files if each.parents[1].exists()]


@pytest.mark.parametrize("more", [["--serve"], []])
def test_nothing_stays_behind_of_one_that_has_hardly_begun(tmp_path: Path, more: list[str]) -> None:
    variables = environment(TMPDIR=str(tmp_path))
    with subprocess.Popen(command("demo", *more), env=variables, stdout=subprocess.DEVNULL) as process:
        until(lambda: [*tmp_path.iterdir()])
        process.send_signal(signal.SIGTERM)
    assert process.returncode == (0 if more else 130)
    assert not [*tmp_path.iterdir()]


def test_people_read_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    process = subprocess.Popen(
        command("demo", "--serve"), env=environment(), stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout is not None
        shown = ""
        while "third" not in shown:
            shown += process.stdout.readline()
        process.send_signal(signal.SIGINT)
    assert "until you press Ctrl-C" in shown
    assert "Your own identity is not used" in shown
    assert process.returncode == 0


def test_an_utterance_is_not_asked_while_serving(run: Any) -> None:
    assert "leave UTTERANCE out" in run("demo", "--serve", "hello").expect(2).err


@pytest.mark.parametrize("reachable", [True, False])
def test_the_program_is_named_as_any_terminal_finds_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reachable: bool
) -> None:
    folder = tmp_path / "my tools" / "bin"
    folder.mkdir(parents=True)
    script = folder / program.PROGRAM
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)
    monkeypatch.setattr(sys, "argv", [str(script)])
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("VIRTUAL_ENV", os.devnull if reachable else str(folder.parent))
    assert program.typed_elsewhere() == (program.PROGRAM if reachable else f"'{script}'")
