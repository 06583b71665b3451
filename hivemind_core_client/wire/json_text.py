"""JSON as it travels: compact, in UTF-8, an object at the top.

Written and read by `msgspec` where it is installed (the extra `speed`), and by the standard library where it is
not, or for the little that the two treat differently. The standard library refuses what JSON does not have, such
as bytes and NaN, and msgspec writes something else for it: so what msgspec wrote counts only if it reads as the
same again, which still takes half the time. Integers of any size are kept. A number that is not finite (NaN,
Infinity, 1e400) is none of JSON: Python hubs write it all the same, and it is read as null, so that whoever answers
with what he got can send it. What we send is JSON, and the error names the field.
"""

from __future__ import annotations

import json
import math
import re
import sys
from collections.abc import Iterable, Mapping
from typing import Any, Callable, Optional, cast

from hivemind_core_client.wire.errors import FrameError, FrameTooLarge, InvalidMessage, Mend
from hivemind_core_client.wire.json_cost import (
    MOST_COST_BYTES,
    SHORT,
    USUAL_GROWTH,
    WORST_GROWTH,
    Text,
    allowance,
    cost_of,
)
from hivemind_core_client.wire.text import printable

Json = dict[str, Any]

#: Why a message cannot be written as UTF-8.
_LONE_SURROGATE = (
    "a message holds a lone surrogate, which has no UTF-8 form. Send whole characters; if they are, they were not read "
    "as UTF-8: run with PYTHONUTF8=1 or in a UTF-8 locale"
)

#: Finds an escape that may be half a character.
_MAYBE_HALF: Callable[[str], object] = re.compile(r"\\u[dD][89a-fA-F]").search

#: JSON text of one string.
json_string: Callable[[str], str] = json.encoder.encode_basestring

_MEND_NUMBER = Mend("send None in its place (NaN and Infinity are none)", joint="; ")

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
    if fast_encode is not None:
        try:
            data = fast_encode(value)
            if decode(data) == value:
                return data.decode()
        except _NOT_WRITTEN:
            pass  # the standard library has the word
    return standard_text(value)


def standard_text(value: Any) -> str:
    """The same, written by the standard library."""
    try:
        return _ENCODE(value)
    except InvalidMessage:
        raise
    except (TypeError, ValueError, RecursionError) as error:
        field = _not_finite(value) if isinstance(error, ValueError) else None
        if field is not None:
            raise InvalidMessage(
                f"{printable(field)} is a number that JSON does not have", _MEND_NUMBER
            ) from error
        raise InvalidMessage(f"a payload has no JSON form: {error}") from error


def _not_finite(value: Any) -> Optional[str]:
    """Where in a value NaN or Infinity stands, such as `payload.data.score[2]`; None where it is not found."""
    try:
        return _number_in(value, "")
    except RecursionError:
        return None


def _number_in(value: Any, path: str) -> Optional[str]:
    if isinstance(value, float):
        return None if math.isfinite(value) else path or "a payload"
    inner: Iterable[tuple[str, Any]] = ()
    if isinstance(value, Mapping):
        inner = ((f"{path}.{key}" if path else str(key), each) for key, each in value.items())
    elif isinstance(value, (list, tuple)):
        inner = ((f"{path}[{index}]", each) for index, each in enumerate(value))
    elif callable(getattr(value, "serialize", None)):
        inner = [(path, value.serialize())]
    return next((found for at, each in inner if (found := _number_in(each, at))), None)


def utf8(text: str) -> bytes:
    """The text as it travels. Raises InvalidMessage for half a character, which has no form on the wire."""
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise InvalidMessage(_LONE_SURROGATE) from error


def json_object(text: Text, what: str = "frame", most: Optional[int] = None) -> Json:
    """Parse JSON text that must be an object.

    Raises FrameError otherwise, and for lone surrogates; FrameTooLarge for one that would take more than `most` bytes
    of memory (None: as much as a frame of its length may take). Numbers that are not finite are read as null.
    """
    if len(text) * WORST_GROWTH > (MOST_COST_BYTES if most is None else most):
        cost, size = cost_of(text)
        _check_cost(cost, size, what, allowance(2 * MOST_COST_BYTES, size, size) if most is None else most)
    try:
        value = decode(text)
    except _NOT_READ:
        value = _read_again(text, what)
    if type(value) is not dict:
        raise FrameError(f"{what} is a JSON {type(value).__name__}, not an object")
    return cast(Json, value)


def json_weighed(text: Text, what: str, max_size: int, wire: Optional[int] = None) -> tuple[Json, int]:
    """The object in a text, and what both take in memory, in bytes: estimated where the text is short.

    Raises like `json_object`. The text came in `wire` bytes, where it was compressed; `max_size` bounds its length.
    """
    if len(text) <= SHORT:
        return json_object(text, what), len(text) * USUAL_GROWTH
    cost, size = cost_of(text)
    _check_cost(cost, size, what, allowance(max_size, size if wire is None else wire, size))
    return json_object(text, what, most=sys.maxsize), cost


def _check_cost(cost: int, size: int, what: str, most: int) -> None:
    """Raises FrameTooLarge, before anything is parsed."""
    if cost > most:
        raise FrameTooLarge(
            f"{what} of {size} bytes would take up to {cost} bytes in memory; the limit is {most}",
            Mend("send it in parts, or as BINARY. A short one may take half of Limits.inflated"),
        )


def _read_again(text: Text, what: str) -> Any:
    """What the fastest library does not read, integers of any size above all."""
    try:
        return standard_decode(text)
    except (ValueError, RecursionError) as error:
        raise FrameError(f"{what} is not JSON: {type(error).__name__}") from error


def standard_decode(text: Text) -> Any:
    """Parse with the standard library. Raises ValueError or RecursionError."""
    if not isinstance(text, str):
        text = str(text, "utf-8")
    elif not text.isascii():
        text.encode()  # raises for half a character
    value = _DECODE(text)
    if _MAYBE_HALF(text):
        _check_whole(value)
    return value


def _check_whole(value: Any) -> None:
    """Raises UnicodeEncodeError for a string with half a character, which nobody could send on."""
    left: list[Iterable[Any]] = [(value,)]
    while left:
        for each in left.pop():
            if isinstance(each, str):
                each.isascii() or each.encode()
            elif isinstance(each, dict):
                left += [each, each.values()]
            elif isinstance(each, list):
                left.append(each)


def _finite(text: str) -> Optional[float]:
    value = float(text)
    return None if math.isinf(value) else value


# Made once: json.loads makes one at each call that is given such functions.
_DECODE = json.JSONDecoder(parse_float=_finite, parse_constant=lambda name: None).decode

#: Parses with the fastest library that is installed.
decode: Callable[[Text], Any] = standard_decode
_NOT_READ: tuple[type[Exception], ...] = (ValueError, RecursionError)
#: Writes with msgspec, if that is installed.
fast_encode: Optional[Callable[[Any], bytes]] = None
_NOT_WRITTEN: tuple[type[Exception], ...] = (TypeError, ValueError, OverflowError, RecursionError)
try:
    import msgspec
except ImportError:
    pass
else:
    decode = msgspec.json.Decoder().decode
    _NOT_READ = (*_NOT_READ, msgspec.MsgspecError)
    fast_encode = msgspec.json.Encoder().encode
    _NOT_WRITTEN = (*_NOT_WRITTEN, msgspec.MsgspecError)
