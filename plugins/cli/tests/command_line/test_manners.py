"""Exit codes, clean JSON, no secrets, nothing heavy: what holds for every command."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import click
import pytest

from hivemind_client_cli.main import build_cli
from hivemind_client_cli.output_options import reporting
from hivemind_core_client import errors
from hivemind_core_client.plugins.hookspecs import hookimpl

from .tools import HEAVY, command, environment, plugins_of, spawn


@pytest.mark.parametrize("args", [(), ("--help",), ("terminal", "--help"), ("--version",)])
def test_nothing_heavy_is_imported(args: tuple[str, ...]) -> None:
    program = f"""
import sys
from hivemind_client_cli.main import main
sys.argv = ["hivemind-client", *{args!r}]
if {bool(args)}:
    try:
        main()
    except SystemExit as end:
        assert not end.code, end.code
print([name for name in {HEAVY!r} if name in sys.modules])
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=50,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "[]"


def failing(error: BaseException) -> Any:
    """A plugin whose command `fail` raises this."""

    @click.command()
    @reporting
    def fail(output: Any) -> None:
        output.hide("open sesame")
        sys.stdout.write("a library that prints")
        raise error

    return SimpleNamespace(hivemind_cli_commands=hookimpl(lambda cli: cli.add_command(fail)))


ENDINGS = [
    (errors.PluginError("no"), 1),
    (errors.IdentityNotSet("key"), 2),
    (errors.InvalidOption("no"), 2),
    (errors.KeyRefused("no"), 3),
    (errors.PasswordRefused("no"), 3),
    (errors.HubUnreachable("no"), 4),
    (errors.HubTimeout("ws://h:1", "upgrade", 5), 4),
    (errors.NotConnected("no"), 4),
    (errors.QueryTimeout("no"), 4),
    (errors.ProtocolError("no"), 1),
    (click.UsageError("no"), 2),
    (click.ClickException("no"), 1),
    (ZeroDivisionError("no"), 1),
    (OSError("no"), 1),
]


@pytest.mark.parametrize(("error", "code"), ENDINGS, ids=lambda value: type(value).__name__)
@pytest.mark.parametrize("flags", [["fail"], ["--json", "fail"], ["fail", "--json"]], ids=" ".join)
def test_each_error_has_its_exit_code(run: Any, error: Exception, code: int, flags: list[str]) -> None:
    done = run(*flags, plugins=plugins_of(x=failing(error))).expect(code)
    assert "error: " in done.err
    assert "a library that prints" in done.err
    if "--json" in flags:
        assert done.json["type"] == type(error).__name__
        assert done.json["exit_code"] == code
        assert done.json["error"] in done.err
    else:
        assert done.out == ""


@pytest.mark.parametrize(("error", "code"), ENDINGS, ids=lambda value: type(value).__name__)
def test_only_what_nobody_expected_has_a_traceback(run: Any, error: Exception, code: int) -> None:
    expected = isinstance(error, (errors.HiveMindError, click.ClickException))
    done = run("fail", "--verbose", plugins=plugins_of(x=failing(error))).expect(code)
    assert ("Traceback" in done.err) is not expected


@pytest.mark.parametrize("flag", ["--verbose", "--json"])
def test_secrets_are_masked_in_errors(run: Any, flag: str) -> None:
    done = run("fail", flag, plugins=plugins_of(x=failing(ValueError("the password 'open sesame' is bad"))))
    assert "open sesame" not in done.out + done.err
    assert "the password '***' is bad" in done.err


@pytest.mark.parametrize("error", [KeyboardInterrupt(), click.Abort()])
def test_interrupted(run: Any, error: BaseException) -> None:
    done = run("fail", plugins=plugins_of(x=failing(error))).expect(130)
    assert "Traceback" not in done.err


USAGE = [
    ["nonsense"],
    ["--nonsense"],
    ["ping", "--port", "70000"],
    ["ping", "--count", "0"],
    ["ping", "--timeout", "nan"],
    ["send-mycroft"],
    ["send-mycroft", "--msg", "x", "--payload", "{"],
    ["send-mycroft", "--msg", "x", "--payload", "[1]"],
    ["send-mycroft", "--msg", "x", "--payload", f'{{"x": {"[" * 600}{"]" * 600}}}'],
    ["ping", "--password", "x", "--ask-password"],
    ["ping", "--password-file", "/nonexistent/file"],
    ["ping", "--key", ""],
    ["ping", "--password", ""],
    ["set-identity", "--port", "http"],
    ["test-identity"],
]


@pytest.mark.parametrize("args", USAGE, ids=" ".join)
def test_wrong_usage(run: Any, args: list[str]) -> None:
    done = run(*args).expect(2)
    assert done.out == ""
    assert "error: " in done.err
    assert run("--json", *args).expect(2).json["exit_code"] == 2


def test_without_a_command_help_goes_to_stderr(run: Any) -> None:
    done = run().expect(2)
    assert done.out == ""
    assert "send-mycroft" in done.err


def test_every_command_has_help_with_an_example() -> None:
    cli = build_cli(plugins_of())
    assert {*cli.commands} >= {
        "demo",
        "ping",
        "terminal",
        "plugins",
        "test-identity",
        "reset-pgp",
        "show-identity",
    }
    for name, each in cli.commands.items():
        text = each.get_help(click.Context(each, info_name=f"hivemind-client {name}"))
        assert "Example: " in text, name
        for option in ("--json", "--quiet", "--verbose"):
            assert option in text, name
        for parameter in each.params:
            if isinstance(parameter, click.Option):
                assert parameter.help, (name, parameter.name)


def test_password_option_warns_of_the_process_list(run: Any) -> None:
    assert "process list" in " ".join(run("set-identity", "--help").expect(0).out.split())


def test_quiet_and_json_of_a_note(run: Any) -> None:
    assert "saved" in run("set-identity", "--siteid", "a").expect(0).out
    assert run("set-identity", "--siteid", "a", "--quiet").expect(0).out == ""
    assert run("-q", "set-identity", "--siteid", "a").expect(0).out == ""


def test_a_closed_pipe_is_no_fuss() -> None:
    with subprocess.Popen(
        command("show-identity"), env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""


def test_ctrl_c_in_a_process(tmp_path: Any) -> None:
    secret = tmp_path / "secret"
    os.mkfifo(secret)
    with subprocess.Popen(
        command("set-identity", "--password-file", str(secret)), env=environment(), stderr=subprocess.PIPE
    ) as process:
        writer = os.open(secret, os.O_WRONLY)  # once the process has opened the other end
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130
        os.close(writer)
        assert process.stderr is not None
        assert b"Traceback" not in process.stderr.read()


def test_version_names_both() -> None:
    out = spawn("--version").expect(0).out
    assert "hivemind-client-cli" in out
    assert "hivemind-core-client" in out
