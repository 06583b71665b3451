"""`hivemind-client terminal`: type utterances, or pipe them in, and read the answers."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from hivemind_client_cli.answers import Inbox, no_answer
from hivemind_client_cli.connection import Connection, connected
from hivemind_client_cli.help_sections import command
from hivemind_client_cli.options import connection_options, timeout_option
from hivemind_client_cli.output import Output
from hivemind_client_cli.output_options import reporting
from hivemind_client_cli.ovos_messages import HANDLED, SPEAK, UTTERANCE, as_text, utterance
from hivemind_client_cli.standard_input import stdin_is_terminal, stdin_lines
from hivemind_core_client.errors import InvalidMessage, Mend, QueryTimeout
from hivemind_core_client.wire.json_text import Json

if TYPE_CHECKING:
    from hivemind_core_client import HiveMessageBusClient

#: How long after an answer a further one is taken for part of it.
_NEXT_ANSWER_WAIT_S = 0.3


@command("terminal", epilog="Example: echo 'what time is it' | hivemind-client terminal")
@click.option("--lang", metavar="LANG", help="Language of what you type [default: that of the hub].")
@timeout_option(10.0, "How long to wait for an answer.")
@connection_options
@reporting
def terminal(output: Output, connection: Connection, lang: str | None, timeout: float) -> None:
    """Talk to the hub line by line.

    At a terminal you have a line editor with history. Speech is printed above the prompt. Ctrl-C clears the line.
    Ctrl-D ends the command. A line that begins with / is a command: /help shows them all.

    With piped input or --json, each line is sent as it is. The next one is sent after the answer. Exit code 4: an
    answer did not come in time.
    """
    with connected(output, connection) as client:
        if not output.json and stdin_is_terminal() and output.stdout.isatty():
            from hivemind_client_cli.line_editor import chat

            chat(output, client, lang, timeout)
        else:
            _answer_lines(output, client, lang, timeout)


def _answer_lines(output: Output, client: HiveMessageBusClient, lang: str | None, timeout: float) -> None:
    inbox = Inbox(client, SPEAK, HANDLED)
    late: list[str] = []
    unreadable = 0
    for line in stdin_lines():
        if line is None:
            unreadable += 1
            output.warn("a line is no UTF-8 text, and was not sent")
            continue
        inbox.clear()
        client.emit(utterance(line, lang))
        answers = [as_text(message) for message in _speech(inbox, timeout)]
        if not answers:
            late.append(line)
            output.warn(f"no answer to {line!r} within {timeout:g} s")
        output.result({"utterance": line, "answers": answers}, "\n".join(answers) if answers else None)
    if late:
        reason = no_answer(SPEAK, UTTERANCE, timeout)
        raise QueryTimeout.because(f"{len(late)} of the lines got no answer", reason)
    if unreadable:
        raise InvalidMessage(f"{unreadable} of the lines were no UTF-8 text", Mend("send UTF-8", joint="; "))


def _speech(inbox: Inbox, timeout: float) -> list[Json]:
    """The answers to one utterance: until the hub says that it is handled, or for a moment after the last."""
    answers: list[Json] = []
    deadline = time.monotonic() + timeout
    while True:
        left = deadline - time.monotonic()
        message = inbox.next(UTTERANCE, min(_NEXT_ANSWER_WAIT_S, left) if answers else left)
        if message is None or (answers and message["type"] == HANDLED):
            return answers
        if message["type"] == SPEAK:
            answers.append(message)
