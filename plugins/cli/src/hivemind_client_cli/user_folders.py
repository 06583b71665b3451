"""Where files of the user's go."""

from __future__ import annotations

import os


def user_folder(variable: str, *default: str) -> str:
    """The folder `hivemind` in what an XDG variable names, or in `default` below the home folder."""
    home = os.environ.get(variable, "")
    if not os.path.isabs(home):
        home = os.path.join(os.path.expanduser("~"), *default)
    return os.path.join(home, "hivemind")
