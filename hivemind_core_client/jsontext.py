"""JSON as it travels: compact, in UTF-8, an object at the top."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Union, cast

from hivemind_core_client.errors import FrameError, InvalidMessage

Json = dict[str, Any]

_ENCODE = json.JSONEncoder(
    ensure_ascii=False, separators=(",", ":"), default=lambda value: _plain(value)
).encode


def _plain(value: Any) -> Any:
    """JSON form of an object inside a payload (OVOS Session and Message know their own)."""
    serialize = getattr(value, "serialize", None)
    if callable(serialize):
        return serialize()
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, (set, frozenset, tuple)):
        return list(value)
    raise InvalidMessage(f"a payload holds a {type(value).__name__}, which has no JSON form")


def json_text(value: Any) -> str:
    """Compact JSON, non-ASCII kept. Raises InvalidMessage for what has no JSON form."""
    try:
        return _ENCODE(value)
    except InvalidMessage:
        raise
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidMessage(f"a payload has no JSON form: {error}") from error


def json_object(text: Union[str, bytes], what: str = "frame") -> Json:
    """Parse JSON text that must be an object. Raises FrameError otherwise."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise FrameError(f"{what} is not JSON: {type(error).__name__}") from error
    if type(value) is not dict:
        raise FrameError(f"{what} is a JSON {type(value).__name__}, not an object")
    return cast(Json, value)
