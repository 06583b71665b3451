"""Commands that speak to the whole hive: `query`, `cascade` and `broadcast`."""

from __future__ import annotations

import contextlib
import functools
import time
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import click
from attrs import frozen

from hivemind_client_cli.answers import send
from hivemind_client_cli.connection import Connection, connected
from hivemind_client_cli.help_sections import command
from hivemind_client_cli.message_options import (
    Outgoing,
    message_options,
    payload_option,
    site_option,
    warn_without_site,
)
from hivemind_client_cli.message_types import complete_ovos_type
from hivemind_client_cli.options import connection_options, timeout_option
from hivemind_client_cli.output import Output
from hivemind_client_cli.output_options import Function, reporting, stacked
from hivemind_client_cli.ovos_messages import UTTERANCE, bus_message, utterance_data
from hivemind_client_cli.peer_text import described, who
from hivemind_core_client.errors import ConnectionLost, HubCommand, HubRefused, Mend, QueryTimeout
from hivemind_core_client.message import HiveMessage, HiveMessageType
from hivemind_core_client.wire.json_text import Json
from hivemind_core_client.wire.mends import LIST_CLIENTS

if TYPE_CHECKING:
    from hivemind_core_client.kernel.questions import HiveAnswer

_NODE_ID = (" on the hub's machine (", LIST_CLIENTS, " shows NODE_ID)")


@frozen
class Question:
    """The OVOS message that is asked with."""

    msg_type: str
    data: Json

    def packet(self, wrapper: HiveMessageType) -> HiveMessage:
        """The question on its way to the hub."""
        return HiveMessage(wrapper, bus_message(self.msg_type, self.data))

    def as_dict(self) -> Json:
        """`{"type", "data"}`."""
        return {"type": self.msg_type, "data": self.data}


def question_options(function: Function) -> Function:
    """`--utterance` and `--lang`, or `--msg` and `--payload`: a `Question` as the argument `question`."""

    @functools.wraps(function)
    def run(
        *args: Any,
        msg_type: str | None,
        payload: Json,
        utterance: str | None,
        lang: str | None,
        **kwargs: Any,
    ) -> None:
        function(*args, question=_question(msg_type, payload, utterance, lang), **kwargs)

    return _stacked_question_options(run)


_stacked_question_options = stacked(
    click.option("--utterance", metavar="TEXT", help=f"Ask TEXT. Short for --msg {UTTERANCE}."),
    click.option(
        "--msg", "msg_type", metavar="TYPE", shell_complete=complete_ovos_type, help="Type of the message."
    ),
    payload_option,
    click.option("--lang", metavar="LANG", help="Language of --utterance [default: that of the hub]."),
)


def _question(msg_type: str | None, payload: Json, utterance: str | None, lang: str | None) -> Question:
    if utterance is not None:
        if msg_type is not None or payload:
            raise click.UsageError("--utterance stands for --msg and --payload: give it, or those")
        return Question(UTTERANCE, utterance_data(utterance, lang))
    if not msg_type:
        raise click.UsageError("nothing to ask: give --utterance TEXT, or --msg TYPE")
    return Question(msg_type, payload)


@command("query", epilog='Example: hivemind-client query --utterance "what time is it"')
@question_options
@timeout_option(30.0, "How long to wait for each answer.")
@connection_options
@reporting
def query(output: Output, connection: Connection, question: Question, timeout: float) -> None:
    """Ask your hub, then the hubs above it. The first that knows an answer gives it.

    Each answer is printed when it comes. --verbose shows who gave it. --json prints one document at the end: "complete"
    is true if the hub said that these are all.

    Exit codes: 4 nobody answers, 3 the hub does not allow the message. Hub 4.0.0 never answers. Hub 4.15 answers
    utterances only.
    """
    with connected(output, connection) as client:
        with _explaining("QUERY", "escalate", timeout):
            stream = client.query(question.packet(HiveMessageType.QUERY), timeout=timeout)
        answers, complete = _print_stream(output, stream)
    if output.json:
        output.result({"sent": question.as_dict(), "answers": answers, "complete": complete})


