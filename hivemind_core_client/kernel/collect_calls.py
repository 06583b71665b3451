"""A collect-call of OVOS, sans IO: one question on the bus, answered by as many as say in time that they will."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Callable, Optional

from hivemind_core_client.plugins.answers import MOST_ANSWERS
from hivemind_core_client.wire.errors import InvalidMessage
from hivemind_core_client.wire.json_text import Json
from hivemind_core_client.wire.ovos import CALL_ID

if TYPE_CHECKING:
    from ovos_bus_client.message import Message

_PROMISE, _RESPONSE = ".handling", ".response"
#: What the responses to one call may hold, in characters of JSON, and the longest id of who responds.
_MOST_CHARACTERS, _LONGEST_ID = 16 * 2**20, 1024
#: More seconds than anybody promises, or waits, in earnest.
_FOREVER_S = 2**31

Enough = Optional[Callable[["Message"], Any]]


def _nobody() -> None:
    """Nobody waits yet."""


class Collection:
    """Gathers the responses to a collect-call.

    `call` is what is emitted, as type, data and context; `names` the types of what comes back for it, which is shown to
    `take`. Whoever answers promises so first, and how long that takes at most; they are waited for until `max_timeout`
    seconds are over, or `enough(response)` is true. `wake` is called when nobody need be waited for any more.

    Raises InvalidMessage for what is no OVOS Message.
    """

    def __init__(self, message: Message, min_timeout: float, max_timeout: float, enough: Enough) -> None:
        if not isinstance(getattr(message, "context", None), dict):
            raise InvalidMessage(
                f"a collect-call is made with an OVOS Message, not with a {type(message).__name__}"
            )
        self.id = str(uuid.uuid4())
        context = {**message.context, CALL_ID: self.id}
        self.call: Json = {"type": message.msg_type, "data": message.data, "context": context}
        self.names = (message.msg_type + _PROMISE, message.msg_type + _RESPONSE)
        self.wake: Callable[[], None] = _nobody
        self._shortest, self._longest = min_timeout, max_timeout
        self._enough = enough
        self._is_enough = self._is_min_time_over = False
        self._promised: dict[str, float] = {}
        self._responses: dict[str, Message] = {}
        self._sizes: dict[str, int] = {}
        self._held = 0

    @property
    def responses(self) -> list[Message]:
        """What has come, the latest of each who answered."""
        return list(self._responses.values())

    def take(self, message: Message) -> None:
        """Note a promise or a response. What makes no sense changes nothing. Raises what `enough` raises."""
        handler = message.data.get("handler")
        if not isinstance(handler, str) or len(handler) > _LONGEST_ID:
            return
        try:
            if message.msg_type == self.names[1]:
                self._respond(handler, message)
            else:
                self._promise(handler, message.data.get("timeout"))
        finally:
            if self._is_min_time_over and self._is_over():
                self.wake()

    def pauses(self) -> Iterator[float]:
        """How long to wait, again and again, in seconds; each but the first is cut short by `wake`."""
        yield self._shortest
        self._is_min_time_over, waited = True, self._shortest
        while not self._is_over():
            until = min(self._longest, self._patience())
            if until <= waited:
                return
            yield until - waited
            waited = until

    def _respond(self, handler: str, message: Message) -> None:
        size = len(message.serialize())
        held = self._held - self._sizes.get(handler, 0) + size
        if held <= _MOST_CHARACTERS and (handler in self._responses or len(self._responses) < MOST_ANSWERS):
            self._responses[handler], self._sizes[handler], self._held = message, size, held
        if self._enough is not None and not self._is_enough:
            self._is_enough = bool(self._enough(message))

    def _promise(self, handler: str, seconds: Any) -> None:
        usable = (
            isinstance(seconds, (int, float)) and not isinstance(seconds, bool) and 0 <= seconds < _FOREVER_S
        )
        if usable and (handler in self._promised or len(self._promised) < MOST_ANSWERS):
            self._promised[handler] = self._promised.get(handler, 0.0) + seconds

    def _awaited(self) -> list[float]:
        # A copy: handlers may be called on another thread than the one that waits.
        promised = list(self._promised.items())
        return [seconds for handler, seconds in promised if handler not in self._responses]

    def _is_over(self) -> bool:
        return self._is_enough or not self._awaited()

    def _patience(self) -> float:
        return max(self._awaited(), default=0.0)


class Collecting:
    """The collect-calls of one client that are open: what comes back is shown to the one that it is for."""

    def __init__(self) -> None:
        self._open: dict[str, Collection] = {}

    def begin(self, collection: Collection) -> None:
        """From now on it gets what belongs to it."""
        self._open[collection.id] = collection

    def end(self, collection: Collection) -> tuple[str, ...]:
        """It gets no more; returns the types that nobody is interested in any more."""
        del self._open[collection.id]
        others = list(self._open.values())
        return () if any(other.names == collection.names for other in others) else collection.names

    def take(self, message: Message) -> None:
        """Show what came to the call that it belongs to, if that is open."""
        collect_id = message.data.get("query")
        collection = self._open.get(collect_id) if isinstance(collect_id, str) else None
        if collection is not None:
            collection.take(message)


def promised(message: Message, timeout: float) -> tuple[Message, tuple[str, str]]:
    """The promise to answer a collect-call within `timeout` seconds, and the ids of who answers and of the call.

    Raises InvalidMessage for what is no collect-call.
    """
    collect_id = message.context.get(CALL_ID)
    if not isinstance(collect_id, str):
        raise InvalidMessage(f"this {message.msg_type!r} is no collect-call: its context has no {CALL_ID}")
    handler = str(uuid.uuid4())
    data = {"query": collect_id, "handler": handler, "timeout": timeout}
    return message.reply(message.msg_type + _PROMISE, data), (handler, collect_id)
