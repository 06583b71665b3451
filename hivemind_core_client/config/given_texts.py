"""Texts that people give, and what came with them that nobody meant.

Files and variables bring a line end, a byte order mark, or the quotes of a compose file: that is cut. What is typed
as an option, or passed as an argument, is refused with a word in its place, for whoever gave it can mend it.
"""

from __future__ import annotations

import codecs
import logging
import os
import re
from typing import Any, Optional

from hivemind_core_client.wire.errors import InvalidCredential, InvalidOption, Mend

log = logging.getLogger(__name__)

DEFAULT_SITE = "unknown"
#: White space, and what is as invisible: the byte order mark and the space of no width.
_INVISIBLE = r"[\s\ufeff\u200b]"
_AROUND = re.compile(rf"\A{_INVISIBLE}+|{_INVISIBLE}+\Z")
_WITHIN = re.compile(r"[\r\n\0\ufeff]")
#: A pair of quotes around all of a text.
_QUOTED = re.compile(r"""\A(["'])(.*)\1\Z""", re.DOTALL)
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
#: Those in which Python keeps the bytes of a terminal, a variable or a file name that it cannot read.
_UNREAD_BYTE = re.compile("[\udc80-\udcff]")
#: The longest line that is read for a secret, in bytes.
_LONGEST_LINE = 64 * 1024
_MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
_told: set[str] = set()


def cut(text: str) -> str:
    """A text of a file or a variable without white space, byte order mark and line ends around it."""
    return _AROUND.sub("", text)


def variable(name: str) -> Optional[str]:
    """What is meant by an environment variable; None where it is missing or empty.

    Quotes around all of it are those of a compose file or an env file that took them as they stand: cut, and told once.
    """
    text = cut(as_meant(os.environ.get(name, "")))
    quoted = _QUOTED.match(text)
    if quoted is None:
        return text or None
    if name not in _told:
        _told.add(name)
        log.warning("%s has quotes around it, and is taken without them: write it without", name)
    return cut(quoted.group(2)) or None


def as_meant(text: str) -> str:
    """A text of a terminal or a variable whose bytes are UTF-8 though Python, in another locale, did not see it.

    Any other is as it was: what its bytes mean cannot be known.
    """
    if _UNREAD_BYTE.search(text) is None:
        return text
    try:
        return os.fsencode(text).decode("utf-8")
    except UnicodeError:
        return text


def checked_text(what: str, value: Any) -> Optional[str]:
    """A text that is given as an argument; None for an empty one. Raises InvalidCredential for what nobody can mean."""
    if value is None:
        return None
    if not isinstance(value, str):
        raise InvalidCredential(f"the {what} is a {type(value).__name__}, not text")
    if _UNREAD_BYTE.search(value):
        raise InvalidCredential(
            f"the {what} holds bytes that are not UTF-8",
            Mend("let the terminal send UTF-8, or set a locale such as LC_ALL=C.UTF-8", joint="; "),
        )
    if _LONE_SURROGATE.search(value):
        raise InvalidCredential(f"the {what} holds half a character, which has no form on the wire")
    if _AROUND.search(value):
        raise InvalidCredential(
            f"the {what} has white space or an invisible character before or after it",
            Mend("give it without", joint="; "),
        )
    if _WITHIN.search(value):
        raise InvalidCredential(
            f"the {what} holds a line end or another character that cannot be seen",
            Mend("give it without", joint="; "),
        )
    return value or None


def site_of(value: Any) -> str:
    """A site that is given, and the name of none for an empty one. Raises InvalidCredential."""
    return checked_text("site", value) or DEFAULT_SITE


def checked_field(field: str, value: str) -> str:
    """A text for the identity file. Raises InvalidOption for what is not text though Python holds it as such."""
    meant = as_meant(value)
    if _LONE_SURROGATE.search(meant):
        raise InvalidOption(
            f"{field} holds bytes that are not UTF-8, or half a character", Mend("give it as text")
        )
    return meant


def first_line(stream: Any) -> str:
    """The first line of a file that is open for bytes: UTF-8, or what a byte order mark says it is; cut.

    Raises UnicodeDecodeError for anything else, and ValueError for a line of more than 64 KiB.
    """
    data: bytes = stream.readline(_LONGEST_LINE)
    if len(data) == _LONGEST_LINE:
        raise ValueError(f"its first line is longer than {_LONGEST_LINE // 1024} KiB")
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):  # the end of a line is no byte there
        data += stream.read(_LONGEST_LINE)
    return cut(decoded(data).partition("\n")[0])


def decoded(data: bytes) -> str:
    """The text of a file: UTF-8, or what a byte order mark says. Raises UnicodeDecodeError.

    A character that is cut off at the end is left out.
    """
    mark = next((mark for mark in _MARKS if data.startswith(mark)), b"")
    decode = codecs.getincrementaldecoder(_MARKS.get(mark, "utf-8"))().decode
    return decode(data[len(mark) :])


def pem_text(data: bytes) -> str:
    """The text of a file with a key; one that is none reads as no key."""
    try:
        return decoded(data)
    except UnicodeDecodeError:
        return data.decode("ascii", "replace")
