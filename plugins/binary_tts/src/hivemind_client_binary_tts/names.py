"""Names for files on our own disk, made of what a peer calls its file."""

from __future__ import annotations

import logging
import re
from typing import Any

from hivemind_core_client.wire.text import printable, safe_label

log = logging.getLogger(__name__)

#: Encrypted home folders take 143 bytes for a name, and a number may still have to be added.
MAX_NAME_BYTES = 130

_REFUSED_BY_WINDOWS = re.compile(r'[<>:"|?*]')
_DEVICES = re.compile(r"(?:CON|PRN|AUX|NUL|CONIN\$|CONOUT\$|(?:COM|LPT)[0-9¹²³]) *", re.IGNORECASE)
#: A longer one is no extension that a player or a desktop would recognise.
_LONGEST_SUFFIX = 16
#: What a hub called a file is shown to the user with as many characters.
_LONGEST_SAID = 255


class FileName(str):
    """A safe name for a file. `as_said` is what the hub called it, made printable; empty where it gave no name."""

    as_said: str

    def __new__(cls, name: str, as_said: str) -> FileName:
        """The name as text, with what was said beside it."""
        made = super().__new__(cls, name)
        made.as_said = as_said
        return made


def safe_file_name(file_name: Any, fallback: str) -> str:
    """A name that is harmless in any folder of any system. If nothing is left of it, `fallback`.

    First comes what `safe_label` makes of `file_name`. Then dots at the beginning are removed, as they hide files. What
    Windows ignores at the end is removed too. Characters that Windows refuses become `_`, and so does a first `-` or
    `~`. A name of a Windows device gets a `_` in front. The name has at most 130 bytes of UTF-8. A longer one is cut
    before a short extension. A safe name comes back as it is. `fallback` is not checked.
    """
    name = _REFUSED_BY_WINDOWS.sub("_", safe_label(file_name, "")).lstrip(". ")
    if name[:1] in {"-", "~"}:
        name = "_" + name[1:]
    if _DEVICES.fullmatch(name.partition(".")[0]):
        name = "_" + name
    return shortened(name, MAX_NAME_BYTES).rstrip(". ") or fallback


def name_for(file_name: Any, fallback: str) -> FileName:
    """The same, with what was said beside it, and a warning if a name was given and had to be changed."""
    name = FileName(safe_file_name(file_name, fallback), as_said(file_name))
    if name.as_said and name != file_name:
        log.warning(
            "the hub's file name %r is not safe as it is; the data is kept as %r", name.as_said, str(name)
        )
    return name


def as_said(file_name: Any) -> str:
    """What a hub called its file, made printable; empty for no name. Of a FileName it is what that knows."""
    if isinstance(file_name, FileName):
        return file_name.as_said
    if file_name is None:
        return ""
    return printable(file_name if isinstance(file_name, str) else repr(file_name), _LONGEST_SAID)


def shortened(name: str, room: int) -> str:
    """`name`, cut to `room` bytes of UTF-8 before its extension if that is short; `room` is at least 17."""
    stem, suffix = split_suffix(name)
    end = suffix.encode()
    return stem.encode()[: max(0, room - len(end))].decode(errors="ignore") + suffix


def split_suffix(name: str) -> tuple[str, str]:
    """The name before its last dot, and the rest of 16 bytes at most, dot included; or all of it, and nothing."""
    stem, dot, extension = name.rpartition(".")
    suffix = dot + extension
    if not stem or len(suffix.encode()) > _LONGEST_SUFFIX:
        return name, ""
    return stem, suffix
