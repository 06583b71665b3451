"""The subcommands that plugins bring, kept in a file for the next `--help`.

Loading the plugins takes longer than the rest of `--help`. What is kept is shown and completed only: to run a
subcommand, the plugins are loaded.
"""

from __future__ import annotations

import json
import os
import stat
import sys
import zlib
from collections.abc import Iterable

from hivemind_client_cli import __version__
from hivemind_client_cli.command_summary import CommandSummary
from hivemind_client_cli.entry_point_files import entry_point_files, names_other_plugins, stamp
from hivemind_client_cli.user_folders import user_folder

#: What the variables begin with that select and block plugins.
SELECTION_PREFIX = "HIVEMIND_CLIENT_PLUGINS"
#: The folder whose single files are plugins.
FOLDER_VARIABLE = "HIVEMIND_CLIENT_PLUGINS_DIR"
_MAX_BYTES = 2**20


class CommandCache:
    """The kept subcommands of this environment: of its Python, its distributions and its selection of plugins."""

    def __init__(self) -> None:
        path = [os.path.abspath(folder) for folder in sys.path]
        # A folder of single files has another stamp when a file is added.
        single = os.environ.get(FOLDER_VARIABLE)
        files = {file: stamp(file) for file in [*entry_point_files(path), *([single] if single else [])]}
        self._files = {file: stamped for file, stamped in files.items() if stamped}
        self._selection = {
            name: value for name, value in os.environ.items() if name.startswith(SELECTION_PREFIX)
        }
        self._environment = {
            "version": __version__,
            "python": sys.version,
            "path": path,
            "selection": self._selection,
            "files": self._files,
        }

    @property
    def path(self) -> str:
        """The file: one for each environment, since they would overwrite each other's."""
        number = zlib.crc32(f"{sys.prefix}\n{sys.version}".encode("utf-8", "surrogateescape"))
        return os.path.join(user_folder("XDG_CACHE_HOME", ".cache"), f"commands-{number:08x}.json")

    def is_needless(self) -> bool:
        """Whether no plugin is installed that may bring subcommands, and none are selected that could be missing."""
        return not self._selection and not any(map(names_other_plugins, self._files))

    def read(self) -> list[CommandSummary] | None:
        """What was kept; None if there is nothing, or nothing that fits and can be trusted."""
        try:
            kept = json.loads(_read_private(self.path))
            if kept["environment"] != self._environment:
                return None
            if any(stamp(file) != stamped for file, stamped in kept["modules"].items()):
                return None
            return [CommandSummary.from_json(fields) for fields in kept["commands"]]
        except (OSError, ValueError, TypeError, LookupError, AttributeError, RecursionError):
            return None

    def write(self, commands: Iterable[CommandSummary], modules: Iterable[str]) -> None:
        """Keep these commands until the environment or one of these files changes; no harm if that fails."""
        from hivemind_core_client.config.key_files import write_private
        from hivemind_core_client.errors import HiveMindError

        kept = {
            "environment": self._environment,
            "modules": {file: stamp(file) for file in modules},
            "commands": list(commands),
        }
        try:
            write_private(self.path, json.dumps(kept).encode("ascii"), "names of commands")
        except (HiveMindError, TypeError, ValueError):
            return  # they are found out anew next time


def _read_private(path: str) -> bytes:
    """The content of a file that only this user can read and write. Raises OSError and ValueError."""
    # Not blocking: a pipe in its place must not hold up the command.
    with open(os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)), "rb") as file:
        about = os.fstat(file.fileno())
        if not stat.S_ISREG(about.st_mode) or about.st_size > _MAX_BYTES:
            raise ValueError("this is no file of ours")
        if os.name == "posix" and (about.st_uid != os.geteuid() or about.st_mode & 0o077):
            raise ValueError("others than its owner may use this file")
        return file.read(_MAX_BYTES)
