"""A question to the hive and what comes back for it, sans IO: every client gathers answers with these."""

from __future__ import annotations

import uuid
from collections import deque
from typing import TYPE_CHECKING, Any, Callable, Optional

from attrs import field, frozen

from hivemind_core_client.plugins.answers import (
    COMPLETE,
    AnswerAggregator,
    is_answer,
    ovos_type,
    own_id,
    query_id,
    responder,
)
from hivemind_core_client.wire.denials import BINARY
from hivemind_core_client.wire.errors import (
    HiveMindError,
    InvalidMessage,
    Mend,
    PluginError,
    QueryTimeout,
    again,
)
from hivemind_core_client.wire.hive_drawing import display_peer
from hivemind_core_client.wire.mends import INSTALL_INTERCOM, SHOW_PLUGINS
from hivemind_core_client.wire.message import HiveMessage, HiveMessageType, Payload

if TYPE_CHECKING:
    from hivemind_core_client.plugins.registry import Registry

_ASKING = (HiveMessageType.QUERY, HiveMessageType.CASCADE)


@frozen
class HiveAnswer:
    """One answer: `message` is the OVOS Message, `responder` the peer that gave it (a hub by its public key).

    Who answers says so itself: nothing proves `responder`.
    `packet` is the QUERY or CASCADE message that carried it.
    """

    message: Any = field(repr=False)
    responder: str = field(repr=lambda peer: repr(display_peer(peer)))
    packet: HiveMessage


def question(msg_type: HiveMessageType, message: Any) -> HiveMessage:
    """The message that asks: `message` is a Message, or already a message of `msg_type`. It gets an id of its own."""
    if isinstance(message, HiveMessage):
        if message.msg_type is not msg_type:
            raise InvalidMessage(
                f"this asks with a {msg_type.name} message, not with {message.msg_type.name}",
                Mend("pass that, or a Message", joint=": "),
            )
        asked = message
    else:
        asked = HiveMessage(msg_type, HiveMessage(HiveMessageType.BUS, message))
    return asked.copy(metadata={**asked.metadata, "query_id": own_id(asked)})


def query(message: Any) -> HiveMessage:
    """The QUERY that asks: `message` is a Message, or already a QUERY."""
    return question(HiveMessageType.QUERY, message)


def cascade(message: Any) -> HiveMessage:
    """The CASCADE that asks: `message` is a Message, or already a CASCADE."""
    return question(HiveMessageType.CASCADE, message)


def flood() -> tuple[str, HiveMessage]:
    """The id of a new PING flood, and the message that begins it."""
    flood_id = str(uuid.uuid4())
    ping = HiveMessage(HiveMessageType.PING, {"flood_id": flood_id})
    return flood_id, HiveMessage(HiveMessageType.PROPAGATE, ping)


def names_of_asked(message: HiveMessage) -> frozenset[str]:
    """What a hub may call a message that it does not take: its type, and those of the messages in it."""
    names = {BINARY} if message.msg_type is HiveMessageType.BINARY else {message.msg_type.value}
    fields = message.raw_payload
    while isinstance(fields, dict) and message.msg_type.carries is not Payload.OBJECT:
        names.update(text for text in (fields.get("type"), fields.get("msg_type")) if isinstance(text, str))
        fields = fields.get("payload")
    return frozenset(names)


def may_answer_flood(message: HiveMessage) -> bool:
    """True for a message in which the answer to a flood may be."""
    return message.msg_type is HiveMessageType.PROPAGATE


def sealed_letter(registry: Registry, packet: HiveMessage, pubkey: str) -> HiveMessage:
    """The message that carries `packet` to the owner of `pubkey` alone. Raises PluginError without INTERCOM."""
    handler = registry.plain(HiveMessageType.INTERCOM)  # no wrapper seals
    if handler is None or handler.prepare is None:
        raise PluginError(
            "no plugin seals INTERCOM messages",
            Mend(INSTALL_INTERCOM, " (see ", SHOW_PLUGINS, ")", joint=": "),
        )
    letter = HiveMessage(HiveMessageType.INTERCOM, packet, target_pubkey=pubkey)
    return HiveMessage(HiveMessageType.PROPAGATE, letter)


