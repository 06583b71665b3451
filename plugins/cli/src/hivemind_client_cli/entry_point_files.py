"""The files in which installed distributions name their entry points, found without `importlib.metadata`.

Importing that, and letting it read the metadata of every distribution, takes longer than the rest of `--help`.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator

#: The group of our plugins, as `hivemind_core_client.plugins.hookspecs.PROJECT` has it.
GROUP = "hivemind_core_client"
#: What entry points of our own distributions begin with, but for those that bring subcommands.
KNOWN = (
    "hivemind_client_binary_tts.plugin",
    "hivemind_client_cli.plugin",
    "hivemind_client_intercom.plugin",
    "hivemind_client_metrics.plugin",
    "hivemind_client_mqtt.plugin",
    "hivemind_core_client.builtins.",
)


def entry_point_files(folders: Iterable[str]) -> Iterator[str]:
    """Each file that may name entry points in these folders of `sys.path`.

    It need not exist. What is no folder, such as a ZIP archive, is such a file itself.
    """
    for folder in dict.fromkeys(folders):
        try:
            names = os.listdir(folder)
        except NotADirectoryError:
            yield folder
            continue
        except OSError:
            continue
        for name in names:
            if name.lower().endswith((".dist-info", ".egg-info")) or name.lower() == "egg-info":
                yield os.path.join(folder, name, "entry_points.txt")


def stamp(path: str) -> str:
    """A text that is another one when the file at `path` has changed; empty where there is none."""
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return ""
    return f"{found.st_mtime_ns} {found.st_ctime_ns} {found.st_size}"


def names_other_plugins(path: str) -> bool:
    """Whether the entry points in a file include plugins that are not our own; True for what cannot be read."""
    try:
        with open(path, encoding="utf-8") as file:
            lines = file.read().splitlines()
    except (OSError, ValueError):
        return True
    section = ""
    for line in map(str.strip, lines):
        if line.startswith("["):
            section = line.strip("[] ")
        elif section == GROUP and "=" in line and not line.partition("=")[2].strip().startswith(KNOWN):
            return True
    return False
