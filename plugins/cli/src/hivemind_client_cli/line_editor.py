"""The terminal's line editor: history, and a prompt that stays below what the hub says."""

from __future__ import annotations

import contextlib
import functools
import os
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from prompt_toolkit import PromptSession
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.output import create_output
from prompt_toolkit.patch_stdout import patch_stdout

from hivemind_client_cli.answers import DENIED
from hivemind_client_cli.output import Output, shown
from hivemind_client_cli.terminal import SPEAK, heard, say
from hivemind_core_client.errors import HiveMindError
from hivemind_core_client.message import HiveMessage, HiveMessageType

if TYPE_CHECKING:
    from hivemind_core_client import HiveMessageBusClient

#: How often, in seconds, the state of the connection is looked at.
_GLANCE = 0.25


def converse(output: Output, client: HiveMessageBusClient, lang: str) -> None:
    """Read lines until Ctrl-D and send each; print what the hub says above the prompt.

    Ctrl-C clears the line. A hub that goes away and comes back is remarked on, and the talk goes on.
    """
    with contextlib.redirect_stdout(output.stdout), patch_stdout(raw=True):
        show = functools.partial(_show, output)
        client.on(HiveMessageType.BUS, lambda message: _hear(message, show))
        if not output.quiet:
            show("Type what you would say; Ctrl-D leaves.")
        with _watching(client, show):
            for line in _lines(_session(output)):
                _send(client, line, lang, show)


def _show(output: Output, text: str) -> None:
    print(shown(output.masked(text)), flush=True)


def _hear(message: HiveMessage, show: Callable[[str], None]) -> None:
    if message.raw_payload.get("type") in (SPEAK, DENIED):
        show(heard(message.raw_payload))


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


def _send(client: HiveMessageBusClient, line: str, lang: str, show: Callable[[str], None]) -> None:
    try:
        say(client, line, lang)
    except HiveMindError as error:
        show(f"error: {error}")


def _session(output: Output) -> PromptSession[str]:
    # The real stdout is named: patch_stdout stands in for sys.stdout.
    return PromptSession(history=_history(), output=create_output(stdout=output.stdout))


def _history() -> History:
    """History in `hivemind/terminal_history` under the XDG state home, readable by its owner alone."""
    home = os.environ.get("XDG_STATE_HOME", "")
    if not os.path.isabs(home):
        home = os.path.join(os.path.expanduser("~"), ".local", "state")
    folder = os.path.join(home, "hivemind")
    path = os.path.join(folder, "terminal_history")
    try:
        os.makedirs(folder, mode=0o700, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        os.chmod(path, 0o600)
    except OSError:
        return InMemoryHistory()
    return FileHistory(path)


@contextlib.contextmanager
def _watching(client: HiveMessageBusClient, show: Callable[[str], None]) -> Iterator[None]:
    """Within the block, say when the connection is lost and when it is back."""
    ended = threading.Event()
    watcher = threading.Thread(target=_watch, args=(client, show, ended), name="hivemind-watch", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        watcher.join(timeout=2 * _GLANCE)


def _watch(client: HiveMessageBusClient, show: Callable[[str], None], ended: threading.Event) -> None:
    stood = True
    while not ended.wait(_GLANCE):
        stands = client.handshake_event.is_set()
        if stands != stood:
            show(
                "[connected again]"
                if stands
                else f"[connection lost, reconnecting: {client.last_error or 'closed'}]"
            )
        stood = stands