def first_answer(answers: list[HiveMessage]) -> Optional[HiveMessage]:
    """The pick where the user brings none: who answers first is taken."""
    return answers[0]


def answers_to(request: Any, peer: str, messages: tuple[Any, ...]) -> list[HiveMessage]:
    """The messages that answer `request` with OVOS Messages, and say that no more come.

    `peer` is our own name. Raises InvalidMessage for what is no question.
    """
    if not isinstance(request, HiveMessage) or request.msg_type not in _ASKING:
        raise InvalidMessage("only a QUERY or CASCADE message can be answered")
    asked = request.metadata
    if is_answer(request) or not asked.get("query_id") or not asked.get("originator_peer"):
        raise InvalidMessage(
            f"this {request.msg_type.name} is no question that can be answered: it is an answer itself, or does not "
            "say its query_id and originator_peer"
        )
    metadata = {
        "query_id": asked["query_id"],
        "originator_peer": asked["originator_peer"],
        "responder_peer": peer,
        "is_response": True,
    }
    end = {"type": COMPLETE, "data": {}, "context": {}}
    return [
        HiveMessage(
            request.msg_type,
            HiveMessage(HiveMessageType.BUS, message),
            metadata=metadata,
            route=list(request.raw_route),
        )
        for message in (*messages, end)
    ]


class Answers:
    """Gathers the answers to one question out of all that arrives.

    `fresh` holds those that nobody has fetched. A QUERY is over when its stream ends, by `error` if that is set;
    a CASCADE when `expected` responders have said that they are done (0: never).
    """

    def __init__(self, asked: HiveMessage, expected: int = 0) -> None:
        self.error: Optional[HiveMindError] = None
        self._asked_type = ovos_type(asked)
        self._gathered = AnswerAggregator(asked.msg_type, query_id(asked), _read, expected)

    @property
    def fresh(self) -> deque[HiveAnswer]:
        """The answers that nobody has fetched yet."""
        return self._gathered.fresh

    @property
    def over(self) -> bool:
        """True once no more answers are taken."""
        return self._gathered.over

    def take(self, message: HiveMessage) -> bool:
        """True when this message told something about the question."""
        is_ours = self._gathered.take(message)
        if is_ours and self._gathered.nobody_answers:
            self.error = QueryTimeout(f"nobody in the hive answers {self._asked_type!r}: so says the hub")
        return is_ours

    def end(self, error: HiveMindError) -> None:
        """Nothing more can come, because of `error`. The end of a stream that is over already stays as it is."""
        if not self.over:
            self._gathered.end()
            self.error = error

    def conclude(
        self, lost: bool, came: bool, patience: float, some: bool, cause: Callable[[], HiveMindError]
    ) -> None:
        """Nothing fresh is here: raises why, unless the stream has ended well.

        `lost` says that the connection ended, by `cause()`; `came` False that nothing came for `patience`
        seconds; `some` that there was an answer before.
        """
        if lost:
            self.end(cause())
        elif not came:
            what = "no further answer" if some else "no answer"
            silence = f"{what} came within {patience:g} s, and the hub did not say that none will come"
            self.end(QueryTimeout(silence))
        if self.error is not None:
            raise again(self.error)

    def all_of(self, lost: bool, seconds: float, cause: Callable[[], HiveMindError]) -> list[HiveAnswer]:
        """All answers that came within `seconds`.

        Raises QueryTimeout without any answer, and what `cause` says if there was none before the connection ended.
        """
        if self.fresh:
            return list(self.fresh)
        if lost:
            raise cause()
        raise QueryTimeout(f"nobody in the hive answered within {seconds:g} s")


def _read(message: HiveMessage) -> Optional[HiveAnswer]:
    """The answer in a QUERY or CASCADE; None where no BUS message is in it. Raises FrameError."""
    inner = message.payload
    if inner.msg_type is not HiveMessageType.BUS:
        return None
    return HiveAnswer(inner.payload, responder(message), message)
