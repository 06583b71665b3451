"""`hivemind-client ask` and `hivemind-client say`: one utterance, with its answer or without."""

from __future__ import annotations

import queue
import threading
from typing import TYPE_CHECKING, Any

import click

from hivemind_client_cli.answers import Dropped, dropped
from hivemind_client_cli.connection import Connection, connected
from hivemind_client_cli.help_sections import command
from hivemind_client_cli.options import connection_options, timeout_option
from hivemind_client_cli.output import Output
from hivemind_client_cli.output_options import reporting, stacked
from hivemind_client_cli.ovos_messages import UTTERANCE, utterance
from hivemind_client_cli.standard_input import stdin_is_terminal, stdin_text
from hivemind_core_client.errors import ConnectionLost, HubCommand, Mend, MessageDenied, NotConnected
from hivemind_core_client.kernel.conversation import UTTERANCES
from hivemind_core_client.wire.json_text import Json

if TYPE_CHECKING:
    from hivemind_core_client import Answer, HiveMessageBusClient

#: A hub is given so long to show that it has read what was said, and to deny it.
_READ_WITHIN_S = 2.0
_DENIED_WITHIN_S = 0.1
#: The client says it again on a thread of its own, by another name.
_AGAIN_WITHIN_S = 1.0
#: The hub takes it by no name: nobody is there to answer.
_NO_AGENT = "backend_unavailable"
_STDIN = "-"

_text_options = stacked(
    click.argument("text", nargs=-1, metavar="[TEXT]..."),
    click.option(
        "--lang", metavar="LANG", help="Language of TEXT, such as en-us [default: that of the hub]."
    ),
)


@command("ask", epilog='Example: hivemind-client ask "what time is it"')
@_text_options
@timeout_option(10.0, "How long to wait for the answer.")
@connection_options
@reporting
def ask(
    output: Output, connection: Connection, text: tuple[str, ...], lang: str | None, timeout: float
) -> None:
    """Ask the assistant TEXT, and print the answer.

    Without TEXT, or with - as TEXT, the question is read from stdin. You need quotes only for characters that your
    shell would change.

    Exit codes: 0 the hub answered, 3 it does not allow the question from this satellite, 4 no answer came in time.

    --json prints "answer", "lang", "messages" (what the answer is made of), "complete" (false if there may be more) and
    "expects_response" (true if the assistant asks you something).
    """
    question = _said(text)
    with connected(output, connection) as client:
        answer = client.ask(question, lang=lang, timeout=timeout)
    output.result(_as_data(question, answer), answer.text or None)
    if not answer.text:
        output.remark("the hub has dealt with it, and said nothing")
    elif not answer.complete:
        output.remark(f"there may be more: the hub did not say within {timeout:g} s that this is all")


@command("say", epilog='Example: hivemind-client say "good morning"')
@_text_options
@connection_options
@reporting
def say(output: Output, connection: Connection, text: tuple[str, ...], lang: str | None) -> None:
    """Say TEXT to the assistant, and wait for no answer.

    Without TEXT, or with - as TEXT, it is read from stdin. The command ends when the hub has read it. Exit code 3: the
    hub does not allow it from this satellite.
    """
    said = _said(text)
    with connected(output, connection) as client:
        fate = _Fate(client)
        client.say(said, lang=lang)
        fate.wait(said)
    output.result({"said": said})
    output.note(f"said {said!r}")


def _said(words: tuple[str, ...]) -> str:
    """The words that were typed, or what is piped in. Raises click.UsageError for nothing."""
    from hivemind_core_client.config.given_texts import as_meant

    if words and words != (_STDIN,):
        said = as_meant(" ".join(words))
    elif words or not stdin_is_terminal():
        said = stdin_text()
    else:
        raise click.UsageError("nothing to say: give TEXT, or pipe it in")
    if not said.strip():
        raise click.UsageError("nothing to say: TEXT is empty")
    return said.strip()


class _Fate:
    """What becomes of what is said from now on."""

    def __init__(self, client: HiveMessageBusClient) -> None:
        self._client = client
        self._denials: queue.Queue[MessageDenied] = queue.Queue()
        self._ended = threading.Event()
        client.on("denied", self._denials.put)
        client.on("close", self._ended.set)

    def wait(self, said: str) -> None:
        """Return when the hub has read it. Raises MessageDenied, and Dropped where the connection ended on it."""
        others = list(UTTERANCES)
        seconds = _DENIED_WITHIN_S
        while others:
            self._confirm(said)
            try:
                denial = self._denials.get(timeout=seconds)
            except queue.Empty:
                return
            others = [name for name in others if name != denial.msg_type]
            # What is denied by one name is said by the next one, where that may be allowed.
            if not others or denial.code == _NO_AGENT or not _may_be_allowed(others, denial):
                allow = (HubCommand(("allow-msg", name, "NODE_ID")) for name in others)
                raise denial.with_mends(*(Mend(each, joint=", or ") for each in allow))
            seconds = _AGAIN_WITHIN_S

    def _confirm(self, said: str) -> None:
        try:
            self._client.round_trip(timeout=_READ_WITHIN_S)
        except TimeoutError:
            pass  # a hub that answers no pings is believed
        except (ConnectionLost, NotConnected) as error:
            raise dropped(Dropped, utterance(said), UTTERANCE, error) from error
        if self._ended.is_set():  # not the state of the client, which may be connected again by now
            raise dropped(Dropped, utterance(said), UTTERANCE, self._client.last_error)


def _may_be_allowed(names: list[str], denial: MessageDenied) -> bool:
    return denial.allowed is None or not {*names}.isdisjoint(denial.allowed)


def _as_data(question: str, answer: Answer) -> Json:
    return {
        "question": question,
        "answer": answer.text,
        "lang": answer.lang,
        "complete": answer.complete,
        "expects_response": answer.expects_response,
        "messages": [_message(each) for each in answer.messages],
    }


def _message(message: Any) -> Json:
    return {"type": message.msg_type, "data": message.data, "context": message.context}
