"""Single files as plugins: the modules of the folder that HIVEMIND_CLIENT_PLUGINS_DIR names."""

from __future__ import annotations

import errno
import functools
import importlib.util
import logging
import os
import re
import stat
import sys
import zlib
from collections.abc import Iterator
from types import ModuleType

from attrs import frozen

from hivemind_core_client.plugins.loading_lock import LOADING
from hivemind_core_client.wire.errors import Mend, PluginError, Setting

log = logging.getLogger(__name__)

#: A folder whose files are plugins: each `*.py` whose name begins with neither an underscore nor a dot.
FOLDER_VARIABLE = "HIVEMIND_CLIENT_PLUGINS_DIR"
_MODULES = "hivemind_plugin_file_"
_MOST_LINKS = 40
_NO_IDENTIFIER = re.compile(r"\W", re.ASCII)


@frozen
class PluginFile:
    """One file: the plugin's name, the path, a stamp that changes with its content, and why it must not be run."""

    name: str
    path: str
    stamp: tuple[int, int] = (0, 0)
    fault: str = ""


def named_folder() -> str:
    """The folder that the environment names, as an absolute path; an empty text where it names none."""
    named = os.path.expanduser(os.environ.get(FOLDER_VARIABLE, ""))
    try:
        return os.path.abspath(named) if named else ""
    except OSError as error:  # it is relative, and the working directory is gone
        log.warning("no plugins are loaded from %s (%s): %s", named, FOLDER_VARIABLE, error.strerror)
        return ""


def files_in(folder: str) -> list[PluginFile]:
    """The files of a folder that are plugins. One that cannot be read is logged, and has none.

    Raises PluginError where, on POSIX, somebody else could put a file there: that would let him run code as this user.
    """
    folder = os.path.abspath(os.path.expanduser(folder))
    try:
        names = sorted(os.listdir(folder))
        fault, remedy = _fault_of(folder)
    except OSError as error:
        log.warning("no plugins are loaded from %s (%s): %s", folder, FOLDER_VARIABLE, error.strerror)
        return []
    if fault:
        raise PluginError(
            f"plugins are not loaded from {folder}: {fault}",
            Mend(f"{remedy}, or name another folder in ", Setting(FOLDER_VARIABLE)),
        )
    chosen = [name for name in names if name.endswith(".py") and not name.startswith(("_", "."))]
    return [_file(os.path.join(folder, name), name[: -len(".py")]) for name in chosen]


def module_of(file: PluginFile) -> ModuleType:
    """The module of a file, run once for each content. Raises whatever running it raises."""
    with LOADING.at(file.path):
        return _run(file.path, file.stamp)


def _file(path: str, name: str) -> PluginFile:
    try:
        found = os.stat(path)
        fault = ": ".join(filter(None, _fault_of(path)))
    except OSError as error:
        return PluginFile(name, path, fault=f"it cannot be read: {error.strerror}")
    if not stat.S_ISREG(found.st_mode):  # to open a pipe would wait for ever
        fault = "it is no file"
    return PluginFile(name, path, (found.st_mtime_ns, found.st_size), fault)


def _fault_of(path: str) -> tuple[str, str]:
    """Who else could change what stands at a path, and what to do about it; empty texts where nobody could.

    Looked at are, on POSIX, the path itself, each folder above it, and the same of what links on the way lead to.
    """
    places = list(_places(path)) if os.name == "posix" else []
    for place in places:
        found = os.lstat(place)
        if found.st_uid not in (0, os.geteuid()):
            return f"{place} belongs to another user", "take what is needed to a folder of your own"
        # Anyone may write to a link, and means its target. Where the sticky bit is set, as in /tmp, nobody replaces
        # what is another's.
        is_safe = stat.S_ISLNK(found.st_mode) or (place != places[-1] and found.st_mode & stat.S_ISVTX)
        for bit, who, letter in ((stat.S_IWOTH, "anyone", "o"), (stat.S_IWGRP, "its group", "g")):
            if found.st_mode & bit and not is_safe:
                return f"{who} may write to {place}", f"run 'chmod {letter}-w {place}'"
    return "", ""


def _places(path: str) -> Iterator[str]:
    """What is passed on the way to a path, from the root on: folders, links, and what these lead to. Raises OSError."""
    done, rest, links = os.sep, path.split(os.sep), 0
    yield done
    while rest:
        part = rest.pop(0)
        place = os.path.normpath(os.path.join(done, part))
        if place == done:
            continue
        yield place
        if not os.path.islink(place):
            done = place
            continue
        links += 1
        if links > _MOST_LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
        target = os.readlink(place)
        done, rest = os.sep if os.path.isabs(target) else done, [*target.split(os.sep), *rest]


@functools.lru_cache(maxsize=256)
def _run(path: str, stamp: tuple[int, int]) -> ModuleType:
    name = _MODULES + os.path.basename(path)[: -len(".py")]
    if not name.isidentifier():  # and another file may have that very name, with an underscore
        name = f"{re.sub(_NO_IDENTIFIER, '_', name)}_{zlib.crc32(os.fsencode(path)):08x}"
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
