"""Text frames: a message as its JSON object."""

from __future__ import annotations

from typing import Optional

from hivemind_core_client.plugins.contract import Serializer
from hivemind_core_client.plugins.hookspecs import hookimpl
from hivemind_core_client.wire.errors import FrameTooLarge, Mend
from hivemind_core_client.wire.json_text import json_text, json_weighed
from hivemind_core_client.wire.message import HiveMessage, HiveMessageType

_BINARY = HiveMessageType.BINARY


@hookimpl(trylast=True)
def hivemind_serializers() -> list[Serializer]:
    """The serializer named `text`."""
    return [Serializer("text", encode, decode)]


def encode(message: HiveMessage, compress: Optional[bool] = None) -> Optional[str]:
    """JSON text, or None for BINARY, which has none. Text is never compressed."""
    if message.msg_type is _BINARY:
        return None
    return json_text(message.as_dict)


def decode(frame: str, max_size: int) -> HiveMessage:
    """Raises FrameError for anything that is no message.

    FrameTooLarge beyond `max_size` characters, and for one that would take too much memory once it is parsed.
    """
    if len(frame) > max_size:
        raise FrameTooLarge(
            f"a text of {len(frame)} characters; the limit is {max_size}",
            Mend("if you trust the hub with more, raise Limits.inflated"),
        )
    fields, weight = json_weighed(frame, "frame", max_size)
    message = HiveMessage.from_wire(fields)
    message.weight = weight
    return message
