"""The home folder of this user, where there is one."""

from __future__ import annotations

import os


def at_home(path: str) -> str | None:
    """A path with `~` and `~user` replaced; None where nobody knows the folder, for `~` is no name of one."""
    if not path.startswith("~"):
        return path
    found = os.path.expanduser(path)
    is_own = path[1:2] in ("", os.sep, os.altsep)
    # An empty HOME would mean the root folder, and a relative one wherever this process was started.
    return found if os.path.isabs(found) and not (is_own and os.environ.get("HOME") == "") else None


def config_home() -> str | None:
    """The folder for settings: `$XDG_CONFIG_HOME`, else `~/.config`; None where neither is known."""
    return xdg_home("XDG_CONFIG_HOME", ".config")


def xdg_home(variable: str, *default: str) -> str | None:
    """The folder that an XDG variable names, else `default` below the home folder; None where neither is known."""
    named = os.environ.get(variable, "")
    # The XDG rules: a relative path in the variable does not count.
    return named if os.path.isabs(named) else at_home(os.path.join("~", *default))
