"""What JSON text costs in memory once it is parsed: counted in the text, so that a bomb is refused before it goes off.

An upper bound by counting, not by reading: a brace within a string counts like any other. What the containers and
values of CPython take is the same whoever parses.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Union

Text = Union[str, bytes, bytearray]

#: What may be spent on the objects of one text that came from a peer, however short it is, in bytes.
MOST_COST_BYTES = 16 * 2**20
#: What a longer one may cost, for each byte of what came on the wire. The text itself counts too.
MOST_GROWTH = 7
#: What a longer one may cost beside that, for its containers.
_SPARE_BYTES = 2**20
#: What plain text costs where it came compressed, for each byte that it inflated to.
_PLAIN_GROWTH = 3
#: No text costs more for each of its characters: objects in objects are the worst, {"":{"":…}}.
WORST_GROWTH = 48
#: Text up to here is not counted, in characters: it counts for what is twice usual, and a third of the worst.
SHORT, USUAL_GROWTH = 16 * 1024, 16

# Bytes that CPython takes at most for each. The first entries of an object come with it, so its price is split.
_DICT, _ENTRY, _LIST, _SLOT, _STRING, _NUMBER = 128, 64, 96, 10, 56, 32
#: What a string takes more if it is not ASCII.
_NOT_ASCII = 24

_BACKSLASH = ord("\\")
_MARKS = (b"{", b"[", b",", b":", b'"')
_NO_MARKS = bytes(set(range(256)) - set(b"".join(_MARKS)))
_PART_BYTES = 2**18
#: How a character of four bytes in memory begins, in UTF-8 and as an escape. One of them makes all its string so wide.
_WIDE = (b"\xf0", b"\xf1", b"\xf2", b"\xf3", b"\xf4", b"\\ud", b"\\uD")
#: So many strings with such characters are measured; of a text with more of them, all counts as wide.
_MOST_MEASURED = 1000


def allowance(most: int, wire: int, text: int) -> int:
    """What a text of `text` bytes may cost that came in `wire` bytes: fewer, where it was compressed.

    `most` bounds how long a text may be; half of that is free for each.
    """
    return max(most // 2, MOST_GROWTH * wire + _SPARE_BYTES, _PLAIN_GROWTH * text)


def cost_of(text: Text) -> tuple[int, int]:
    """The most bytes that this text and its objects take, and its length in bytes."""
    raw = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    dicts, lists, slots, entries, quotes = _marks_of(raw)
    strings = (quotes + 1) // 2
    # Each value but the first of its container follows a comma; what is neither text nor a container is a number.
    values = slots + 1 - max(0, strings - entries)
    numbers = min(max(0, values), (len(raw) - dicts - lists - slots - entries - quotes) // 2)
    containers = _DICT * dicts + _LIST * lists + _ENTRY * entries + _SLOT * slots
    cost = containers + _STRING * strings + _NUMBER * numbers + _characters(text, raw, strings)
    return cost, len(raw)


def _marks_of(raw: Union[bytes, bytearray]) -> Sequence[int]:
    """How many there are of each of `_MARKS`. Counted in parts: between two of them, other threads have their turn."""
    if len(raw) <= _PART_BYTES:
        marks = raw.translate(None, _NO_MARKS)
        return [marks.count(mark) for mark in _MARKS]
    parts = (raw[at : at + _PART_BYTES] for at in range(0, len(raw), _PART_BYTES))
    return [sum(counts) for counts in zip(*map(_marks_of, parts))]


def _characters(text: Text, raw: Union[bytes, bytearray], strings: int) -> int:
    """What the characters of so many strings take, and the text itself; a parser keeps the UTF-8 of one beside it."""
    own = len(raw)
    if raw.isascii() and b"\\u" not in raw:
        return own + len(text)
    wide = sum(_in_strings_with(raw, mark) for mark in _WIDE)
    if isinstance(text, str) and not raw.isascii():
        own += len(text) * (4 if any(mark in raw for mark in _WIDE[:5]) else 2)
    return own + _NOT_ASCII * strings + 2 * len(text) + 2 * min(len(text), wide)


def _in_strings_with(raw: Union[bytes, bytearray], mark: bytes) -> int:
    """How many bytes stand in strings that hold this."""
    total = at = 0
    for _ in range(_MOST_MEASURED):
        found = raw.find(mark, at)
        if found < 0:
            return total
        begin, end = raw.rfind(b'"', at, found), raw.find(b'"', found)
        while begin > at and raw[begin - 1] == _BACKSLASH:
            begin = raw.rfind(b'"', at, begin - 1)
        while end > 0 and raw[end - 1] == _BACKSLASH:
            end = raw.find(b'"', end + 1)
        begin, end = max(begin, at), len(raw) if end < 0 else end
        total, at = total + end - begin, end
    return len(raw)
