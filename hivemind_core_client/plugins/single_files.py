"""Single files as plugins: the modules of the folder that HIVEMIND_CLIENT_PLUGINS_DIR names."""

from __future__ import annotations

import functools
import importlib.util
import logging
import os
import stat
import sys
from types import ModuleType

from attrs import frozen

from hivemind_core_client.wire.errors import Mend, PluginError, Setting

log = logging.getLogger(__name__)

#: A folder whose files are plugins: each `*.py` whose name begins with neither an underscore nor a dot.
FOLDER_VARIABLE = "HIVEMIND_CLIENT_PLUGINS_DIR"
_MODULES = "hivemind_plugin_file_"


@frozen
class PluginFile:
    """One file: the plugin's name, the path, a stamp that changes with its content, and why it must not be run."""

    name: str
    path: str
    stamp: tuple[int, int] = (0, 0)
    fault: str = ""


def files_in(folder: str) -> list[PluginFile]:
    """The files of a folder that are plugins. One that cannot be read is logged, and has none.

    Raises PluginError where, on POSIX, anyone may write to it: that would let anyone run code as this user.
    """
    folder = os.path.abspath(os.path.expanduser(folder))
    try:
        writable = _anyone_may_write(os.stat(folder))
        names = sorted(os.listdir(folder))
    except OSError as error:
        log.warning("no plugins are loaded from %s (%s): %s", folder, FOLDER_VARIABLE, error.strerror)
        return []
    if writable:
        raise PluginError(
            f"plugins are not loaded from {folder}: anyone may write to it",
            Mend(f"run 'chmod o-w {folder}', or name another folder in ", Setting(FOLDER_VARIABLE)),
        )
    chosen = [name for name in names if name.endswith(".py") and not name.startswith(("_", "."))]
    return [_file(os.path.join(folder, name), name[: -len(".py")]) for name in chosen]


def module_of(file: PluginFile) -> ModuleType:
    """The module of a file, run once for each content. Raises whatever running it raises."""
    return _run(file.path, file.stamp)


def _file(path: str, name: str) -> PluginFile:
    try:
        found = os.stat(path)
    except OSError as error:
        return PluginFile(name, path, fault=f"it cannot be read: {error.strerror}")
    fault = "anyone may write to its file: run 'chmod o-w' on it" if _anyone_may_write(found) else ""
    return PluginFile(name, path, (found.st_mtime_ns, found.st_size), fault)


def _anyone_may_write(found: os.stat_result) -> bool:
    return os.name == "posix" and bool(found.st_mode & stat.S_IWOTH)


@functools.lru_cache(maxsize=256)
def _run(path: str, stamp: tuple[int, int]) -> ModuleType:
    name = _MODULES + os.path.basename(path)[: -len(".py")].replace(".", "_")
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is no module")
    module = importlib.util.module_from_spec(spec)
    # Before it runs, as an import does: attrs and dataclasses look their module up there.
    before, sys.modules[name] = sys.modules.get(name), module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        if before is not None:
            sys.modules[name] = before
        raise
    return module
