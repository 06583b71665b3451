"""The one place where OVOS objects are made: Messages out of dicts, and this satellite's Session."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hivemind_core_client.jsontext import Json

if TYPE_CHECKING:
    from ovos_bus_client.message import Message


def to_message(fields: Json) -> Message:
    """An OVOS Message from `{"type", "data", "context"}`."""
    from ovos_bus_client.message import Message

    return Message(fields["type"], fields.get("data") or {}, fields.get("context") or {})


def new_session(session_id: str, site_id: str) -> Json:
    """The serialized OVOS Session that a satellite says hello with: language and so on as configured."""
    from ovos_bus_client.session import Session

    session = Session(session_id)
    session.site_id = site_id
    serialized: Any = session.serialize()
    return dict(serialized)
