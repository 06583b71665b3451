"""Changes to an input that keep its form: JSON stays JSON, frames stay frames. Changed bytes alone seldom do."""

from __future__ import annotations

import json
import random
import zlib
from typing import Any, Optional

from hivemind_core_client.builtins import binary_serializer
from hivemind_core_client.errors import FrameError
from hivemind_core_client.message import HiveMessageType

_VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 2**31, 2**63, 2**70, -(10**40), 1.5, -0.0, 1e308, 5e-324),
    *("", "a", "default", "\0", "\u2028", "\U0001f600", "..", "x" * 300, "1", "null", "{}", "AA=="),
    *(
        [],
        {},
        [[]],
        [None],
        {"": {}},
        {"source": "a", "targets": ["b"]},
        {"type": "t", "data": {}, "context": {}},
    ),
    *(
        [{"source": "a::1", "targets": ["b"]}, 1, {"source": None}],
        {"msg_type": "bus", "payload": {"type": "t"}},
    ),
    *({"session": {"session_id": "s", "expires_at": -1}}, {"payload": {"payload": {"payload": {}}}}),
)
_KINDS = tuple(kind.value for kind in HiveMessageType)


def changed_json(chance: random.Random, value: Any, depth: int = 0) -> Any:
    """A JSON value that differs in one place."""
    if isinstance(value, dict) and value and depth < 8 and chance.random() < 0.8:
        name = chance.choice(list(value))
        return _changed_field(chance, value, name, depth)
    if isinstance(value, list) and value and depth < 8 and chance.random() < 0.8:
        at = chance.randrange(len(value))
        return [*value[:at], changed_json(chance, value[at], depth + 1), *value[at + 1 :]]
    if isinstance(value, str) and chance.random() < 0.5:
        return chance.choice((value[1:], value * 2, value + "\0", chance.choice(_KINDS)))
    return chance.choice(_VALUES)


def _changed_field(chance: random.Random, value: dict[str, Any], name: str, depth: int) -> dict[str, Any]:
    kind = chance.randrange(8)
    if kind == 0:
        return {key: field for key, field in value.items() if key != name}
    if kind == 1:
        return {**value, chance.choice(("", "payload", "context", "session", "route", "noise")): value[name]}
    if kind == 2:
        return {**value, name: value}
    return {**value, name: changed_json(chance, value[name], depth + 1)}


def changed_text(chance: random.Random, data: bytes) -> Optional[bytes]:
    """JSON text, changed; None for what is none."""
    try:
        value = json.loads(data)
        for _ in range(chance.choice((1, 1, 2, 4))):
            value = changed_json(chance, value)
        return json.dumps(value, ensure_ascii=chance.random() < 0.2).encode("utf-8", "replace")
    except (ValueError, RecursionError):
        return None


def changed_lines(chance: random.Random, data: bytes) -> Optional[bytes]:
    """One line of JSON text, changed."""
    lines = data[1:].split(b"\n")
    at = chance.randrange(len(lines))
    line = changed_text(chance, lines[at])
    return None if line is None else data[:1] + b"\n".join([*lines[:at], line, *lines[at + 1 :]])


def changed_frame(chance: random.Random, data: bytes) -> Optional[bytes]:
    """A binary frame whose fields are changed; None for what is none."""
    try:
        message = binary_serializer.decode(data, 2**16)
    except FrameError:
        return None
    payload, metadata = message.raw_payload, message.metadata
    code = binary_serializer.CODES[message.msg_type]
    is_bytes = isinstance(payload, bytes)
    if chance.random() < 0.7 and not is_bytes:
        payload = changed_json(chance, payload)
    if chance.random() < 0.3:
        metadata = changed_json(chance, metadata)
    if chance.random() < 0.2:
        code = chance.randrange(32)
    body = payload if is_bytes else json.dumps(payload).encode()
    return _frame(chance, code, json.dumps(metadata).encode()[:255], body, is_bytes)


def _frame(chance: random.Random, code: int, metadata: bytes, body: bytes, is_bytes: bool) -> bytes:
    compressed = chance.random() < 0.5
    if compressed:
        metadata = zlib.compress(metadata)[:255]
        body = body if is_bytes else zlib.compress(body)
    bits = 0b11 << 8 | chance.choice((0, 1, 1, 2, 255)) if chance.random() < 0.3 else 0b10
    bits = (bits << 5 | code) << 1 | compressed
    size = 3 if bits > 0xFF else 2
    start = (bits << 8 | len(metadata)).to_bytes(size, "big") + metadata
    if code == binary_serializer.CODES[HiveMessageType.BINARY]:
        start = (int.from_bytes(start, "big") << 4 | chance.randrange(16)).to_bytes(len(start) + 1, "big")
    return b"\0" * chance.choice((0, 0, 0, 1, 5)) + start + body


def changed_answer(chance: random.Random, data: bytes) -> Optional[bytes]:
    """The answer of a hub over HTTP, whose body is changed and whose length fits; None for what is none."""
    head, blank, body = data.partition(b"\r\n\r\n")
    changed = changed_text(chance, body) if blank else None
    if changed is None:
        return None
    lines = [line for line in head.split(b"\r\n") if not line.lower().startswith(b"content-length")]
    return b"\r\n".join([*lines, b"Content-Length: %d" % len(changed)]) + b"\r\n\r\n" + changed
