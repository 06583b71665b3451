"""Where plugins come from: a list in code, entry points of other distributions, a folder of files, the program."""

from __future__ import annotations

import functools
import logging
from collections.abc import Iterable, Iterator
from importlib import import_module, metadata
from typing import Any, Callable

from attrs import define, evolve, frozen

from hivemind_core_client.plugins import hookspecs
from hivemind_core_client.plugins.builtin_plugins import BUILTIN_PLUGINS, DISTRIBUTION
from hivemind_core_client.plugins.names import normalised, version_key
from hivemind_core_client.plugins.single_files import files_in, module_of
from hivemind_core_client.wire.text import described

log = logging.getLogger(__name__)


@define
class PluginInfo:
    """What became of one plugin; `state` is loaded, conflict, blocked, not selected, failed or incompatible.

    `conflict` is that of two third parties that handle one type: `error` says which of them is used.

    `source` is its module, as the entry point has it, its file, or `given`. `error` says why it failed.

    The rest counts calls in this process: those that raised, those that took more than 0.1 s, the longest of these in
    seconds, and what was raised last.
    """

    name: str
    distribution: str = ""
    version: str = ""
    builtin: bool = False
    state: str = "loaded"
    error: str = ""
    provides: tuple[str, ...] = ()
    source: str = ""
    failures: int = 0
    slow: int = 0
    slowest_s: float = 0.0
    last_error: str = ""


@frozen
class Candidate:
    """A plugin that could be loaded. One that is `chosen` needs no selection; one with a `fault` is not loaded."""

    name: str
    load: Callable[[], Any]
    distribution: str = ""
    version: str = ""
    source: str = ""
    builtin: bool = False
    chosen: bool = False
    fault: str = ""

    def info(self) -> PluginInfo:
        """A new report of it."""
        return PluginInfo(self.name, self.distribution, self.version, self.builtin, source=self.source)


def candidates(given: Iterable[Any] = (), folder: str = "") -> list[Candidate]:
    """Every plugin, in the order of registration: pluggy calls what was registered last first.

    So the order of winning is: what the program gave, in its order; the files of `folder`, and what is installed, by
    name, wherever the packages lie on the path; built-ins. Raises PluginError for a folder that is not safe.
    """
    builtins = list(map(_builtin, BUILTIN_PLUGINS))
    taken = {normalised(candidate.name) for candidate in builtins}
    named = functools.partial(_named, taken=taken, reserved=frozenset(taken))
    installed = sorted(map(named, installed_plugins()), key=_sort_key)
    files = sorted(map(named, _files(folder)), key=_sort_key)
    objects = [named(_given(plugin)) for plugin in given]
    return [*builtins, *installed[::-1], *files[::-1], *objects[::-1]]


@functools.lru_cache(maxsize=1)
def installed_plugins() -> tuple[Candidate, ...]:
    """What the entry points of others name; read once, until `installed_plugins.cache_clear()`.

    A distribution that is found twice counts once: that of the newest version, the first one on the path among equals.
    """
    newest: dict[object, _Found] = {}
    for found in _with_plugins():
        # One without a name is nobody's older version.
        name = normalised(found.name) or object()
        if name == DISTRIBUTION:
            continue
        if name not in newest or version_key(found.version) > version_key(newest[name].version):
            newest[name] = found
    return tuple(
        Candidate(entry_point.name, entry_point.load, found.name, found.version, entry_point.value)
        for found in newest.values()
        for entry_point in found.entry_points
    )


@frozen
class _Found:
    """A distribution with plugins; name and version are empty where its metadata cannot be read."""

    name: str
    version: str
    entry_points: list[metadata.EntryPoint]


def _with_plugins() -> Iterator[_Found]:
    """Distributions with entry points of our group. The others' metadata is not parsed: that takes long."""
    for distribution in metadata.distributions():
        try:
            if f"[{hookspecs.PROJECT}]" in (distribution.read_text("entry_points.txt") or ""):
                ours = [entry for entry in distribution.entry_points if entry.group == hookspecs.PROJECT]
                yield _Found(*_name_and_version(distribution), ours)
        except Exception as error:  # anyone's package, and its files may be broken in any way
            name = _name_and_version(distribution)[0] or "a distribution without a name"
            log.warning("the entry points of %s cannot be read: %s", name, described(error))


def _name_and_version(distribution: metadata.Distribution) -> tuple[str, str]:
    """Of its metadata, which is parsed each time that it is asked for. Empty where there is none, or it is broken."""
    try:
        fields = distribution.metadata
        return str(fields["Name"] or ""), str(fields["Version"] or "")
    except Exception:  # as above
        return "", ""


def _builtin(name: str) -> Candidate:
    module = BUILTIN_PLUGINS[name]
    # The root is above this floor: it is there, since this module lies in it.
    version = import_module(hookspecs.PROJECT).__version__
    return Candidate(
        name, functools.partial(import_module, module), DISTRIBUTION, version, module, builtin=True
    )


def _files(folder: str) -> list[Candidate]:
    return [
        Candidate(file.name, functools.partial(module_of, file), source=file.path, fault=file.fault)
        for file in (files_in(folder) if folder else ())
    ]


def _given(plugin: Any) -> Candidate:
    try:
        name = str(getattr(plugin, "__name__", type(plugin).__name__))
    except Exception:  # a stranger's attribute may raise anything
        name = type(plugin).__name__
    return Candidate(name, lambda: plugin, source="given", chosen=True)


def _named(candidate: Candidate, taken: set[str], reserved: frozenset[str]) -> Candidate:
    """This candidate under a name of its own; one that has a built-in's is not to be loaded."""
    name = candidate.name
    if normalised(name) in reserved:
        fault = f"{name} is the name of a built-in plugin: give it another"
        candidate = evolve(candidate, fault=fault)
    number, unique = 1, name
    while normalised(unique) in taken:
        number += 1
        owner = candidate.distribution or candidate.source
        unique = f"{name}@{owner}" if number == 2 else f"{name}@{owner}#{number - 1}"
    taken.add(normalised(unique))
    return evolve(candidate, name=unique)


def _sort_key(candidate: Candidate) -> tuple[str, str]:
    return normalised(candidate.name), candidate.name
