"""Text from peers, made safe for logs, errors and file names: a peer names its file, never a place on our disk."""

from __future__ import annotations

import json
import re
from typing import Any

#: The longest label, in bytes of UTF-8: what common file systems take for one name.
MAX_LABEL_BYTES = 255

_SEPARATORS = re.compile(r"[/\\]")
_DRIVES = re.compile(r"^(?:\s*[A-Za-z]:)+")
#: A longer one is no extension that anyone needs to recognise.
_LONGEST_SUFFIX = 16
#: A hub calls a satellite `KEY::NUMBER::NAME::SESSION` over MQTT, and begins with its user agent elsewhere. Keys are
#: long and random; names of programs are words, or have a dot or a slash before their digits.
_KEY_OF_PEER = re.compile(r"(?<![\w=-])(?=[a-zA-Z_=-]*[0-9])[\w=-]{16,}(?=::[0-9]+::)")
_MASK = "***"


def printable(text: str, limit: int = 120) -> str:
    """A peer's words for a log or an error: cut, without what could steer a terminal, and without access keys."""
    return "".join(character if character.isprintable() else "?" for character in without_keys(text)[:limit])


def without_keys(text: str) -> str:
    """A text with `***` in place of access keys: over MQTT, hubs name satellites by theirs."""
    return _KEY_OF_PEER.sub(_MASK, text) if "::" in text else text


def few_of(names: tuple[str, ...]) -> str:
    """Names for an error's text: a few, and none of them long, since a hub may send anything."""
    few = ", ".join(printable(name, 40) for name in names[:10])
    return f"{few} and {len(names) - 10} more" if len(names) > 10 else few


def text_of(error: BaseException) -> str:
    """What an exception says, or its kind where it says nothing."""
    return str(error) or type(error).__name__


def described(error: BaseException) -> str:
    """The kind of an exception and what it says, also where making its text fails: `KeyError: 'rings'`."""
    kind = type(error).__name__
    try:
        said = str(error)
    except KeyboardInterrupt:
        raise
    except BaseException:  # it may be anyone's, and its text may even exit
        return f"{kind}, whose text cannot be made"
    return f"{kind}: {said}" if said else kind


def text_or_empty(value: Any) -> str:
    """A peer's value where it is text, else an empty one."""
    return value if isinstance(value, str) else ""


def json_printable(text: str) -> str:
    """JSON text, with escapes for what cannot be printed: these lose nothing, and steer no terminal. Line ends stay."""
    return text if text.isprintable() else "".join(map(_json_visible, text))


def _json_visible(character: str) -> str:
    """A character of JSON text, escaped where it cannot be printed: such stand within strings only."""
    if character.isprintable() or character == "\n":
        return character
    return json.dumps(character)[1:-1]


def safe_label(file_name: Any, fallback: str) -> str:
    """The last part of `file_name`, or `fallback` where nothing safe is left of it.

    Directories of either style and a drive letter go, and so do characters that cannot be printed: they
    could disguise the name or steer a terminal. Refused are names that are no text, hold a NUL, or end up
    empty or as dots alone. What is left is cut to 255 bytes of UTF-8, before a short extension
    if there is one. `fallback` is returned as it is.
    """
    if not isinstance(file_name, str) or "\0" in file_name:
        return fallback
    # First, or what is left out could have parted a drive letter from its colon.
    shown = "".join(character for character in file_name if character.isprintable())
    last = _DRIVES.sub("", _SEPARATORS.split(shown)[-1])
    label = _cut(last.strip()).strip()
    return label if label.strip(". ") else fallback


def _cut(name: str) -> str:
    if len(name.encode()) <= MAX_LABEL_BYTES:
        return name
    stem, dot, extension = name.rpartition(".")
    suffix = (dot + extension).encode()
    if not stem or len(suffix) > _LONGEST_SUFFIX:
        stem, suffix = name, b""
    room = MAX_LABEL_BYTES - len(suffix)
    return stem.encode()[:room].decode(errors="ignore") + suffix.decode()
