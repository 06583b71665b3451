"""JSON as it travels: compact, in UTF-8, an object at the top.

By `msgspec` where it is installed (the extra `speed`), which takes a tenth of the time; by the standard
library where it is not, and for what msgspec does not read, such as lone surrogates. Both write valid
JSON and keep integers of any size. Numbers that JSON does not have (NaN, infinities) are refused by the
standard library and become null by msgspec.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Callable, Optional, Union, cast

from hivemind_core_client.errors import FrameError, InvalidMessage

try:
    import msgspec
except ImportError:
    _fast_encode: Optional[Callable[[Any], bytes]] = None
    _loads: Callable[[Union[str, bytes]], Any] = json.loads
else:
    _fast_encode = msgspec.json.Encoder(enc_hook=lambda value: _plain(value)).encode
    _fast_decode = msgspec.json.Decoder().decode

    def _loads(text: Union[str, bytes]) -> Any:
        try:
            return _fast_decode(text)
        except msgspec.MsgspecError:
            return json.loads(text)


Json = dict[str, Any]

#: JSON text of one string.
json_string: Callable[[str], str] = json.encoder.encode_basestring

_ENCODE = json.JSONEncoder(
    ensure_ascii=False,
    check_circular=False,
    allow_nan=False,
    separators=(",", ":"),
    default=lambda value: _plain(value),
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
        return _ENCODE(value) if _fast_encode is None else _fast_encode(value).decode()
    except InvalidMessage:
        raise
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidMessage(f"a payload has no JSON form: {error}") from error


def json_object(text: Union[str, bytes], what: str = "frame") -> Json:
    """Parse JSON text that must be an object. Raises FrameError otherwise."""
    try:
        value = _loads(text)
    except (ValueError, RecursionError) as error:
        raise FrameError(f"{what} is not JSON: {type(error).__name__}") from error
    if type(value) is not dict:
        raise FrameError(f"{what} is a JSON {type(value).__name__}, not an object")
    return cast(Json, value)
