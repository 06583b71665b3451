from __future__ import annotations

import io
import itertools
import stat
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from prompt_toolkit import PromptSession
from prompt_toolkit.application import create_app_session
from prompt_toolkit.input import create_pipe_input

from hivemind_client_cli.line_editor import chat
from hivemind_client_cli.output import Output
from hivemind_core_client.errors import ConnectionLost, NotConnected
from hivemind_core_client.message import HiveMessage
from hivemind_core_client.wire.json_text import Json

from .fakes import FakeClient, message, spoken
from .tools import until

CTRL_C, CTRL_D, UP, ENTER = "\x03", "\x04", "\x1b[A", "\r"


class Shown(str):
    """A step that waits until this text is on the screen, `times` times."""

    def __new__(cls, text: str, times: int = 1) -> Shown:
        made = super().__new__(cls, text)
        made.times = times
        return made

    times: int


class Prompt(int):
    """A step that waits for the prompt of this number, which no text on the screen tells of."""


def talk(client: FakeClient, *steps: str | Prompt | Callable[[], None], quiet: bool = False) -> str:
    """Type the steps, or do them; returns what was shown."""
    screen = io.StringIO()
    output = Output(stdout=screen, quiet=quiet)
    client.connect()
    prompt, prompts = PromptSession.prompt, itertools.count(1)
    begun = 0

    def counted(session: PromptSession[str], *arguments: Any) -> str:
        nonlocal begun
        begun = next(prompts)
        return prompt(session, *arguments)

    with create_pipe_input() as keyboard, create_app_session(input=keyboard):

        def type_in() -> None:
            for step in (*steps, CTRL_D):
                if isinstance(step, Shown):
                    until(lambda shown=step: screen.getvalue().count(shown) >= shown.times)
                elif isinstance(step, Prompt):
                    until(lambda number=step: begun >= number)
                elif callable(step):
                    step()
                else:
                    keyboard.send_text(step)

        typist = threading.Thread(target=type_in)
        typist.start()
        with mock.patch.object(PromptSession, "prompt", counted):
            chat(output, client, "en-US")  # type: ignore[arg-type]  # a stand-in for the client
        typist.join()
    return screen.getvalue()


def said(client: FakeClient) -> list[str]:
    return [sent.raw_payload["data"]["utterances"][0] for sent in client.sent]


def test_a_talk_with_history_and_ctrl_c(home: Path) -> None:
    client = FakeClient(spoken)
    answered = "you said: hello"
    shown = talk(
        client,
        f"hello{ENTER}",
        Shown(answered),
        f"never sent{CTRL_C}",
        Prompt(3),  # what was typed ahead goes with the line that Ctrl-C clears
        f"{UP}{ENTER}",
        Shown(answered, times=2),
        ENTER,
    )
    assert said(client) == ["hello", "hello"]
    assert shown.count("you said: hello") == 2
    assert "Ctrl-D leaves" in shown
    history = home / "state" / "hivemind" / "terminal_history"
    assert stat.S_IMODE(history.stat().st_mode) == 0o600
    assert "+hello" in history.read_text()


def test_denials_and_unasked_speech_are_shown(home: Path) -> None:
    def unasked() -> None:
        client.hear(message("speak", utterance="dinner is ready"))
        client.hear(message("other", utterance="not for ears"))

    client = FakeClient(lambda sent: [message("hive.policy.denied", denied_type="recognizer_loop:utterance")])
    shown = talk(client, f"hello{ENTER}", Shown("allow-msg"), unasked, Shown("dinner is ready"), quiet=True)
    assert "allow-msg recognizer_loop:utterance" in shown
    assert "dinner is ready" in shown
    assert "not for ears" not in shown
    assert "Ctrl-D leaves" not in shown


def test_a_lost_connection_is_remarked_on_and_survived(home: Path) -> None:
    def lose() -> None:
        client.drop(ConnectionLost("the hub went away"))

    def fail(sent: HiveMessage) -> list[Json]:
        if client.handshake_event.is_set():
            return spoken(sent)
        raise NotConnected("no session")

    client = FakeClient(fail)
    shown = talk(
        client,
        Shown("Ctrl-D leaves"),
        lose,
        Shown("[connection lost"),
        f"one{ENTER}",
        Shown("error: no session"),
        client.reconnect,
        Shown("[connected again]"),
        f"two{ENTER}",
        Shown("you said: two"),
    )
    assert "[connection lost, reconnecting: the hub went away]" in shown
    assert "error: no session" in shown
    assert "[connected again]" in shown
    assert "you said: two" in shown


def a_file_for_a_folder(state: Path) -> None:
    state.write_text("a file where a folder should be")


def a_folder_for_a_file(state: Path) -> None:
    (state / "hivemind" / "terminal_history").mkdir(parents=True)


@pytest.mark.parametrize("occupy", [a_file_for_a_folder, a_folder_for_a_file])
def test_without_a_place_for_history(home: Path, occupy: Callable[[Path], None]) -> None:
    occupy(home / "state")
    client = FakeClient(spoken)
    talk(client, f"hello{ENTER}")
    assert said(client) == ["hello"]
