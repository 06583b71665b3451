"""Where files of the user's go."""

from __future__ import annotations

import os


def user_folder(variable: str, *default: str) -> str:
    """The folder `hivemind` in what an XDG variable names, or in `default` below the home folder.

    Where there is neither, a place in which nothing can lie and nothing be written.
    """
    folder = os.environ.get(variable, "")
    if not os.path.isabs(folder):
        home = os.path.expanduser("~")
        is_known = os.path.isabs(home) and os.environ.get("HOME") != ""
        folder = os.path.join(home if is_known else os.devnull, *default)
    return os.path.join(folder, "hivemind")
