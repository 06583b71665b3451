"""The terminal's line editor: history, and a prompt that stays below what the hub says."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Callable

from prompt_toolkit import PromptSession
from prompt_toolkit.completion import WordCompleter
from prompt_toolkit.formatted_text import ANSI, AnyFormattedText
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.output import create_output
from prompt_toolkit.patch_stdout import patch_stdout

from hivemind_client_cli.colours import Part, coloured, is_dumb, shows_colours
from hivemind_client_cli.connection_reporter import ConnectionReporter
from hivemind_client_cli.conversation import COMMANDS, Conversation
from hivemind_client_cli.output import Output, shown
from hivemind_client_cli.user_folders import user_folder

if TYPE_CHECKING:
    from hivemind_core_client import HiveMessageBusClient

_PROMPT = "you> "


def chat(output: Output, client: HiveMessageBusClient, lang: str | None, timeout: float = 10.0) -> None:
    """Read lines until Ctrl-D and send each; print what the hub says above the prompt.

    Ctrl-C clears the line. A hub that goes away and comes back is remarked on, and the talk goes on. What stays without
    an answer for `timeout` seconds is remarked on too.
    """
    with contextlib.redirect_stdout(output.stdout), _above_the_prompt():
        talk = Conversation(output, client, lang, timeout, lambda *parts: _show(output, *parts))
        if not output.quiet:
            _show(output, Part("remark", talk.greeting()))
        reporter = ConnectionReporter(client, output, talk.remark)
        try:
            for line in _lines(_reader(output)):
                talk.take(line)
                if talk.is_over:
                    return
        finally:
            reporter.stop()
            talk.end()


def _show(output: Output, *parts: Part) -> None:
    styled = shows_colours(output.stdout)
    safe = [Part(role, shown(output.masked(text))) for role, text in parts]
    # In one piece, or the prompt may come between.
    print("".join(coloured(*part) if styled else part.text for part in safe), flush=True)


def _lines(read: Callable[[], str]) -> Iterator[str]:
    while True:
        try:
            line = read().strip()
        except KeyboardInterrupt:
            continue
        except EOFError:
            return
        if line:
            yield line


def _above_the_prompt() -> AbstractContextManager[None]:
    """Within the block, what is printed goes above the line that is typed, where the terminal can do that."""
    return contextlib.nullcontext() if is_dumb() else patch_stdout(raw=True)


def _reader(output: Output) -> Callable[[], str]:
    """Reads one line. Raises EOFError at the end, and KeyboardInterrupt for Ctrl-C."""
    if is_dumb():
        return lambda: _plain_line(output)
    session = _session(output)
    prompt: AnyFormattedText = _PROMPT
    if shows_colours(output.stdout):
        prompt = ANSI(coloured("sender", _PROMPT))
    return lambda: session.prompt(prompt)


def _plain_line(output: Output) -> str:
    output.write(_PROMPT)
    line = sys.stdin.readline()
    if not line:
        raise EOFError
    return line


def _session(output: Output) -> PromptSession[str]:
    # The real stdout is named: patch_stdout stands in for sys.stdout.
    return PromptSession(
        history=_history(),
        output=create_output(stdout=output.stdout),
        completer=WordCompleter(list(COMMANDS), sentence=True),
        complete_while_typing=False,
    )


def _history() -> History:
    """History in `hivemind/terminal_history` under the XDG state home, readable by its owner alone."""
    from hivemind_core_client.config.key_files import prepare_private

    path = os.path.join(user_folder("XDG_STATE_HOME", ".local", "state"), "terminal_history")
    prepare_private(path)
    usable = os.path.isfile(path) and os.access(path, os.R_OK | os.W_OK)
    return FileHistory(path) if usable else InMemoryHistory()
