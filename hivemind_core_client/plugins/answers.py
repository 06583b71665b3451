"""What comes back for a QUERY or CASCADE, sans IO: which message is an answer to which question, and when that is over.

The handlers of QUERY and CASCADE and the verbs of the clients gather answers with the same class. Answers wrap another
message. The OVOS types `hive.query.complete` (a stream is over) and `hive.query.timeout` (nobody answered) are
control messages, see docs/messages.md.
"""

from __future__ import annotations

import uuid
from collections import deque
from typing import Callable, Generic, Optional, TypeVar

from attrs import define, field

from hivemind_core_client.wire.errors import FrameError
from hivemind_core_client.wire.message import AnyMessageType, HiveMessage, HiveMessageType
from hivemind_core_client.wire.text import text_or_empty

COMPLETE = "hive.query.complete"
TIMEOUT = "hive.query.timeout"
#: How many answers to one question are kept until somebody takes them, and how many responders are told apart.
MOST_ANSWERS = 10_000
#: How many bytes they may hold, and the longest name of a responder that counts, in characters.
MOST_ANSWERS_BYTES = 16 * 2**20
_LONGEST_NAME = 4096

T = TypeVar("T")


def is_answer(message: HiveMessage) -> bool:
    """True for an answer, False for a question."""
    return bool(message.metadata.get("is_response"))


def query_id(message: HiveMessage) -> str:
    """The id of the question that a message is, or answers; empty where there is none."""
    return text_or_empty(message.metadata.get("query_id"))


def is_answer_to(message: HiveMessage, asked: HiveMessage) -> bool:
    """True for what can only come because `asked`, a question, has been read: it carries the id of that."""
    return bool(query_id(message)) and query_id(message) == query_id(asked) and not is_answer(asked)


def own_id(message: HiveMessage) -> str:
    """The id of a question: the one that it has, or a new one where it has none that is a text."""
    return query_id(message) or str(uuid.uuid4())


def responder(message: HiveMessage) -> str:
    """The peer that gave an answer, as the answer itself says; empty where it does not."""
    return text_or_empty(message.metadata.get("responder_peer"))


def ovos_type(message: HiveMessage) -> str:
    """The OVOS type of the BUS message inside this one; empty where there is none."""
    inner = message.raw_payload
    fields = inner.get("payload") if inner.get("msg_type") == HiveMessageType.BUS.value else None
    return text_or_empty(fields.get("type")) if isinstance(fields, dict) else ""


def control_type(message: HiveMessage) -> str:
    """`hive.query.complete` or `hive.query.timeout` where an answer is one of these, else an empty text."""
    name = ovos_type(message)
    return name if name in (COMPLETE, TIMEOUT) else ""


@define
class AnswerAggregator(Generic[T]):
    """Gathers the answers to one question, given by its type and id, out of all messages that arrive.

    `read` makes of an answer what is kept of it in `fresh`, or None of one that does not count; it may raise
    FrameError. A QUERY is `over` with the first control message; `nobody_answers` is True if that was a timeout. A
    CASCADE is over once `expected` responders have sent one (0: never).

    Of the answers to a QUERY, which come as a stream, the newest are kept, and of those to a CASCADE the first.
    """

    msg_type: AnyMessageType
    query_id: str
    read: Callable[[HiveMessage], Optional[T]] = field(repr=False)
    expected: int = 0
    fresh: deque[T] = field(factory=deque, init=False)
    over: bool = field(default=False, init=False)
    nobody_answers: bool = field(default=False, init=False)
    _finished: set[str] = field(factory=set, init=False)
    #: What each of `fresh` holds, in bytes; those that were fetched, from the left, are still in it.
    _weights: deque[int] = field(factory=deque, init=False)
    _held: int = field(default=0, init=False)

    def take(self, message: HiveMessage) -> bool:
        """True when this message told something about the question."""
        if self.over or not self._is_ours(message):
            return False
        control = control_type(message)
        if control:
            self._finish(control, responder(message))
            return True
        try:
            answer = self.read(message)
        except FrameError:
            return False
        if answer is not None:
            self._keep(answer, message.weight)
        return answer is not None

    def taken(self) -> list[T]:
        """The answers that are kept; they are then kept no longer."""
        answers = list(self.fresh)
        self.fresh.clear()
        return answers

    def end(self) -> None:
        """Take no more answers."""
        self.over = True

    def _is_ours(self, message: HiveMessage) -> bool:
        same = message.msg_type is self.msg_type and bool(self.query_id)
        return same and query_id(message) == self.query_id and is_answer(message)

    def _finish(self, control: str, peer: str) -> None:
        if self.msg_type is HiveMessageType.QUERY:
            self.over, self.nobody_answers = True, control == TIMEOUT
            return
        if len(self._finished) < MOST_ANSWERS:
            self._finished.add(peer[:_LONGEST_NAME])
        self.over = 0 < self.expected <= len(self._finished)

    def _keep(self, answer: T, weight: int) -> None:
        self._weigh()
        while self.fresh and (len(self.fresh) >= MOST_ANSWERS or self._held + weight > MOST_ANSWERS_BYTES):
            if self.msg_type is HiveMessageType.CASCADE:
                return
            self.fresh.popleft()
            self._weigh()
        self.fresh.append(answer)
        self._weights.append(weight)
        self._held += weight

    def _weigh(self) -> None:
        """Forget what those held that are kept no longer."""
        while len(self._weights) > len(self.fresh):
            self._held -= self._weights.popleft()
