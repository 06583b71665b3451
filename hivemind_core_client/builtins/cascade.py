"""CASCADE: a question to the whole hive; the answers are gathered, and one of them is delivered."""

from __future__ import annotations

from functools import partial
from typing import Optional

from hivemind_core_client.plugins import asking
from hivemind_core_client.plugins.answers import AnswerAggregator, is_answer, query_id
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
from hivemind_core_client.wire.message import HiveMessage, HiveMessageType

NAME = HiveMessageType.CASCADE.value


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
    if is_answer(message):
        return None
    query = query_id(message)
    expected = context.hive_map.responders(context.peer)
    answers = AnswerAggregator(HiveMessageType.CASCADE, query, partial(_checked, context), expected)
    asking.opened(context, NAME, query, {"answers": answers})
    return [
        SetTimer(HiveMessageType.CASCADE, query, asking.patience(context, query, context.cascade_timeout))
    ]


def receive(context: Context, message: HiveMessage) -> Actions:
    """Gather an answer to a question of ours. A question from others is for listeners alone."""
    memory = asking.open_question(context, message)
    if memory is None:
        return None
    answers: AnswerAggregator[HiveMessage] = memory["answers"]
    answers.take(message)
    query = query_id(message)
    return [CancelTimer(HiveMessageType.CASCADE, query), *_resolve(context, query)] if answers.over else None


def on_timer(context: Context, key: str) -> Actions:
    """The time for answers is over."""
    return _resolve(context, key)


def on_end(context: Context) -> Actions:
    """The session has ended."""
    return asking.close_all(context, NAME)


def _checked(context: Context, message: HiveMessage) -> Optional[HiveMessage]:
    """The answer as it came, for the user to pick from; None where nothing that can be delivered is in it."""
    return None if asking.inner_answer(context, message) is None else message


def _resolve(context: Context, query: str) -> list[Action]:
    memory = context.recall(NAME).pop(query, None)
    if memory is None:
        return []
    answers = tuple(memory["answers"].taken())
    return [Select(answers)] if answers else [asking.unanswered(query, "no_answer")]
