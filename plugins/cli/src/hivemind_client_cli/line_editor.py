"""The terminal's line editor: history, and a prompt that stays below what the hub says."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from prompt_toolkit import PromptSession
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.output import create_output
from prompt_toolkit.patch_stdout import patch_stdout

from hivemind_client_cli.connection_reporter import ConnectionReporter
from hivemind_client_cli.output import Output, shown
from hivemind_client_cli.ovos_messages import SPEAK, as_text, utterance
from hivemind_client_cli.user_folders import user_folder
from hivemind_core_client.errors import HiveMindError
from hivemind_core_client.message import HiveMessage, HiveMessageType

if TYPE_CHECKING:
    from hivemind_core_client import HiveMessageBusClient


def chat(output: Output, client: HiveMessageBusClient, lang: str | None) -> None:
    """Read lines until Ctrl-D and send each; print what the hub says above the prompt.

    Ctrl-C clears the line. A hub that goes away and comes back is remarked on, and the talk goes on.
    """
    with contextlib.redirect_stdout(output.stdout), patch_stdout(raw=True):
        client.on(HiveMessageType.BUS, lambda message: _show_message(output, message))
        client.on("denied", lambda error: _show_error(output, error))
        if not output.quiet:
            _show(output, "Type what you would say; Ctrl-D leaves.")
        reporter = ConnectionReporter(client, output, lambda text: _show(output, f"[{text}]"))
        try:
            for line in _lines(_session(output)):
                _send(output, client, line, lang)
        finally:
            reporter.stop()


def _show(output: Output, text: str) -> None:
    print(shown(output.masked(text)), flush=True)


def _show_error(output: Output, error: HiveMindError) -> None:
    _show(output, f"error: {output.worded(error)}")


def _show_message(output: Output, message: HiveMessage) -> None:
    """Show speech, and nothing of any other message."""
    payload = message.raw_payload
    if payload.get("type") == SPEAK:
        _show(output, as_text(payload))


def _lines(session: PromptSession[str]) -> Iterator[str]:
    while True:
        try:
            line = session.prompt("> ").strip()
        except KeyboardInterrupt:
            continue
        except EOFError:
            return
        if line:
            yield line


def _send(output: Output, client: HiveMessageBusClient, line: str, lang: str | None) -> None:
    try:
        client.emit(utterance(line, lang))
    except HiveMindError as error:
        _show_error(output, error)


def _session(output: Output) -> PromptSession[str]:
    # The real stdout is named: patch_stdout stands in for sys.stdout.
    return PromptSession(history=_history(), output=create_output(stdout=output.stdout))


def _history() -> History:
    """History in `hivemind/terminal_history` under the XDG state home, readable by its owner alone."""
    from hivemind_core_client.config.key_files import prepare_private

    path = os.path.join(user_folder("XDG_STATE_HOME", ".local", "state"), "terminal_history")
    prepare_private(path)
    usable = os.path.isfile(path) and os.access(path, os.R_OK | os.W_OK)
    return FileHistory(path) if usable else InMemoryHistory()
