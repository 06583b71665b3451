"""Where the journal of an identity lies."""

from __future__ import annotations

import hashlib
import os
from typing import Any, Optional

from hivemind_core_client.config.home import at_home, xdg_home
from hivemind_core_client.config.key_files import place_of


class NoPlace(OSError):
    """There is no folder in which the journal could lie."""


def journal_path(identity: Any, given: Optional[str] = None) -> str:
    """The file for this identity; `given` is what the settings name. Raises NoPlace.

    The common identity has `journal.sqlite`, one in memory `journal-memory.sqlite`, and one in another file a name that
    is made of the path of that.
    """
    if given is not None:
        found = at_home(given)
        if found is None:
            raise NoPlace(f"the home folder in {given!r} is not known")
        return os.path.abspath(found)
    folder = xdg_home("XDG_STATE_HOME", ".local", "state")
    if folder is None:
        raise NoPlace("this user has no home folder, and no variable names a place")
    return os.path.join(folder, "hivemind", f"journal{_suffix(getattr(identity, 'path', None))}.sqlite")


def _suffix(path: Optional[str]) -> str:
    if path is None:
        return "-memory"
    if place_of(path).is_default:
        return ""
    return "-" + hashlib.sha256(os.fsencode(os.path.realpath(path))).hexdigest()[:8]
