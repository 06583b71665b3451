"""What QUERY and CASCADE share: the metadata that tells question from answer, and which answer is to what.

Answers wrap a BUS or INTERCOM message. The OVOS types `hive.query.complete` (a stream is over) and
`hive.query.timeout` (nobody answered) are control messages, see docs/messages.md.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from hivemind_core_client.plugins.contract import Action, CancelTimer, Context, Deliver, Dispatch
from hivemind_core_client.wire.json_text import Json
from hivemind_core_client.wire.message import HiveMessage, HiveMessageType

log = logging.getLogger(__name__)

COMPLETE = "hive.query.complete"
TIMEOUT = "hive.query.timeout"
#: How many questions may be open at once; the oldest is forgotten first.
MOST_OPEN = 1000
#: The memory in which whoever asks leaves how long he waits.
_PATIENCE = "asking"
_ANSWERS = frozenset({HiveMessageType.BUS, HiveMessageType.INTERCOM})


def prepare(context: Context, message: HiveMessage) -> HiveMessage:
    """Give a question an id and say who asks, where that is missing. An answer goes as it is."""
    if is_answer(message):
        return message
    asked = {"originator_peer": context.peer, **message.metadata, "query_id": own_id(message)}
    return message.copy(metadata=asked)


def own_id(message: HiveMessage) -> str:
    """The id of a question: the one that it has, or a new one where it has none that is a text."""
    return query_id(message) or str(uuid.uuid4())


def is_answer(message: HiveMessage) -> bool:
    """True for an answer, False for a question."""
    return bool(message.metadata.get("is_response"))


def query_id(message: HiveMessage) -> str:
    """The id of the question that a message is, or answers; empty where there is none."""
    given = message.metadata.get("query_id")
    return given if isinstance(given, str) else ""


def control_type(message: HiveMessage) -> str:
    """`hive.query.complete` or `hive.query.timeout` where an answer is one of these, else an empty text."""
    inner = message.raw_payload
    if inner.get("msg_type") != HiveMessageType.BUS.value or not isinstance(inner.get("payload"), dict):
        return ""
    name = inner["payload"].get("type")
    return name if name in (COMPLETE, TIMEOUT) else ""


def dispatched(message: HiveMessage) -> list[Action]:
    """The message in an answer, treated as if it had come by itself. Raises FrameError for what is none."""
    inner = HiveMessage.deserialize(message.raw_payload)
    if inner.msg_type in _ANSWERS:
        return [Dispatch(inner)]
    log.info("dropped an answer of type %s: only BUS and INTERCOM are answers", inner.msg_type.name)
    return []


@contextmanager
def patient(context: Context, message: HiveMessage, seconds: float) -> Iterator[None]:
    """While this question is sent, its handler finds out with `patience` that whoever asks waits `seconds`."""
    waiting = context.recall(_PATIENCE)
    waiting[query_id(message)] = seconds
    try:
        yield
    finally:
        waiting.pop(query_id(message), None)


def patience(context: Context, query: str, default: float) -> float:
    """How many seconds the asker of a question that is about to leave waits; `default` where he did not say."""
    return float(context.recall(_PATIENCE).get(query, default))


def unanswered(query: str, error: str) -> Deliver:
    """What a hub says when nobody answers, said by ourselves; `error` is a word for the reason."""
    return Deliver({"type": TIMEOUT, "data": {"query_id": query, "error": error}, "context": {}})


def opened(context: Context, name: str, query: str) -> Json:
    """The memory of a question that is about to leave; the oldest goes where there are too many."""
    questions = context.recall(name)
    while len(questions) >= MOST_OPEN:
        questions.pop(next(iter(questions)))
    questions[query] = {}
    memory: Json = questions[query]
    return memory


def close_all(context: Context, name: str) -> list[Action]:
    """The session has ended: no open question will be answered, and whoever asked is told."""
    questions = context.recall(name)
    actions: list[Action] = []
    for query in list(questions):
        actions += [CancelTimer(HiveMessageType(name), query), unanswered(query, "connection_lost")]
    questions.clear()
    return actions
