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


def talk(
    client: FakeClient, *steps: str | Prompt | Callable[[], None], quiet: bool = False, timeout: float = 10.0
) -> str:
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
            chat(output, client, "en-US", timeout)  # type: ignore[arg-type]  # a stand-in for the client
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

    names = ("recognizer_loop:utterance", "ovos.utterance.handle")
    client = FakeClient(lambda sent: [message("hive.policy.denied", denied_type=name) for name in names])
    shown = talk(client, f"hello{ENTER}", Shown("allow-msg"), unasked, Shown("dinner is ready"), quiet=True)
    assert shown.count("allow-msg recognizer_loop:utterance") == 1
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


def test_the_hub_is_named_and_both_sides_are_set_apart(home: Path) -> None:
    shown = talk(FakeClient(spoken), f"hello{ENTER}", Shown("hub> you said: hello"))
    assert "Connected to the hub hub-1 at hub.invalid:5678, protocol version 1, password." in shown
    assert "you> " in shown


def test_no_answer_is_told(home: Path) -> None:
    client = FakeClient()
    shown = talk(client, f"hello{ENTER}", Shown("[no answer to 'hello'"), timeout=0.05)
    assert "allow-msg recognizer_loop:utterance" in shown


def test_an_answer_is_all_that_was_waited_for(home: Path) -> None:
    """Who spoke may have been anybody: it is not said that nothing came."""
    timers: list[threading.Timer] = []

    class Timer(threading.Timer):
        def cancel(self) -> None:
            timers.append(self)
            super().cancel()

    client = FakeClient()
    speech = message("speak", utterance="dinner is ready")
    with mock.patch.object(threading, "Timer", Timer):
        talk(
            client,
            f"one{ENTER}two{ENTER}",
            lambda: until(lambda: len(client.sent) == 2),
            lambda: client.hear(speech),
            Shown("dinner is ready"),
        )
    assert len(timers) >= 2


def test_speech_by_two_names_is_said_once_and_its_lines_stand_below_each_other(home: Path) -> None:
    def say() -> None:
        for name in ("speak", "ovos.utterance.speak", "speak"):
            client.hear(message(name, utterance="one\ntwo"))

    client = FakeClient()
    shown = talk(client, Shown("Ctrl-D leaves"), say, Shown("     two", times=2))
    assert shown.count("hub> one") == 2 and shown.count("two") == 2


def test_the_commands(home: Path) -> None:
    client = FakeClient(spoken)
    shown = talk(
        client,
        f"/help{ENTER}",
        Shown("/session [new|NAME]"),
        f"/lang{ENTER}",
        Shown("[you type in en-US]"),
        f"/lang pt-PT{ENTER}",
        Shown("[you type in pt-PT]"),
        f"/lang !!{ENTER}",
        Shown("[!! is no language"),
        f"/session{ENTER}",
        Shown("[the session is session-of-the-fake]"),
        f"/session mine{ENTER}",
        Shown("[the session is mine]"),
        f"/session new{ENTER}",
        Shown("[the session is ", times=3),
        f"/nonsense{ENTER}",
        Shown("[there is no /nonsense"),
        f"//say this{ENTER}",
        Shown("you said: /say this"),
        f"/quit{ENTER}",
    )
    assert said(client) == ["/say this"]
    assert client.sent[0].raw_payload["data"]["lang"] == "pt-PT"
    assert len(client.session_id) == 36
    assert "error" not in shown


def test_a_terminal_that_can_only_print(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setattr("sys.stdin", io.StringIO("hello\n\n/help\nbye"))
    client, screen = FakeClient(spoken), io.StringIO()
    client.connect()
    chat(Output(stdout=screen), client, None)  # type: ignore[arg-type]  # a stand-in for the client
    assert said(client) == ["hello", "bye"]
    assert "you> hub> you said: hello\n" in screen.getvalue() and "\x1b" not in screen.getvalue()


def test_control_codes_of_peers_do_nothing(home: Path) -> None:
    client = FakeClient()
    evil = message("speak", utterance="a\x1b]0;owned\x07\x1b[2Jb\u202ec")
    safe = "hub> a?]0;owned??[2Jb?c"
    shown = talk(client, Shown("Ctrl-D leaves"), lambda: client.hear(evil), Shown(safe))
    assert safe in shown
    assert "\x1b]0" not in shown and "\x1b[2J" not in shown and "\u202e" not in shown
