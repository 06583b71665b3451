"""OVOS Messages out of dicts. OVOS itself is imported when the first one is made."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ovos_bus_client.message import CollectionMessage, Message

    from hivemind_core_client.wire.json_text import Json

#: Where the context of a message has the id of the collect-call that it belongs to.
CALL_ID = "__collect_id__"


@cache
def _message_class() -> Any:
    """Imported when the first one is made: OVOS takes its time."""
    from ovos_bus_client.message import Message

    return Message


def to_message(fields: Json) -> Message:
    """An OVOS Message from `{"type", "data", "context"}`."""
    message: Message = _message_class()(fields["type"], fields.get("data") or {}, fields.get("context") or {})
    return message


def to_collection_message(message: Message, handler_id: str, collect_id: str) -> CollectionMessage:
    """The collect-call `collect_id`, as the handler `handler_id` answers it."""
    from ovos_bus_client.message import CollectionMessage

    return CollectionMessage.from_message(message, handler_id, collect_id)


def is_ovos_message(value: Any) -> bool:
    """True for an OVOS Message, told by its shape so that OVOS need not be imported."""
    return (
        isinstance(getattr(value, "msg_type", None), str)
        and isinstance(getattr(value, "data", None), dict)
        and isinstance(getattr(value, "context", None), dict)
    )
