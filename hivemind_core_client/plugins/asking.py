"""What the handlers of QUERY and CASCADE share: the memory of open questions, and how long they wait."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Optional

from hivemind_core_client.plugins.answers import TIMEOUT, is_answer, own_id, query_id
from hivemind_core_client.plugins.contract import Action, CancelTimer, Context, Deliver
from hivemind_core_client.wire.errors import FrameError
from hivemind_core_client.wire.json_text import Json
from hivemind_core_client.wire.message import HiveMessage, HiveMessageType

log = logging.getLogger(__name__)

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


def inner_answer(context: Context, message: HiveMessage) -> Optional[HiveMessage]:
    """The message inside an answer, or None for one that is no answer: only BUS and INTERCOM are."""
    try:
        inner = HiveMessage.from_wire(message.raw_payload)
    except FrameError as error:
        context.note(log.info, "dropped an answer that cannot be read: %s", error)
        return None
    if inner.msg_type in _ANSWERS:
        return inner
    context.note(
        log.info, "dropped an answer of type %s: only BUS and INTERCOM are answers", inner.msg_type.name
    )
    return None


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


def opened(context: Context, name: str, query: str, memory: Json) -> None:
    """Remember a question that is about to leave; the oldest is forgotten where there are too many."""
    questions = context.recall(name)
    while len(questions) >= MOST_OPEN:
        questions.pop(next(iter(questions)))
    questions[query] = memory


def open_question(context: Context, message: HiveMessage) -> Optional[Json]:
    """What is remembered of the question of ours that a message answers, None where it answers none."""
    kind = message.msg_type
    if not is_answer(message):
        context.note(log.debug, "a %s that others asked arrived", kind.name)
        return None
    memory: Optional[Json] = context.recall(kind.value).get(query_id(message))
    if memory is None:
        context.note(log.info, "dropped an answer to a %s that nobody waits for here", kind.name)
    return memory


def close_all(context: Context, name: str) -> list[Action]:
    """The session has ended: no open question will be answered, and whoever asked is told."""
    questions = context.recall(name)
    actions: list[Action] = []
    for query in list(questions):
        actions += [CancelTimer(HiveMessageType(name), query), unanswered(query, "connection_lost")]
    questions.clear()
    return actions
