"""Who gets what: how the embedded hub passes messages on, sans IO, as hub 4.15.0a1 does it."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, Callable, Optional, Union

from attrs import frozen

from hivemind_core_client.testing.hub_likeness import Farewell
from hivemind_core_client.testing.hub_memory import Questions, Seen
from hivemind_core_client.wire.errors import FrameError
from hivemind_core_client.wire.json_text import Json
from hivemind_core_client.wire.message import (
    AnyMessageType,
    HiveMessage,
    HiveMessageType,
    MessageType,
    Payload,
)
from hivemind_core_client.wire.message_types import check_is_among

#: What is spoken to the agent, in a QUERY or CASCADE too.
UTTERANCE = "recognizer_loop:utterance"
#: Seconds in which the hub's own PING goes to all at most once; in between only to the one who floods.
FLOOD_INTERVAL_S = 30.0
#: An id or a name from the wire that is longer than this is none: it would be remembered.
_LONGEST = 1024
#: Behind this many wrappers nobody looks.
_DEEPEST = 8

_BUS = HiveMessageType.BUS
_INTERCOM = HiveMessageType.INTERCOM


@frozen
class ToPeer:
    """Send `message` to the client of this name."""

    peer: str
    message: HiveMessage


@frozen
class ToAll:
    """Send `message` to every client, but not to the one called `but`."""

    message: HiveMessage
    but: str = ""


@frozen
class ToUpstream:
    """Send `message` to the hub above, if there is one."""

    message: HiveMessage


@frozen
class ForHub:
    """A BUS message that came inside another one, for the hub's own site."""

    message: HiveMessage


@frozen
class Expel:
    """End the connection of the sender; `farewell` is how, or None for the way in which any fault ends it."""

    reason: str
    farewell: Optional[Farewell] = None


Order = Union[ToPeer, ToAll, ToUpstream, ForHub, Expel]
#: What the agent says to an utterance, text by text; nothing when it has no answer.
Speak = Callable[[str], Iterable[str]]


@frozen
class _Asked:
    """A message on its way: who brought it, with the sender's hop in its route, and what it wraps."""

    peer: str
    admin: bool
    message: HiveMessage
    inner: HiveMessage


