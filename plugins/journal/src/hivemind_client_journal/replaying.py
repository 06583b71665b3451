"""Recorded messages as new ones."""

from __future__ import annotations

from typing import Any

from hivemind_core_client import HiveMessage
from hivemind_core_client.message import OVOS_TYPES, WRAPPER_TYPES

#: What a client fills in anew: the id of a question, and who asks.
_FILLED_IN = ("query_id", "originator_peer")


def again(message: HiveMessage) -> HiveMessage:
    """The message as whoever said it would say it now: what the client fills in is left to it.

    The session was that of another connection, and a question with an old id would get no answer.
    """
    metadata = {name: value for name, value in message.metadata.items() if name not in _FILLED_IN}
    return message.copy(payload=_open(message.msg_type, message.raw_payload), metadata=metadata)


def _open(kind: Any, body: dict[str, Any]) -> dict[str, Any]:
    if kind in OVOS_TYPES and isinstance(body.get("context"), dict):
        return {
            **body,
            "context": {name: value for name, value in body["context"].items() if name != "session"},
        }
    if kind in WRAPPER_TYPES and isinstance(body.get("payload"), dict):
        return {**body, "payload": _open(body.get("msg_type"), body["payload"])}
    return body
