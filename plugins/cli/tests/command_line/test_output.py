"""A stdout that is full, closed, gone or ASCII, and words from the wire that would steer a terminal."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from hivemind_client_cli.connection import Connection
from hivemind_client_cli.output import NotShown, Output, shown
from hivemind_client_cli.ovos_messages import as_text
from hivemind_core_client.plugins.contract import HubFacts

from .fakes import FakeClient, message
from .tools import command, environment

STEERING = "\x1b[2J\x9b31m\u202ehub\x07\r\n"


@pytest.mark.parametrize(
    "args",
    [
        ("show-identity",),
        ("show-identity", "--json"),
        ("plugins", "--json"),
        ("--help",),
        ("--version",),
        ("nonsense", "--json"),
    ],
    ids=" ".join,
)
def test_a_full_disk_is_an_error(args: tuple[str, ...]) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            command(*args), env=environment(), stdout=full, stderr=subprocess.PIPE, text=True, timeout=50
        )
    assert done.returncode == (2 if "nonsense" in args else 1)
    assert done.stderr.startswith("error: ")
    assert "nonsense" in args or "cannot write to stdout: No space left on device" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("args", ["show-identity", "show-identity --json"])
def test_a_stdout_that_is_closed_is_an_error(args: str) -> None:
    program = 'exec "$@" >&-'
    done = subprocess.run(
        ["sh", "-c", program, "sh", *command(*args.split())],
        env=environment(),
        stderr=subprocess.PIPE,
        text=True,
        timeout=50,
    )
    assert (done.returncode, done.stderr) == (1, "error: cannot write to stdout: it is closed\n")


def test_help_into_a_pipe_that_nobody_reads_is_no_fuss() -> None:
    with subprocess.Popen(
        command("--help"), env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 1


def test_a_full_stderr_changes_nothing() -> None:
    done = subprocess.run(
        ["sh", "-c", 'exec "$@" 2>&-', "sh", *command("nonsense")],
        env=environment(),
        stdout=subprocess.PIPE,
        text=True,
        timeout=50,
    )
    assert (done.returncode, done.stdout) == (2, "")


ASCII = [{"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}]


@pytest.mark.parametrize("variables", ASCII, ids=lambda variables: ",".join(variables))
def test_an_ascii_stdout(variables: dict[str, str]) -> None:
    def run(*args: str) -> str:
        return subprocess.run(
            command(*args), env=environment(**variables), capture_output=True, timeout=50, check=True
        ).stdout.decode("ascii")

    run("set-identity", "--siteid", "kuche-\N{SNOWMAN}")
    assert "site           kuche-?" in run("show-identity").replace("???", "?")
    found = json.loads(run("show-identity", "--json"))["site_id"]
    assert found.encode("utf-8", "surrogateescape").decode() == "kuche-\N{SNOWMAN}"


def test_half_a_character_is_no_failure(capsys: pytest.CaptureFixture[str]) -> None:
    Output().result(None, "a \ud800 b")
    Output(json=True).result({"text": "a \ud800 ö"})
    first, second = capsys.readouterr().out.splitlines()
    assert first == "a ? b"
    assert json.loads(second) == {"text": "a \ud800 ö"}


def test_what_could_steer_a_terminal_is_not_shown() -> None:
    assert shown(STEERING) == "?[2J?31m?hub?\n"
    assert shown("one\ttwo\nthree\r\nfour") == "one\ttwo\nthree\nfour"
    emoji = "\N{WOMAN}\u200d\N{ROCKET} 10\u00a0% na\u00efve"
    assert shown(emoji) == emoji.replace("\u00a0", " ")


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_json_steers_no_terminal_and_loses_nothing(tmp_path: Path, encoding: str) -> None:
    kept = "na\u00efve \u65e5\u672c \U0001f680"
    data = {
        f"key {STEERING}": ["\u2066", "\x7f\x9b31m", {"x": "\U000e0001 \u202e"}],
        "kept": kept,
    }
    with (tmp_path / "out").open("w", encoding=encoding) as stream:
        Output(stdout=stream, json=True).result(data)
    text = (tmp_path / "out").read_text("utf-8")
    assert text.removesuffix("\n").isprintable()
    assert json.loads(text) == data
    assert encoding == "ascii" or kept in text


def test_secrets_are_masked_in_results(capsys: pytest.CaptureFixture[str]) -> None:
    secret = 'quo"te\\n\x9bsecret'
    for as_json in (True, False):
        output = Output(json=as_json)
        output.hide(secret, "mycroft", "short", "n-before-0123")
        data = {"a": [f"it is {secret}!", 1, None], secret: "\nn-before-0123", "type": "mycroft.stop"}
        output.result(data, f"{secret} of mycroft")
    first, second = capsys.readouterr().out.splitlines()
    assert json.loads(first) == {"a": ["it is ***!", 1, None], "***": "\n***", "type": "mycroft.stop"}
    assert second == "*** of mycroft"


def test_a_result_without_a_json_form(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(NotShown, match="no JSON form"):
        Output(json=True).result({"x": float("nan")})
    assert capsys.readouterr().out == ""


def test_the_hubs_own_name_is_cleaned(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    client = FakeClient()
    client.hub = HubFacts(f"{STEERING}{'x' * 500}", "peer")
    monkeypatch.setattr(Connection, "client", lambda connection: client)
    out = run("test-identity").expect(0).out
    assert out.startswith("ok: hub ?[2J?31m?hub???xxx")
    assert len(out.splitlines()) == 1
    assert len(out) < 200
    assert run("test-identity", "--json").expect(0).json["hub"]["node_id"] == client.hub.node_id


def test_speech_and_other_messages_are_cleaned(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    client = FakeClient(lambda sent: [message("my.reply", text=STEERING)])
    monkeypatch.setattr(Connection, "client", lambda connection: client)
    args = ("send-mycroft", "--msg", "my.ask", "--wait", "my.reply")
    assert "\x9b" not in run(*args).expect(0).out
    assert run(*args, "--json").expect(0).json["answer"]["data"]["text"] == STEERING
    assert as_text(message("speak", utterance="hi")) == "hi"


def test_access_keys_in_the_names_of_other_satellites_are_not_printed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    peer = "0123456789abcdef0123456789abcdef::3::attic::s1"
    data = {"route": [{"source": peer, "targets": [f"\x1b{peer}"]}]}
    Output(json=True).result(data)
    assert json.loads(capsys.readouterr().out)["route"][0] == {
        "source": "***::3::attic::s1",
        "targets": ["\x1b***::3::attic::s1"],
    }
    output = Output()
    output.result(data, f"from {peer}")
    output.note(peer)
    output.warn(peer)
    output.error(peer, "ConnectionLost", 1)
    printed = "".join(capsys.readouterr())
    assert printed.count("***::3::attic::s1") == 4 and "0123456789abcdef" not in printed