class Router:
    """Feed it what arrives; it yields orders. May be called from several threads at once.

    `public_key` is the hub's name in routes, `site_id` its site; `speak` asks its agent. `has_upstream` says
    whether there is a hub above to ask, `types` are the message types that its plugins bring. `now` is a clock
    that only runs forward, `clock` tells the time of day, both in seconds.
    """

    def __init__(
        self,
        public_key: str,
        site_id: str,
        speak: Speak,
        has_upstream: bool = False,
        types: Mapping[str, MessageType] = MappingProxyType({}),
        now: Callable[[], float] = time.monotonic,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._own = public_key
        self._site = site_id
        self._speak = speak
        self._has_upstream = has_upstream
        self._types = types
        self._now = now
        self._clock = clock
        self._questions = Questions(now)
        self._relayed = Seen()
        self._answered = Seen()
        self._answered_upstream = Seen()
        self._last_flood: Optional[float] = None
        self._routes: dict[AnyMessageType, Callable[[_Asked], Iterator[Order]]] = {
            HiveMessageType.BROADCAST: self._broadcast,
            HiveMessageType.PROPAGATE: self._propagate,
            HiveMessageType.ESCALATE: self._escalate,
            HiveMessageType.QUERY: self._query,
            HiveMessageType.CASCADE: self._cascade,
        }

    def route(self, peer: str, admin: bool, message: HiveMessage) -> Iterator[Order]:
        """Yield what is to be done with a message of the client called `peer`; nothing for types that stay here.

        Never raises for what a client may have sent.
        """
        route = self._routes.get(message.msg_type)
        if route is None:
            return
        arrived = message.copy(source_peer=peer, target_peers=[], route=message.route)
        arrived.update_hop_data()
        try:
            inner = checked_inner(arrived)
            check_is_among(inner.msg_type, inner.bin_type, self._types, {})
        except FrameError as error:
            yield ToPeer(peer, _denial(peer, message.msg_type, str(error)))
            return
        yield from route(_Asked(peer, admin, arrived, inner))

    def from_above(self, message: HiveMessage) -> Iterator[Order]:
        """Yield what is to be done with a message of the hub above."""
        if message.msg_type is HiveMessageType.BROADCAST:
            yield ToAll(message)
        elif message.msg_type not in self._routes or message.msg_type is HiveMessageType.ESCALATE:
            return
        elif message.metadata.get("is_response"):
            yield from self._returned(message)
        else:
            yield from self._relayed_down(message)

    def _broadcast(self, asked: _Asked) -> Iterator[Order]:
        if not asked.admin:
            yield Expel("it sent a BROADCAST and is no administrator: Account(admin=True)")
            return
        if self._consumes(asked.inner):
            return
        yield from self._local(asked)
        yield ToAll(self._rewrapped(asked.message, asked.message.route), but=asked.peer)

    def _propagate(self, asked: _Asked) -> Iterator[Order]:
        if self._consumes(asked.inner):
            return
        yield from self._local(asked)
        if asked.inner.msg_type is HiveMessageType.PING:
            yield from self._answered_flood(asked)
        if self._loops(asked.message) or self._was_relayed(asked.inner):
            return
        onwards = self._stamped(asked.message)
        yield ToAll(onwards, but=asked.peer)
        yield ToUpstream(onwards)

    def _escalate(self, asked: _Asked) -> Iterator[Order]:
        if self._consumes(asked.inner):
            return
        yield from self._local(asked)
        if not self._loops(asked.message):
            yield ToUpstream(self._stamped(asked.message))

    def _query(self, asked: _Asked) -> Iterator[Order]:
        if asked.message.metadata.get("is_response"):
            yield from self._returned(asked.message, asked.peer)
            return
        request = self._question(asked)
        answered = False
        for answer in self._answers(request, asked):
            answered = True
            yield ToPeer(asked.peer, answer)
        if answered:
            return
        if self._has_upstream:
            yield ToUpstream(self._rewrapped(asked.message, asked.message.route))
            return
        nobody = {"query_id": request["query_id"], "error": "no_answer"}
        yield ToPeer(asked.peer, _answer(asked, request, "hive.query.timeout", nobody))

    def _cascade(self, asked: _Asked) -> Iterator[Order]:
        if asked.message.metadata.get("is_response"):
            yield from self._returned(asked.message, asked.peer)
            return
        request = self._question(asked)
        for answer in self._answers(request, asked):
            yield ToPeer(asked.peer, answer)
        if self._loops(asked.message):
            return
        onwards = self._stamped(asked.message)
        yield ToAll(onwards, but=asked.peer)
        yield ToUpstream(onwards)

    # what stays here

    def _consumes(self, inner: HiveMessage) -> bool:
        """Whether an INTERCOM ends here: it is for this hub, or for nobody and in the clear."""
        if inner.msg_type is not _INTERCOM:
            return False
        target = inner.target_public_key
        return target == self._own if target else "ciphertext" not in inner.raw_payload

    def _local(self, asked: _Asked) -> Iterator[Order]:
        site = asked.message.target_site_id
        if asked.inner.msg_type is _BUS and site and site == self._site:
            yield ForHub(asked.inner)

    def _answered_flood(self, asked: _Asked) -> Iterator[Order]:
        """The hub's own PING, once for each flood."""
        flood_id = _flood_id(asked.inner)
        if not flood_id or not self._answered.add(flood_id):
            return
        answer = self._own_ping(flood_id)
        now = self._now()
        if self._last_flood is not None and now - self._last_flood < FLOOD_INTERVAL_S:
            yield ToPeer(asked.peer, answer)
            return
        self._last_flood = now
        yield ToAll(answer)
        if self._answered_upstream.add(flood_id):
            yield ToUpstream(answer)

    def _own_ping(self, flood_id: str) -> HiveMessage:
        ping = {
            "flood_id": flood_id,
            "peer": self._own,
            "site_id": self._site,
            "timestamp": self._clock(),
            "public_key": self._own,
        }
        return HiveMessage(HiveMessageType.PROPAGATE, HiveMessage(HiveMessageType.PING, ping))

    # questions

    def _question(self, asked: _Asked) -> Json:
        """The metadata of the answers; from now on they may come."""
        metadata = asked.message.metadata
        query_id = _text(metadata.get("query_id")) or str(uuid.uuid4())
        self._questions.note(query_id, asked.peer)
        return {
            "query_id": query_id,
            "originator_peer": _text(metadata.get("originator_peer")) or asked.peer,
            "responder_peer": self._own,
            "is_response": True,
        }

    def _answers(self, request: Json, asked: _Asked) -> Iterator[HiveMessage]:
        """What the agent says, as it says it, and that this was all; nothing if it says nothing."""
        utterance = _utterance(asked.inner)
        if not utterance:
            return
        lang = (asked.inner["data"] or {}).get("lang") or "en-US"
        spoke = False
        for text in self._speak(utterance):
            spoke = True
            yield _answer(asked, request, "speak", {"utterance": text, "lang": lang})
        if spoke:
            yield _answer(asked, request, "hive.query.complete", {})

    def _returned(self, message: HiveMessage, responder: str = "") -> Iterator[Order]:
        """An answer goes to the connection on which the question came, if it names that, and to nobody else."""
        asker = self._questions.asker(message.metadata.get("query_id"))
        if asker is None:
            return
        named = message.metadata.get("originator_peer") == asker
        passed = asker != responder and any(hop["source"] == asker for hop in message.route)
        if named or passed:
            yield ToPeer(asker, message)

    # passing on

    def _relayed_down(self, message: HiveMessage) -> Iterator[Order]:
        try:
            inner = checked_inner(message)
        except FrameError:
            return
        flood_id = _flood_id(inner)
        if flood_id and self._answered_upstream.add(flood_id):
            yield ToUpstream(self._own_ping(flood_id))
        if not self._loops(message) and not self._was_relayed(inner):
            yield ToAll(self._stamped(message))

    def _loops(self, message: HiveMessage) -> bool:
        return any(hop["source"] == self._own for hop in message.route)

    def _was_relayed(self, inner: HiveMessage) -> bool:
        """Whether this PING has been passed on before: a flood brings one of each node."""
        flood_id = _flood_id(inner)
        return bool(flood_id) and not self._relayed.add((flood_id, _text(inner["peer"])))

    def _stamped(self, message: HiveMessage) -> HiveMessage:
        """The message as it leaves, with the hub's own hop in its route."""
        return self._rewrapped(message, [*message.route, {"source": self._own, "targets": [self._own]}])

    def _rewrapped(self, message: HiveMessage, route: list[Json]) -> HiveMessage:
        """The message as it leaves: same envelope, and the route on what it wraps too, as binary frames need it."""
        payload = {**message.raw_payload, "route": route, "source_peer": self._own}
        return message.copy(payload=payload, route=route, source_peer=None, target_peers=[])


def utterance_of(message: Any, types: tuple[str, ...] = (UTTERANCE,)) -> str:
    """The first utterance in the dict of an OVOS Message of these types; an empty text for any other, and for none."""
    data: Any = message.get("data")
    utterances = data.get("utterances") if isinstance(data, dict) else None
    first = utterances[0] if isinstance(utterances, list) and utterances else ""
    return first if isinstance(first, str) and message.get("type") in types else ""


def _utterance(inner: HiveMessage) -> str:
    return utterance_of(inner.raw_payload) if inner.msg_type is _BUS else ""


def checked_inner(message: HiveMessage) -> HiveMessage:
    """The message inside a wrapper. Raises FrameError where it, or one within it, is no message."""
    inner = layer = HiveMessage.from_wire(message.raw_payload)
    for _ in range(_DEEPEST):
        if layer.msg_type.carries is not Payload.HIVE:
            return inner
        layer = HiveMessage.from_wire(layer.raw_payload)
    raise FrameError(f"a {message.msg_type.name} of more than {_DEEPEST} messages within each other")


def _flood_id(inner: HiveMessage) -> str:
    return _text(inner["flood_id"]) if inner.msg_type is HiveMessageType.PING else ""


def _text(value: Any) -> str:
    return value if isinstance(value, str) and len(value) <= _LONGEST else ""


def _answer(asked: _Asked, request: Json, ovos_type: str, data: Json) -> HiveMessage:
    context = {"query_id": request["query_id"]} if ovos_type == "speak" else {}
    said = HiveMessage(_BUS, {"type": ovos_type, "data": data, "context": context})
    return HiveMessage(asked.message.msg_type, said, metadata=request, route=asked.message.route)


def _denial(peer: str, denied: AnyMessageType, reason: str) -> HiveMessage:
    data: Json = {"denied_type": denied.value, "code": "malformed_payload", "reason": reason, "data": {}}
    context = {"source": "embedded-hub", "destination": peer}
    return HiveMessage(_BUS, {"type": "hive.policy.denied", "data": data, "context": context})
