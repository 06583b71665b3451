"""Wherever a command shows an error, what mends it is worded for the command line and not for the library."""

from __future__ import annotations

import io
from typing import Any, Callable
from unittest import mock

import pytest
from prompt_toolkit import PromptSession
from prompt_toolkit.application import create_app_session
from prompt_toolkit.input import create_pipe_input

from hivemind_client_cli.connection import Connection
from hivemind_client_cli.connection_reporter import ConnectionReporter
from hivemind_client_cli.line_editor import chat
from hivemind_client_cli.output import Output
from hivemind_core_client.errors import ConnectionLost, Mend, MessageDenied, Setting
from hivemind_core_client.plugins.manager import Plugins

from .fakes import FakeClient, message
from .mesh_fakes import MeshClient, spoke

ERROR = ConnectionLost(
    "TLS failed for password-of-the-fake", Mend("pass ", Setting("ca_file", "--ca-file FILE"))
)
WORDED = "TLS failed for ***. Pass --ca-file FILE"

Patch = pytest.MonkeyPatch


def fails(*args: Any, **more: Any) -> Any:
    raise ERROR


def edited(client: FakeClient, typed: Callable[[], str]) -> str:
    """What the line editor shows when somebody types one line and leaves."""
    output = Output(stdout=io.StringIO())
    output.hide(client.password)
    with create_pipe_input() as keyboard, create_app_session(input=keyboard):
        steps = iter([typed])

        def prompt(session: PromptSession[str], *arguments: Any) -> str:
            for step in steps:
                return step()
            raise EOFError

        with mock.patch.object(PromptSession, "prompt", prompt):
            chat(output, client, "en-US")  # type: ignore[arg-type]  # a stand-in for the client
    return str(output.stdout.getvalue())


def ran(run: Any, patch: Patch, client: FakeClient, *args: str) -> str:
    patch.setattr(Connection, "client", lambda connection: client)
    return str(run(*args).err)


def a_line_that_is_not_sent(run: Any, patch: Patch) -> str:
    return edited(FakeClient(fails), lambda: "hello")


def a_line_that_is_denied(run: Any, patch: Patch) -> str:
    denied = MessageDenied("my.type")
    denied.what, denied.mends = ERROR.what, ERROR.mends
    patch.setattr(f"{FakeClient.__module__}.denial_of", lambda data: denied)
    return edited(FakeClient(lambda sent: [message("hive.policy.denied")]), lambda: "hello")


def a_connection_lost_at_the_editor(run: Any, patch: Patch) -> str:
    client = FakeClient()
    return edited(client, lambda: client.drop(ERROR) or "")


def a_connection_lost_while_listening(run: Any, patch: Patch) -> str:
    remarks: list[str] = []
    client, output = FakeClient(), Output()
    output.hide(client.password)
    ConnectionReporter(client, output, remarks.append)  # type: ignore[arg-type]  # a stand-in for the client
    client.drop(ERROR)
    return "\n".join(remarks)


def answers_that_break_off(run: Any, patch: Patch) -> str:
    return ran(run, patch, MeshClient(spoke("ten"), ERROR), "query", "--msg", "my.ask")


def a_message_that_is_not_sent(run: Any, patch: Patch) -> str:
    return ran(run, patch, FakeClient(fails), "send-mycroft", "--msg", "my.alarm")


def a_connection_that_is_not_made(run: Any, patch: Patch) -> str:
    return ran(run, patch, FakeClient(refusal=ERROR), "test-identity")


@pytest.mark.parametrize(
    "shown",
    [
        a_line_that_is_not_sent,
        a_line_that_is_denied,
        a_connection_lost_at_the_editor,
        a_connection_lost_while_listening,
        answers_that_break_off,
        a_message_that_is_not_sent,
        a_connection_that_is_not_made,
    ],
    ids=lambda shown: shown.__name__,
)
def test_errors_are_worded_for_the_command_line(
    run: Any, monkeypatch: Patch, shown: Callable[[Any, Patch], str]
) -> None:
    text = shown(run, monkeypatch)
    assert WORDED in text
    assert "ca_file" not in text


def test_what_is_missing_is_worded_for_the_command_line(run: Any, monkeypatch: Patch) -> None:
    monkeypatch.setattr(Plugins, "require", fails)
    assert "Pass --ca-file FILE" in run("plugins").expect(0).err
    assert run("plugins", "--json").expect(0).json["problem"].endswith("Pass --ca-file FILE")
