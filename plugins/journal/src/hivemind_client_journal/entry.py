"""One row of the journal, and the message in it."""

from __future__ import annotations

from typing import Any, Optional

from attrs import field, frozen

from hivemind_core_client import HiveMessage
from hivemind_core_client.errors import InvalidMessage
from hivemind_core_client.message import OVOS_TYPES
from hivemind_core_client.wire.json_text import json_text, utf8
from hivemind_core_client.wire.text import without_keys

#: What a direction is called.
RECEIVED, SENT = "received", "sent"
#: Of a longer message, in bytes of JSON text, only type and size are kept.
LONGEST = 2**20
#: A message that takes more memory than this is longer: it is not even written as text.
_HEAVIEST = 16 * LONGEST
#: Types and names are the words of a peer, and cut here.
_LONGEST_NAME = 200
#: How many messages within messages are looked into.
_LAYERS = 8


@frozen
class Entry:
    """A message that was sent or received.

    `at` is the time, in seconds since the epoch. `direction` is `sent` or `received`. `msg_type` is the wire name.
    `ovos_type` is the type of the OVOS Message in it, or empty. `node` is this satellite. `hub` is the hub's node id.
    `text` is the message as JSON. It is None for a message that was too long or has no JSON form. `size` is its length
    in bytes. `id` is the number of the row. It is 0 before the row is written.
    """

    at: float
    direction: str
    msg_type: str
    ovos_type: str = ""
    node: str = ""
    hub: str = ""
    size: int = 0
    text: Optional[str] = field(default=None, repr=False)
    id: int = 0

    def message(self) -> Optional[HiveMessage]:
        """The message, or None if it was not kept. Raises FrameError if somebody has made the text unreadable."""
        return None if self.text is None else HiveMessage.from_wire(self.text)


def entry_of(message: HiveMessage, direction: str, at: float, node: str = "", hub: str = "") -> Entry:
    """The row for a message. It is written as text at once: handlers may change what is in it later."""
    text, size = _text_of(message)
    return Entry(
        at=at,
        direction=direction,
        msg_type=str(message.msg_type)[:_LONGEST_NAME],
        ovos_type=_without_halves(_ovos_type(message)[:_LONGEST_NAME]),
        node=_without_halves(without_keys(node)[:_LONGEST_NAME]),
        hub=_without_halves(without_keys(hub)[:_LONGEST_NAME]),
        size=size,
        text=text,
    )


def _text_of(message: HiveMessage) -> tuple[Optional[str], int]:
    """The JSON text without access keys, and its size; None for what is too long or has no such text."""
    if message.weight > _HEAVIEST:
        return None, message.weight
    try:
        text = without_keys(json_text(message.as_dict))
        size = len(utf8(text))
    except InvalidMessage:
        return None, 0
    return (text if size <= LONGEST else None), size


def _ovos_type(message: HiveMessage) -> str:
    """The type of the OVOS Message in this one, however deep; empty where there is none."""
    kind: Any = message.msg_type
    body: Any = message.raw_payload
    for _ in range(_LAYERS):
        if not isinstance(body, dict):
            return ""
        if kind in OVOS_TYPES:
            return str(body.get("type", ""))
        kind, body = body.get("msg_type"), body.get("payload")
    return ""


def _without_halves(text: str) -> str:
    return text.encode("utf-8", "replace").decode()
