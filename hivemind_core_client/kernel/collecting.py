"""A collect-call of OVOS, sans IO: one question on the bus, answered by as many as say in time that they will."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from math import isfinite
from typing import TYPE_CHECKING, Any, Callable

from hivemind_core_client.errors import InvalidMessage
from hivemind_core_client.jsontext import Json
from hivemind_core_client.kernel.questions import MOST_ANSWERS

if TYPE_CHECKING:
    from ovos_bus_client.message import Message

_ID = "__collect_id__"
_PROMISE, _RESPONSE = ".handling", ".response"


class Collection:
    """Gathers the responses to a collect-call.

    `call` is what is emitted, as type, data and context; `names` the types of what comes back for it: each is shown to
    `take`. Whoever answers promises so first, and how long that takes at most; they are waited for until `max_timeout`
    seconds are over, or `enough(response)` is true.
    """

    def __init__(
        self, message: Message, min_timeout: float, max_timeout: float, enough: Callable[[Message], Any]
    ) -> None:
        self._id = str(uuid.uuid4())
        context = {**message.context, _ID: self._id}
        self.call: Json = {"type": message.msg_type, "data": message.data, "context": context}
        self.names = (message.msg_type + _PROMISE, message.msg_type + _RESPONSE)
        self._shortest, self._longest = min_timeout, max_timeout
        self._enough = enough
        self._is_enough = self._has_settled = False
        self._promised: dict[str, float] = {}
        self._responses: dict[str, Message] = {}

    @property
    def responses(self) -> list[Message]:
        """What has come, the latest of each who answered."""
        return list(self._responses.values())

    def take(self, message: Message) -> bool:
        """True when nobody need be waited for any more. What belongs to another call, or to none, changes nothing."""
        handler = message.data.get("handler")
        if message.data.get("query") == self._id and isinstance(handler, str):
            if message.msg_type == self.names[1]:
                self._respond(handler, message)
            else:
                self._promise(handler, message.data.get("timeout"))
        return self._has_settled and self._is_over()

    def pauses(self) -> Iterator[float]:
        """How long to wait, again and again, in seconds; each but the first may be cut short when `take` says so."""
        yield self._shortest
        self._has_settled, waited = True, self._shortest
        while not self._is_over():
            until = min(self._longest, self._patience())
            if until <= waited:
                return
            yield until - waited
            waited = until

    def _respond(self, handler: str, message: Message) -> None:
        if handler in self._responses or len(self._responses) < MOST_ANSWERS:
            self._responses[handler] = message
        self._is_enough = self._is_enough or bool(self._enough(message))

    def _promise(self, handler: str, seconds: Any) -> None:
        usable = isinstance(seconds, (int, float)) and isfinite(seconds)
        if usable and (handler in self._promised or len(self._promised) < MOST_ANSWERS):
            self._promised[handler] = self._promised.get(handler, 0.0) + seconds

    def _is_over(self) -> bool:
        return self._is_enough or self._promised.keys() <= self._responses.keys()

    def _patience(self) -> float:
        return max(seconds for handler, seconds in self._promised.items() if handler not in self._responses)


def promised(message: Message, timeout: float) -> tuple[Message, tuple[str, str]]:
    """The promise to answer a collect-call within `timeout` seconds, and the ids of who answers and of the call.

    Raises InvalidMessage for what is no collect-call.
    """
    collect_id = message.context.get(_ID)
    if not isinstance(collect_id, str):
        raise InvalidMessage(f"this {message.msg_type!r} is no collect-call: its context has no {_ID}")
    handler = str(uuid.uuid4())
    data = {"query": collect_id, "handler": handler, "timeout": timeout}
    return message.reply(message.msg_type + _PROMISE, data), (handler, collect_id)
