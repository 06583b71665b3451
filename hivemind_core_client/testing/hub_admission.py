"""Whether a client may send what it sent, sans IO: by session, by right, and by the types that it is allowed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Optional, Protocol

from hivemind_core_client.testing.hub_accounts import Account
from hivemind_core_client.testing.hub_likeness import Ended, Likeness
from hivemind_core_client.testing.hub_routing import Expel, Order, ToPeer, checked_inner, utterance_of
from hivemind_core_client.wire.denials import BINARY, DENIED
from hivemind_core_client.wire.errors import FrameError
from hivemind_core_client.wire.json_text import Json
from hivemind_core_client.wire.message import AnyMessageType, HiveMessage, HiveMessageType

_BUS, _BROADCAST = HiveMessageType.BUS, HiveMessageType.BROADCAST
#: Which right of an account a verb asks for.
_RIGHTS: dict[AnyMessageType, str] = {
    HiveMessageType.ESCALATE: "can_escalate",
    HiveMessageType.QUERY: "can_escalate",
    HiveMessageType.PROPAGATE: "can_propagate",
    HiveMessageType.CASCADE: "can_propagate",
}
_QUESTIONS = (HiveMessageType.QUERY, HiveMessageType.CASCADE)
_DEFAULT = "default"


class Sender(Protocol):
    """What counts about who sent a message."""

    account: Account

    @property
    def peer(self) -> str:
        """The hub's name for it."""

    @property
    def session_id(self) -> str:
        """The session that it said it has."""


class Admission:
    """Asks of each message what a hub of this likeness asks. `node_id` is the hub's own name."""

    def __init__(self, likeness: Likeness, node_id: str) -> None:
        self._likeness = likeness
        self._node_id = node_id

    def greet(self, sender: Sender) -> None:
        """Take a client that has said which session it has. Raises Ended for one that may not have it."""
        farewell = self._likeness.default_session
        if farewell is not None and sender.session_id == _DEFAULT and not sender.account.admin:
            raise Ended("it took the session 'default' and is no administrator", farewell)

    def refusal(self, sender: Sender, message: HiveMessage) -> Optional[list[Order]]:
        """None where the message may go on; else it is dropped, and these orders are all that follows."""
        kind = message.msg_type
        if kind is HiveMessageType.THIRDPRTY and self._likeness.retired is not None:
            return [Expel("this hub has no THIRDPRTY any more", self._likeness.retired)]
        if kind is HiveMessageType.RENDEZVOUS and self._likeness.answers_rendezvous:
            return [ToPeer(sender.peer, self._no_mailbox())]
        if not has_right(sender.account, kind) and _is_whole(message):
            return self._forbidden(kind)
        if kind is _BUS and self._takes_default(sender, message):
            return [
                Expel("it used the session 'default' and is no administrator", self._likeness.default_session)
            ]
        denied = self._denied(sender.account, message)
        return list(self._dropped(sender, message, denied)) if denied else None

    def _dropped(self, sender: Sender, message: HiveMessage, denied: str) -> Iterator[Order]:
        if self._likeness.tells_denials:
            yield ToPeer(sender.peer, _denial(sender.peer, message, denied, self._allowed(sender.account)))
        if self._likeness.ends_denied_query and message.msg_type is HiveMessageType.QUERY:
            yield ToPeer(sender.peer, self._no_answer(sender.peer, message.metadata))

    def _forbidden(self, kind: AnyMessageType) -> list[Order]:
        if self._likeness.ignores_forbidden:
            return []
        farewell = self._likeness.forbidden
        advice = "is no administrator: Account(admin=True)" if kind is _BROADCAST else "may not"
        return [Expel(f"it sent a {kind.name} and {advice}", farewell and farewell.about(kind))]

    def _takes_default(self, sender: Sender, message: HiveMessage) -> bool:
        if self._likeness.default_session is None or sender.account.admin:
            return False
        context = message.raw_payload.get("context")
        session = context.get("session") if isinstance(context, dict) else None
        return not isinstance(session, dict) or session.get("session_id") in (None, _DEFAULT)

    def _denied(self, account: Account, message: HiveMessage) -> str:
        """What this client may not send, and for which a message is dropped: an OVOS type, or binary data.

        An empty text for none. Who may send nothing may send no binary data either.
        """
        allowed = self._allowed(account)
        if allowed is None:
            return ""
        if message.msg_type is HiveMessageType.BINARY:
            return "" if allowed or not self._likeness.tells_denials else BINARY
        if message.msg_type is _BUS:
            asked = message["type"]
        elif message.msg_type in _QUESTIONS and not message.metadata.get("is_response"):
            inner = message.raw_payload.get("payload")
            asked = inner.get("type") if isinstance(inner, dict) and utterance_of(inner) else None
        else:
            return ""
        return asked if isinstance(asked, str) and asked not in allowed else ""

    def _allowed(self, account: Account) -> Optional[tuple[str, ...]]:
        return self._likeness.new_client if account.allowed is None else account.allowed

    def _no_answer(self, peer: str, asked: Json) -> HiveMessage:
        query_id = asked.get("query_id")
        data = {"query_id": query_id, "error": "no_answer"}
        metadata = {
            "query_id": query_id,
            "originator_peer": asked.get("originator_peer") or peer,
            "responder_peer": self._node_id,
            "is_response": True,
        }
        said = HiveMessage(_BUS, {"type": "hive.query.timeout", "data": data, "context": {}})
        return HiveMessage(HiveMessageType.QUERY, said, metadata=metadata)

    def _no_mailbox(self) -> HiveMessage:
        status = {"status": "error", "reason": "not_a_rendezvous_node", "mailbox_node": self._node_id}
        return HiveMessage(HiveMessageType.RENDEZVOUS, status)


def has_right(account: Account, kind: AnyMessageType) -> bool:
    """Whether a client may send messages of a type at all."""
    if kind is _BROADCAST:
        return account.admin and account.can_broadcast
    return bool(getattr(account, _RIGHTS[kind])) if kind in _RIGHTS else True


def _is_whole(message: HiveMessage) -> bool:
    """Whether there is a message in this one; what there is instead is for the router to tell."""
    try:
        checked_inner(message)
    except FrameError:
        return False
    return True


def _denial(peer: str, message: HiveMessage, denied: str, allowed: Optional[tuple[str, ...]]) -> HiveMessage:
    """What a hub says to a client that sent what it is not allowed, with the fields of hubs 4.15 and 5.3."""
    data: Json = {
        "denied_type": denied,
        "code": "acl_disallowed_type",
        "reason": f"{denied} not in allowed_types",
        "data": {"msg_type": denied, "allowed": list(allowed or ())},
    }
    if denied == BINARY:
        data["bin_type"] = str(int(message.bin_type))
        data["reason"], data["data"] = (
            "a client with no allowed_types may send no binary data",
            {"allowed": []},
        )
    context = {"source": "hivemind-core", "destination": peer}
    return HiveMessage(_BUS, {"type": DENIED, "data": data, "context": context})
