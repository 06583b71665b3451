"""The OVOS session that a client begins with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hivemind_core_client.wire.json_text import Json


def new_session(session_id: str, site_id: str) -> Json:
    """The serialized OVOS Session that a client says hello with: language and so on as OVOS is configured here."""
    from ovos_bus_client.session import Session

    session = Session(session_id)
    session.site_id = site_id
    serialized: Any = session.serialize()
    return dict(serialized)
