"""What a message takes in memory, wherever it is from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hivemind_core_client.wire.json_cost import cost_of
from hivemind_core_client.wire.json_text import json_text

if TYPE_CHECKING:
    from hivemind_core_client.wire.message import HiveMessage


def weight_of(message: HiveMessage) -> int:
    """The bytes that a message takes: as counted when it came in a frame, else the most that they may be.

    Counting takes as long as writing it. Raises InvalidMessage for one that has no JSON form.
    """
    if message.weight:
        return message.weight
    payload = message.raw_payload
    if isinstance(payload, (bytes, bytearray, memoryview)):
        return len(payload)
    cost, _ = cost_of(json_text(payload))
    return cost
