"""QUERY: a question that goes up the hive until somebody answers; the answers stream back down."""

from __future__ import annotations

import logging

from hivemind_core_client.plugins import asking
from hivemind_core_client.plugins.contract import Actions, CancelTimer, Context, MessageHandler, SetTimer
from hivemind_core_client.plugins.hookspecs import hookimpl
from hivemind_core_client.wire.json_text import Json
from hivemind_core_client.wire.message import HiveMessage, HiveMessageType

log = logging.getLogger(__name__)

NAME = HiveMessageType.QUERY.value


@hookimpl(trylast=True)
def hivemind_message_handlers() -> list[MessageHandler]:
    """The handler of QUERY."""
    return [
        MessageHandler(
            HiveMessageType.QUERY, NAME, receive, asking.prepare, on_timer, on_send=on_send, on_end=on_end
        )
    ]


def on_send(context: Context, message: HiveMessage) -> Actions:
    """Remember a question of ours, and bound the wait for its answer."""
    if asking.is_answer(message):
        return None
    query = asking.query_id(message)
    memory = asking.opened(context, NAME, query)
    memory["patience"] = asking.patience(context, query, context.query_timeout)
    return _patience(context, memory, query)


def receive(context: Context, message: HiveMessage) -> Actions:
    """Deliver each answer to a question of ours as it comes. A question from others is for listeners alone."""
    if not asking.is_answer(message):
        log.debug("a QUERY that others asked arrived")
        return None
    query = asking.query_id(message)
    memory: Json | None = context.recall(NAME).get(query)
    if memory is None:
        log.info("dropped an answer to a QUERY that nobody waits for here")
        return None
    control = asking.control_type(message)
    if control:
        del context.recall(NAME)[query]
    ended = [CancelTimer(HiveMessageType.QUERY, query)]
    if control == asking.COMPLETE:
        return ended
    return [*(ended if control else _patience(context, memory, query)), *asking.dispatched(message)]


def on_timer(context: Context, key: str) -> Actions:
    """No answer, or no further one, came in time: say so as a hub would."""
    if context.recall(NAME).pop(key, None) is None:
        return None
    return [asking.unanswered(key, "no_answer")]


def on_end(context: Context) -> Actions:
    """The session has ended."""
    return asking.close_all(context, NAME)


def _patience(context: Context, memory: Json, query: str) -> list[SetTimer]:
    seconds = memory.get("patience", context.query_timeout)
    return [SetTimer(HiveMessageType.QUERY, query, seconds)] if seconds > 0 else []
