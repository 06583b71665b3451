"""Rows about `hivemind-client terminal` in a terminal, typed at as by its user."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from .hubs import RealHub
from .processes import wait_until
from .rows_client import ANSWER_SECONDS
from .satellite import Satellite
from .table import COMMAND_LINE, behaviour
from .terminals import ARROW_UP, CTRL_C, CTRL_D, ENTER, PtyCommand

_PROMPT = ">"


@contextmanager
def at_terminal(satellite: Satellite) -> Iterator[PtyCommand]:
    """`hivemind-client terminal`, ready to be typed at."""
    satellite.set_identity()
    session = PtyCommand([satellite.script, "terminal"], satellite.env)
    try:
        session.wait_for(_PROMPT)
        yield session
    finally:
        session.close()


def leave(session: PtyCommand) -> None:
    """Ctrl-D, and check what is left behind."""
    session.type(CTRL_D)
    assert session.wait_for_end() == 0, session.shown()
    assert session.leaves_terminal_as_it_was()
    assert "Traceback" not in session.shown()


def said(hub: RealHub, text: str) -> int:
    """How often the hub was told this."""
    spoken = hub.seen("recognizer_loop:utterance")
    return sum(message["data"]["utterances"] == [text] for message in spoken)


@behaviour(
    "`terminal` at a terminal: the answer shows above the prompt; Ctrl-D leaves with exit code 0",
    COMMAND_LINE,
)
def answer_above_prompt(hub: RealHub, satellite: Satellite) -> None:
    with at_terminal(satellite) as session:
        session.type(f"first line{ENTER}half a li")
        session.wait_for("you said: first line")
        # What was typed in the meantime stands below the answer, untouched.
        session.wait_for("half a li", after="you said: first line")
        session.type(f"ne{ENTER}")
        session.wait_for("you said: half a line")
        session.type(CTRL_C)
        leave(session)


@behaviour(
    "`terminal` at a terminal: arrow up brings the last line back, in the next session too", COMMAND_LINE
)
def history(hub: RealHub, satellite: Satellite) -> None:
    text = f"remember me {satellite.name}"
    with at_terminal(satellite) as session:
        session.type(f"{text}{ENTER}")
        session.wait_for(f"you said: {text}")
        session.type(f"{ARROW_UP}{ENTER}")
        assert wait_until(lambda: said(hub, text) == 2, ANSWER_SECONDS), session.shown()
        leave(session)
    with at_terminal(satellite) as session:
        session.type(f"{ARROW_UP}{ENTER}")
        assert wait_until(lambda: said(hub, text) == 3, ANSWER_SECONDS), session.shown()
        leave(session)


@behaviour("`terminal` at a terminal: Ctrl-C clears the line and nothing of it is sent", COMMAND_LINE)
def ctrl_c(hub: RealHub, satellite: Satellite) -> None:
    with at_terminal(satellite) as session:
        session.type(f"never said {satellite.name}{CTRL_C}")
        session.wait_for(_PROMPT, after="never said")
        session.type(f"said {satellite.name}{ENTER}")
        session.wait_for(f"you said: said {satellite.name}")
        leave(session)
    assert said(hub, f"said {satellite.name}") == 1
    assert not any("never said" in str(message["data"]) for message in hub.seen("recognizer_loop:utterance"))


@behaviour("`terminal` at a terminal: hub killed and started again, the talk goes on", COMMAND_LINE)
def hub_restarts(hub: RealHub, satellite: Satellite) -> None:
    with at_terminal(satellite) as session:
        session.type(f"before{ENTER}")
        session.wait_for("you said: before")
        hub.kill()
        session.wait_for("[connection lost, reconnecting")
        hub.start_again()
        session.wait_for("[connected again]")
        session.type(f"after{ENTER}")
        session.wait_for("you said: after")
        leave(session)
