"""QUERY: a question that goes up the hive until somebody answers; the answers stream back down."""

from __future__ import annotations

from functools import partial

from hivemind_core_client.plugins import asking
from hivemind_core_client.plugins.answers import AnswerAggregator, is_answer, query_id
from hivemind_core_client.plugins.contract import (
    Actions,
    CancelTimer,
    Context,
    Dispatch,
    MessageHandler,
    SetTimer,
)
from hivemind_core_client.plugins.hookspecs import hookimpl
from hivemind_core_client.wire.message import HiveMessage, HiveMessageType

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
    if is_answer(message):
        return None
    query = query_id(message)
    seconds = asking.patience(context, query, context.query_timeout)
    answers = AnswerAggregator(HiveMessageType.QUERY, query, partial(asking.inner_answer, context))
    asking.opened(context, NAME, query, {"answers": answers, "patience": seconds})
    return _wait(query, seconds)


def receive(context: Context, message: HiveMessage) -> Actions:
    """Deliver each answer to a question of ours as it comes. A question from others is for listeners alone."""
    memory = asking.open_question(context, message)
    if memory is None:
        return None
    answers: AnswerAggregator[HiveMessage] = memory["answers"]
    if not answers.take(message):
        return None
    query = query_id(message)
    if answers.over:
        del context.recall(NAME)[query]
        return [CancelTimer(HiveMessageType.QUERY, query), *_last_words(context, answers, message)]
    return [*_wait(query, memory["patience"]), *map(Dispatch, answers.taken())]


def on_timer(context: Context, key: str) -> Actions:
    """No answer, or no further one, came in time: say so as a hub would."""
    if context.recall(NAME).pop(key, None) is None:
        return None
    return [asking.unanswered(key, "no_answer")]


def on_end(context: Context) -> Actions:
    """The session has ended."""
    return asking.close_all(context, NAME)


def _wait(query: str, seconds: float) -> list[SetTimer]:
    return [SetTimer(HiveMessageType.QUERY, query, seconds)] if seconds > 0 else []


def _last_words(
    context: Context, answers: AnswerAggregator[HiveMessage], message: HiveMessage
) -> list[Dispatch]:
    """That nobody answers is delivered; that the stream is over is not."""
    inner = asking.inner_answer(context, message) if answers.nobody_answers else None
    return [] if inner is None else [Dispatch(inner)]
