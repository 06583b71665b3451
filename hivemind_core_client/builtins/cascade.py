"""CASCADE: a question to the whole hive; the answers are gathered, and one of them is delivered."""

from __future__ import annotations

import logging

from hivemind_core_client.plugins import asking
from hivemind_core_client.plugins.contract import (
    Action,
    Actions,
    CancelTimer,
    Context,
    MessageHandler,
    Select,
    SetTimer,
)
from hivemind_core_client.plugins.hookspecs import hookimpl
from hivemind_core_client.wire.json_text import Json
from hivemind_core_client.wire.message import HiveMessage, HiveMessageType

log = logging.getLogger(__name__)

NAME = HiveMessageType.CASCADE.value
#: How long answers are gathered, in seconds, where the asker does not say.
GATHERING = 5.0
#: How many answers to one question are kept.
MOST_ANSWERS = 1000


@hookimpl(trylast=True)
def hivemind_message_handlers() -> list[MessageHandler]:
    """The handler of CASCADE."""
    return [
        MessageHandler(
            HiveMessageType.CASCADE, NAME, receive, asking.prepare, on_timer, on_send=on_send, on_end=on_end
        )
    ]


def on_send(context: Context, message: HiveMessage) -> Actions:
    """Begin to gather the answers to a question of ours."""
    if asking.is_answer(message):
        return None
    query = asking.query_id(message)
    expected = context.hive_map.responders(context.peer)
    asking.opened(context, NAME, query).update(answers=[], complete=set(), expected=expected)
    return [SetTimer(HiveMessageType.CASCADE, query, asking.patience(context, query, GATHERING))]


def receive(context: Context, message: HiveMessage) -> Actions:
    """Gather an answer to a question of ours. A question from others is for listeners alone."""
    if not asking.is_answer(message):
        log.debug("a CASCADE that others asked arrived")
        return None
    query = asking.query_id(message)
    gathered: Json | None = context.recall(NAME).get(query)
    if gathered is None:
        log.info("dropped an answer to a CASCADE that nobody waits for here")
        return None
    _gather(gathered, message)
    if not 0 < gathered.get("expected", 0) <= len(gathered["complete"]):
        return None
    return [CancelTimer(HiveMessageType.CASCADE, query), *_resolve(context, query)]


def on_timer(context: Context, key: str) -> Actions:
    """The time for answers is over."""
    return _resolve(context, key)


def on_end(context: Context) -> Actions:
    """The session has ended."""
    return asking.close_all(context, NAME)


def _gather(gathered: Json, message: HiveMessage) -> None:
    """Keep an answer, or note that somebody has given all of his."""
    responder = message.metadata.get("responder_peer")
    if asking.control_type(message):
        if len(gathered["complete"]) < MOST_ANSWERS:
            gathered["complete"].add(responder if isinstance(responder, str) else "")
    elif len(gathered["answers"]) < MOST_ANSWERS and asking.dispatched(message):
        gathered["answers"].append(message)


def _resolve(context: Context, query: str) -> list[Action]:
    gathered = context.recall(NAME).pop(query, None)
    if gathered is None:
        return []
    answers = tuple(gathered["answers"])
    return [Select(answers)] if answers else [asking.unanswered(query, "no_answer")]