@command("cascade", epilog='Example: hivemind-client cascade --utterance "is anybody there"')
@question_options
@timeout_option(5.0, "How long to collect answers.")
@connection_options
@reporting
def cascade(output: Output, connection: Connection, question: Question, timeout: float) -> None:
    """Ask the whole hive, and print every answer and who gave it.

    Exit codes: 4 nobody answers, 3 the hub does not allow the message. Behind hub 4.0.0 nobody ever answers.
    """
    with connected(output, connection) as client, _explaining("CASCADE", "propagate", timeout):
        answers = client.cascade(question.packet(HiveMessageType.CASCADE), timeout=timeout)
    output.result(
        {"sent": question.as_dict(), "answers": [_as_dict(answer) for answer in answers]},
        "\n".join(_line(answer, named=True) for answer in answers),
    )


@command(
    "broadcast",
    epilog="""Example: hivemind-client broadcast --msg my.alarm --payload '{"door": "open"}' --site kitchen""",
)
@site_option
@message_options
@connection_options
@reporting
def broadcast(output: Output, connection: Connection, outgoing: Outgoing, site: str | None) -> None:
    """Send a message to all satellites of the hub. Only a satellite that is an administrator may do this.

    The OVOS of a satellite handles it if its site is SITE. Hub 4.0.0 knows no sites. It gives the bare message to
    everybody.

    If this satellite is no administrator, the hub ends the connection: exit code 3. Hub 4.0.0 drops the message and
    says nothing.
    """
    warn_without_site(output, site)
    packet = outgoing.wrapped(HiveMessageType.BROADCAST, site)
    with connected(output, connection) as client:
        send(output, client, outgoing, packet, _described, _administrator(outgoing.msg_type))


def _described(message: Json) -> str:
    return described(message["type"], message.get("data") or {})


def _print_stream(output: Output, stream: Iterable[HiveAnswer]) -> tuple[list[Json], bool]:
    """Print each answer when it comes, but with --json; returns them all, and whether the stream came to its end."""
    answers: list[Json] = []
    try:
        for answer in stream:
            answers.append(_as_dict(answer))
            if not output.json:
                output.result(None, _line(answer, named=output.verbose))
    except (QueryTimeout, ConnectionLost) as error:
        output.warn(f"there may be more answers: {output.worded(error)}")
        return answers, False
    return answers, True


@contextlib.contextmanager
def _explaining(name: str, privilege: str, timeout: float) -> Iterator[None]:
    """Within the block, silence and a connection that ends come with what the hub may be missing."""
    began = time.monotonic()
    try:
        yield
    except QueryTimeout as error:
        # A hub may say early that there is no answer; then its version is not the reason.
        silent = time.monotonic() - began >= timeout
        raise error.with_mends(*([Mend(f"hub 4.0.0 answers no {name}")] if silent else [])) from error
    except ConnectionLost as error:
        raise error.with_mends(
            Mend(
                f"a hub ends the connection on a {name} from a satellite that may not {privilege}: if that is so, run ",
                HubCommand((f"allow-{privilege}", "NODE_ID")),
                *_NODE_ID,
            )
        ) from error


@contextlib.contextmanager
def _administrator(msg_type: str) -> Iterator[None]:
    """Within the block, a connection that ends is a hub's no to a broadcast."""
    try:
        yield
    except ConnectionLost as error:
        raise HubRefused(
            f"the hub dropped the connection on the broadcast of {msg_type!r}: it does that when a satellite is no "
            "administrator",
            Mend("run ", HubCommand(("make-admin", "NODE_ID")), *_NODE_ID),
            Mend(
                "if it is one already: newer hubs have ", HubCommand(("allow-broadcast", "NODE_ID")), " too"
            ),
        ) from error


def _as_dict(answer: HiveAnswer) -> Json:
    message = answer.message
    return {
        "responder": answer.responder,
        "message": {"type": message.msg_type, "data": message.data, "context": message.context},
    }


def _line(answer: HiveAnswer, named: bool) -> str:
    text = described(answer.message.msg_type, answer.message.data)
    return f"{who(answer.responder)}: {text}" if named else text
