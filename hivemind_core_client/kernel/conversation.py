"""What a satellite says to its hub and what is said to that, sans IO: utterances, and the answer to each."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any, Callable, Optional, TypeVar

from hivemind_core_client.kernel.questions import names_of_asked
from hivemind_core_client.wire.answer import Answer
from hivemind_core_client.wire.denials import allow_command
from hivemind_core_client.wire.errors import (
    HiveMindError,
    InvalidOption,
    Mend,
    QueryTimeout,
    again,
)
from hivemind_core_client.wire.json_text import Json
from hivemind_core_client.wire.message import HiveMessage, HiveMessageType
from hivemind_core_client.wire.packet import as_packet
from hivemind_core_client.wire.speech import SPEECH, OnceSaid
from hivemind_core_client.wire.text import text_or_empty

if TYPE_CHECKING:
    from hivemind_core_client.wire.denials import MessageDenied

X = TypeVar("X", bound="Exchange")

#: The types by which hubs take an utterance. Every hub knows the first; hubs since version 5 call it by the second.
UTTERANCES = ("recognizer_loop:utterance", "ovos.utterance.handle")
#: The key in the context of an utterance, and of what answers it, by which the two are known to belong together.
ASK_ID = "ask_id"
#: Seconds of silence after which an answer is taken for whole, where the hub does not say so.
QUIET_S = 1.0

#: The codes of a denial that an allow-list mends; at another name the rest would be the same.
_NOT_ALLOWED = ("", "acl_disallowed_type")
#: After these nothing more is said: the utterance was dealt with, or it is our turn to speak.
_HANDLED = frozenset({"ovos.utterance.handled", "ovos.utterance.cancelled"})
_LISTENING = frozenset({"mycroft.mic.listen", "ovos.mic.listen"})
_ENDS = _HANDLED | _LISTENING | {"complete_intent_failure", "ovos.intent.unmatched"}
_OF_INTEREST = _ENDS | {*SPEECH}
#: A bus may hand on the end before the last words: so long they are waited for.
_GRACE_S = 0.1
#: What one answer may hold at most, in messages and in bytes.
_MOST_MESSAGES, _MOST_BYTES = 1000, 16 * 2**20
#: Of so many utterances that nobody waits for it is known at a time what became of them.
_MOST_REMARKS = 32


class Exchange:
    """One utterance, and what is said to it: `Conversation.ask` makes it.

    `to_send` is what is to be sent now, or None. `changes` grows with all that is learned. `over` is True when nothing
    more is listened to, by `error` where the hub does not take it.
    """

    def __init__(self, packet: HiveMessage, more_types: tuple[str, ...], session_id: str, lang: str) -> None:
        self.to_send: Optional[HiveMessage] = packet
        self.error: Optional[HiveMindError] = None
        self.over = self.lost = self.ended = self.expects_response = False
        self.changes = 0
        self.heard: list[HiveMessage] = []
        self._said = OnceSaid()
        self.sent_type = _name(packet)
        self.ask_id = _context(packet).get(ASK_ID)
        self._session_id = session_id
        self._asked = packet
        self._more_types = more_types
        self._denied: tuple[str, ...] = ()
        self._lang = lang
        self._weight = 0
        self._is_marked = False

    @property
    def is_first(self) -> bool:
        """Whether it was not denied by any name yet."""
        return not self._denied

    def take_packet(self) -> Optional[HiveMessage]:
        """What is to be sent now; from then on it counts as sent."""
        packet, self.to_send = self.to_send, None
        return packet

    def belongs(self, message: HiveMessage) -> Optional[bool]:
        """Whether what the hub says is for this one: True, False, or None where it does not say so."""
        context = _context(message)
        ask_id = context.get(ASK_ID)
        if ask_id is not None or self._is_marked:
            return ask_id is not None and ask_id == self.ask_id
        session = context.get("session")
        session_id = session.get("session_id") if isinstance(session, dict) else None
        return None if session_id in (None, self._session_id) else False

    def hear(self, message: HiveMessage) -> None:
        """Note what the hub says."""
        self._is_marked = self._is_marked or bool(self.belongs(message))
        name, data = _name(message), _data(message)
        if name in _ENDS:
            self.ended = True
            self.expects_response = self.expects_response or name in _LISTENING
        elif self._said.is_new(name, data):
            self.heard.append(message)
            self._weight += message.weight
            if data.get("expect_response"):
                self.ended = self.expects_response = True
        self.over = len(self.heard) >= _MOST_MESSAGES or self._weight >= _MOST_BYTES
        self.changes += 1

    def deny(self, error: MessageDenied) -> bool:
        """True where this denial is about what was sent. What goes by another name too is to be sent by that."""
        if self.to_send is not None or self.over or error.msg_type not in names_of_asked(self._asked):
            return False
        self._denied = (*self._denied, self.sent_type)
        others = [name for name in self._more_types if error.allowed is None or name in error.allowed]
        if others and error.code in _NOT_ALLOWED:
            self.sent_type = others[0]
            self._more_types = tuple(name for name in self._more_types if name != self.sent_type)
            self._asked = self._asked.copy(payload={**self._asked.raw_payload, "type": self.sent_type})
            self.to_send = self._asked
        else:
            self.error, self.over = self._with_all_mends(error), True
        self.changes += 1
        return True

    def lose(self) -> None:
        """The connection ended: nothing more can come."""
        self.over = self.lost = True
        self.changes += 1

    def patience(self, left: float, quiet: float, is_told: bool) -> float:
        """Seconds to wait for what follows, where `left` are left; `is_told` says that this hub tells the end."""
        if self.ended:
            return min(left, _GRACE_S)
        return min(left, quiet) if self.heard and not is_told else left

    def answer(self, complete: bool, seconds: float, loss: Callable[[], HiveMindError]) -> Answer:
        """What was said. Raises why nothing was: a denial, `loss()` of the connection, or that time ran out."""
        if self.error is not None:
            raise again(self.error)
        if not self.heard and self.lost:
            raise loss()
        if not self.heard and not complete:
            raise self._silence(seconds)
        return Answer(
            " ".join(filter(None, map(_text, self.heard))),
            tuple(message.payload for message in self.heard),
            next(filter(None, map(_lang, self.heard)), self._lang),
            complete,
            self.expects_response,
        )

    def _with_all_mends(self, error: MessageDenied) -> HiveMindError:
        """The denial with what allows each of the names: it is enough to allow one."""
        if self.sent_type not in UTTERANCES or error.code not in _NOT_ALLOWED:
            return error
        names = [name for name in (*self._denied, *self._more_types) if name != error.msg_type]
        return error.with_mends(*(Mend(allow_command(name), joint=", or ") for name in names))

    def _silence(self, seconds: float) -> QueryTimeout:
        mends = [Mend("is an OVOS (or other agent) running behind the hub?")]
        if self.ask_id:
            mends.append(
                Mend(
                    "Old hubs drop what they do not allow, and do not say so: ",
                    allow_command(self.sent_type),
                    " allows it",
                    joint=" ",
                )
            )
        return QueryTimeout(f"nobody answered within {seconds:g} s, and the hub did not say why", *mends)


class Remark(Exchange):
    """An utterance for whose answer nobody waits: `Conversation.say` makes it."""

    def belongs(self, message: HiveMessage) -> bool:
        """True for what says by its id that it answers this; all else is for those who wait."""
        return bool(super().belongs(message))

    def hear(self, message: HiveMessage) -> None:
        """The hub took it: that is all there was to know."""
        self.over = True

    def deny(self, error: MessageDenied) -> bool:
        """True where it is to be sent by another name, so that the denial troubles nobody."""
        return super().deny(error) and self.to_send is not None


class Conversation:
    """All that one client has said and asked, and that may yet be answered.

    `is_told` is True once the hub has said of an utterance that it was dealt with.
    """

    def __init__(self) -> None:
        self.is_told = False
        #: In the order in which they were opened. Threads come and go: each step of theirs is one step of a dict.
        self._open: dict[Exchange, None] = {}
        self._types: tuple[str, ...] = UTTERANCES
        self._last: tuple[Optional[HiveMessage], Optional[Exchange]] = (None, None)

    def ask(self, question: Any, lang: Optional[str], session_id: str) -> Exchange:
        """Open what begins by a text, or by a Message or HiveMessage that is sent as it is; `close` ends it.

        Raises InvalidOption for a text that says nothing, and for a `lang` that is none or has no place.
        """
        return self._opened(Exchange, question, lang, session_id)

    def say(self, text: Any, lang: Optional[str], session_id: str) -> Remark:
        """Open what nobody waits for; it is closed by itself. Raises like `ask`."""
        remarks = [each for each in list(self._open) if isinstance(each, Remark)]
        for each in remarks[: 1 - _MOST_REMARKS]:
            each.over = True
        return self._opened(Remark, text, lang, session_id)

    def close(self, exchange: Exchange) -> None:
        """It hears no more. Idempotent."""
        if exchange.heard and not (exchange.ended or exchange.over):
            self.is_told = False  # a hub that told it once may be another one by now
        if not exchange.heard and not exchange.ended:
            self._types = UTTERANCES  # so may one that took the newer name
        self._open.pop(exchange, None)
        if not self._open:
            self._last = (None, None)

    def taker(self, exchange: Exchange) -> Callable[[HiveMessage], bool]:
        """What all that arrives is shown to; True where it was for this exchange."""

        def take(message: HiveMessage) -> bool:
            # All are asked about one message, and who takes it may be another one after that.
            last, owner = self._last
            if last is not message:
                owner = self._owner(message)
                self._last = (message, owner)
            if owner is not exchange:
                return False
            self._note(exchange, message)
            return True

        return take

    def _opened(self, kind: type[X], question: Any, lang: Optional[str], session_id: str) -> X:
        if lang is not None and (not isinstance(lang, str) or not lang.strip()):
            raise InvalidOption(f"lang is {lang!r}; it must be a language, such as 'en-us'")
        more: tuple[str, ...] = ()
        if isinstance(question, str):
            packet, more = _utterance(question, lang, self._types)
        elif lang is not None:
            raise InvalidOption(
                "lang is for a question that is a text", Mend("put it into the message", joint=": ")
            )
        else:
            packet = as_packet(question)
        if packet.msg_type is HiveMessageType.BUS:
            packet, session_id = _marked(packet, session_id)
        exchange = kind(packet, more, session_id, lang or "")
        for each in [each for each in list(self._open) if each.over]:
            self._open.pop(each, None)
        self._open[exchange] = None
        return exchange

    def _owner(self, message: HiveMessage) -> Optional[Exchange]:
        if message.msg_type is not HiveMessageType.BUS or _name(message) not in _OF_INTEREST:
            return None
        judged = [(each.belongs(message), each) for each in list(self._open) if not each.over]
        sure = [each for belongs, each in judged if belongs]
        return next(iter(sure or [each for belongs, each in judged if belongs is None]), None)

    def _note(self, exchange: Exchange, message: HiveMessage) -> None:
        exchange.hear(message)
        self.is_told = self.is_told or _name(message) in _HANDLED
        if exchange.sent_type in UTTERANCES:  # so this is one that is allowed
            others = (each for each in UTTERANCES if each != exchange.sent_type)
            self._types = (exchange.sent_type, *others)


def _utterance(text: str, lang: Optional[str], types: tuple[str, ...]) -> tuple[HiveMessage, tuple[str, ...]]:
    """The message that says a text by the first of these types, and the other types."""
    if not text.strip():
        raise InvalidOption("the question is empty", Mend("pass what is to be said", joint=": "))
    data: Json = {"utterances": [text], **({"lang": lang} if lang else {})}
    return HiveMessage(HiveMessageType.BUS, {"type": types[0], "data": data, "context": {}}), types[1:]


def _marked(packet: HiveMessage, session_id: str) -> tuple[HiveMessage, str]:
    """The message with an id in its context, and the id of the session that it is sent in."""
    payload: Json = packet.raw_payload
    context = payload.get("context") or {}
    session = context.get("session")
    own = session.get("session_id") if isinstance(session, dict) else getattr(session, "session_id", None)
    session_id = own if isinstance(own, str) else session_id
    marked = {**payload, "context": {**context, ASK_ID: str(uuid.uuid4())}}
    return packet.copy(payload=marked), session_id


def _context(message: HiveMessage) -> Json:
    return _object(message["context"]) if message.msg_type is HiveMessageType.BUS else {}


def _data(message: HiveMessage) -> Json:
    return _object(message["data"])


def _object(value: Any) -> Json:
    return value if isinstance(value, dict) else {}


def _name(message: HiveMessage) -> str:
    """The OVOS type of a BUS message, else the hive type."""
    return str(message["type"] if message.msg_type is HiveMessageType.BUS else message.msg_type.value)


def _text(message: HiveMessage) -> str:
    return text_or_empty(_data(message).get("utterance")).strip()


def _lang(message: HiveMessage) -> str:
    return text_or_empty(_data(message).get("lang")) or text_or_empty(_context(message).get("lang"))
