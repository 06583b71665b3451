"""Finding, loading, blocking and reporting plugins.

One broken plugin never hides another: each entry point is loaded in its own try, each hook is called
plugin by plugin, and what failed is kept for `hivemind-client plugins`.
"""

from __future__ import annotations

import difflib
import functools
import logging
import os
import time
from collections.abc import Iterable, Iterator
from importlib import metadata
from typing import Any, Callable, TypeVar

import pluggy
from attrs import define, field

from hivemind_core_client.plugins import hookspecs
from hivemind_core_client.plugins.contract import (
    BinaryHandler,
    Cipher,
    Encoding,
    MessageHandler,
    Serializer,
)
from hivemind_core_client.plugins.registry import (
    Conflict,
    Offered,
    Registry,
    build_table,
    cipher_fault,
    encoding_fault,
    wire_name,
)
from hivemind_core_client.wire.errors import Mend, PluginError, Setting
from hivemind_core_client.wire.mends import SHOW_PLUGINS
from hivemind_core_client.wire.message import HiveMessageType

log = logging.getLogger(__name__)

T = TypeVar("T")

#: Names of the plugins to use beside the built-ins: unset means all.
SELECT_VARIABLE = "HIVEMIND_CLIENT_PLUGINS"
#: Names of plugins to leave out, built-ins included.
BLOCK_VARIABLE = "HIVEMIND_CLIENT_PLUGINS_BLOCK"

_DISTRIBUTION = "hivemind-core-client"
_BUILTINS = "hivemind_core_client.builtins."
#: What no client can do without: (kind, name).
_NEEDED = (
    ("serializers", "text"),
    ("serializers", "binary"),
    ("handlers", HiveMessageType.HELLO),
    ("handlers", HiveMessageType.HANDSHAKE),
)


@define
class PluginInfo:
    """What became of one entry point; `state` is loaded, blocked, not selected or failed."""

    name: str
    distribution: str = ""
    version: str = ""
    builtin: bool = False
    state: str = "loaded"
    error: str = ""
    provides: tuple[str, ...] = ()


@define
class Plugins:
    """The plugins of one selection, and the tables made of them (built when first asked for)."""

    pm: pluggy.PluginManager
    infos: list[PluginInfo] = field(factory=list)
    _registry: Registry | None = None
    _conflicts: list[Conflict] = field(factory=list)

    @property
    def hook(self) -> Any:
        """Pluggy's hook relay. A call through it is not isolated; see `observe`."""
        return self.pm.hook

    @property
    def report(self) -> list[PluginInfo]:
        """Every entry point that was found, what it provides, and what went wrong."""
        self.registry()
        return self.infos

    def conflicts(self) -> list[Conflict]:
        """Names that more than one plugin claimed."""
        self.registry()
        return self._conflicts

    def registry(self) -> Registry:
        """The tables, built by calling each hook once."""
        if self._registry is None:
            self._registry = self._build()
        return self._registry

    def require(self) -> Registry:
        """The tables, or PluginError when something is missing that no client can do without."""
        registry = self.registry()
        missing = [wire_name(name) for table, name in _NEEDED if name not in getattr(registry, table)]
        missing += [table for table in ("ciphers", "encodings") if not getattr(registry, table)]
        if missing:
            raise PluginError(
                f"no plugin provides: {', '.join(missing)}",
                Mend(
                    "unblock the built-ins (",
                    Setting(BLOCK_VARIABLE),
                    f"), reinstall {_DISTRIBUTION}, and see ",
                    SHOW_PLUGINS,
                ),
            )
        return registry

    def observe(self, hook: str, **facts: Any) -> None:
        """Call a notifying hook; a plugin that raises is logged by name and stops nobody."""
        for name, function in self._implementations(hook, facts):
            try:
                function()
            except KeyboardInterrupt:
                raise
            except BaseException:  # a plugin may even exit
                log.exception("plugin %s raised in %s", name, hook)

    def _build(self) -> Registry:
        ciphers = self._table("cipher", "hivemind_ciphers", Cipher, _name, cipher_fault)
        encodings = self._table("encoding", "hivemind_encodings", Encoding, _name, encoding_fault)
        by_speed = sorted(ciphers.values(), key=_seconds) if len(ciphers) > 1 else ciphers.values()
        return Registry(
            ciphers={cipher.name: cipher for cipher in by_speed},
            encodings=encodings,
            serializers=self._table("serializer", "hivemind_serializers", Serializer, _name),
            handlers=self._table(
                "handler", "hivemind_message_handlers", MessageHandler, lambda item: item.msg_type
            ),
            binary_handlers=self._table(
                "binary handler", "hivemind_binary_handlers", BinaryHandler, lambda item: item.bin_type
            ),
        )

    def _table(
        self,
        kind: str,
        hook: str,
        expected: type[T],
        key: Callable[[T], Any],
        fault: Callable[[T], str] = lambda item: "",
    ) -> dict[Any, T]:
        offers = list(self._offers(hook, expected))
        sound = list(self._sound(offers, key, fault))
        for offered in sound:
            self._note_provided(offered.plugin, f"{kind} {wire_name(key(offered.item))}")
        table = build_table(kind, sound, key)
        for conflict in table.conflicts:
            log.debug("%s %s: %s wins over %s", kind, conflict.name, conflict.winner, conflict.losers)
        self._conflicts.extend(table.conflicts)
        return dict(table.items)

    def _sound(
        self, offers: list[Offered[T]], key: Callable[[T], Any], fault: Callable[[T], str]
    ) -> Iterator[Offered[T]]:
        """Leave out what fails its self-test. What loses anyway is not tried, which would cost its import."""
        won = set()
        for offered in offers:
            reason = "" if key(offered.item) in won else fault(offered.item)
            if reason:
                self._note_failure(offered.plugin, reason)
            else:
                won.add(key(offered.item))
                yield offered

    def _offers(self, hook: str, expected: type[T]) -> Iterator[Offered[T]]:
        for name, function in self._implementations(hook, {}):
            try:
                items = list(function() or ())
            except KeyboardInterrupt:
                raise
            except BaseException as error:  # a plugin may even exit
                self._note_failure(name, f"{hook} raised {type(error).__name__}: {error}")
                continue
            for item in items:
                if isinstance(item, expected):
                    yield Offered(name, item)
                else:
                    self._note_failure(
                        name, f"{hook} returned a {type(item).__name__}, not a {expected.__name__}"
                    )

    def _implementations(self, hook: str, facts: dict[str, Any]) -> Iterator[tuple[str, Callable[[], Any]]]:
        caller = getattr(self.pm.hook, hook)
        for implementation in reversed(caller.get_hookimpls()):
            arguments = {name: facts[name] for name in implementation.argnames}
            yield implementation.plugin_name, functools.partial(implementation.function, **arguments)

    def _note_provided(self, name: str, what: str) -> None:
        for info in self.infos:
            if info.name == name:
                info.provides += (what,)

    def _note_failure(self, name: str, reason: str) -> None:
        log.warning("plugin %s: %s", name, reason)
        for info in self.infos:
            if info.name == name:
                info.state = "failed"
                info.error = f"{info.error}; {reason}" if info.error else reason


def load_plugins(plugins: Iterable[str] | None = None, blocked: Iterable[str] | None = None) -> Plugins:
    """The plugins to use, by entry-point name.

    `plugins` None reads HIVEMIND_CLIENT_PLUGINS (unset: all; a comma list: the built-ins and only those; empty:
    the built-ins only). `blocked` None reads HIVEMIND_CLIENT_PLUGINS_BLOCK (a comma list, built-ins
    included). One selection is loaded once for each process.
    """
    selected = _names(os.environ.get(SELECT_VARIABLE)) if plugins is None else frozenset(plugins)
    left_out = _names(os.environ.get(BLOCK_VARIABLE)) if blocked is None else frozenset(blocked)
    return _load(selected, left_out or frozenset())


def forget_plugins() -> None:
    """Look for installed plugins anew at the next `load_plugins`."""
    _load.cache_clear()


@functools.lru_cache(maxsize=16)
def _load(selected: frozenset[str] | None, blocked: frozenset[str]) -> Plugins:
    pm = pluggy.PluginManager(hookspecs.PROJECT)
    pm.add_hookspecs(hookspecs)
    pm.hook.hivemind_addhooks.call_historic(kwargs={"pluginmanager": pm})
    plugins = Plugins(pm)
    for info, entry_point in _found():
        plugins.infos.append(info)
        if info.name in blocked:
            info.state = "blocked"
        elif selected is not None and not info.builtin and info.name not in selected:
            info.state = "not selected"
        else:
            _register(pm, info, entry_point)
    _warn_of_unknown(plugins, selected, blocked)
    _warn_of_misspelt(plugins)
    return plugins


def _register(pm: pluggy.PluginManager, info: PluginInfo, entry_point: metadata.EntryPoint) -> None:
    try:
        pm.register(entry_point.load(), name=info.name)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a module may even exit when it is imported
        if pm.has_plugin(info.name):
            pm.unregister(name=info.name)
        info.state = "failed"
        info.error = f"{type(error).__name__}: {error}"
        log.warning("plugin %s of %s failed to load: %s", info.name, info.distribution, info.error)


def _found() -> list[tuple[PluginInfo, metadata.EntryPoint]]:
    """Every entry point of the group: built-ins first, then the others in reverse order of their names.

    pluggy calls what was registered last first, so this order lets the alphabetically first third
    party win over the others, wherever the packages lie on the path.
    """
    found: dict[str, tuple[PluginInfo, metadata.EntryPoint]] = {}
    distributions: set[str] = set()
    for distribution, entry_points in _with_plugins():
        name = distribution.metadata["Name"] or ""
        if name in distributions:
            continue
        distributions.add(name)
        for entry_point in entry_points:
            info = _info(name, distribution.version, entry_point)
            if info.name in found:
                info.name = f"{info.name}@{name}"
            found[info.name] = (info, entry_point)
    builtins = sorted((pair for pair in found.values() if pair[0].builtin), key=_pair_name)
    others = sorted((pair for pair in found.values() if not pair[0].builtin), key=_pair_name)
    return builtins + others[::-1]


def _with_plugins() -> Iterator[tuple[metadata.Distribution, list[metadata.EntryPoint]]]:
    """Distributions with entry points of our group. The others' metadata is not parsed: that takes long."""
    for distribution in metadata.distributions():
        try:
            if f"[{hookspecs.PROJECT}]" in (distribution.read_text("entry_points.txt") or ""):
                ours = [entry for entry in distribution.entry_points if entry.group == hookspecs.PROJECT]
                yield distribution, ours
        except Exception as error:  # anyone's package, and its files may be broken in any way
            log.warning("the entry points of %s cannot be read: %s", distribution.metadata["Name"], error)


def _info(distribution: str, version: str, entry_point: metadata.EntryPoint) -> PluginInfo:
    builtin = distribution == _DISTRIBUTION and entry_point.value.startswith(_BUILTINS)
    return PluginInfo(entry_point.name, distribution, version, builtin)


def _pair_name(pair: tuple[PluginInfo, metadata.EntryPoint]) -> str:
    return pair[0].name


def _warn_of_unknown(plugins: Plugins, selected: frozenset[str] | None, blocked: frozenset[str]) -> None:
    known = {info.name for info in plugins.infos}
    for name in sorted(((selected or frozenset()) | blocked) - known):
        log.warning("plugin %s is selected or blocked, but not installed", name)


def _warn_of_misspelt(plugins: Plugins) -> None:
    """A hook that nobody specifies is never called; say so where its name is nearly that of one of ours."""
    known = [name for name in vars(hookspecs) if name.startswith("hivemind_")]
    for info in plugins.infos:
        callers = plugins.pm.get_hookcallers(plugins.pm.get_plugin(info.name)) or []
        for name in [caller.name for caller in callers if not caller.has_spec()]:
            for meant in difflib.get_close_matches(name, known, 1, 0.8):
                info.error = f"the hook {name} does not exist and is never called: did you mean {meant}?"
                log.warning("plugin %s: %s", info.name, info.error)


def _names(text: str | None) -> frozenset[str] | None:
    if text is None:
        return None
    # Quotes are those of a compose file that took them as they stand: no name has any.
    names = (name.strip(" \t\r\n\ufeff\"'") for name in text.split(","))
    return frozenset(name for name in names if name)


def _name(item: Any) -> str:
    return str(item.name)


def _seconds(cipher: Cipher) -> float:
    """Seconds to seal and open 16 KiB: the better of two runs, since the first one warms up."""
    key, nonce, sample = bytes(max(cipher.key_sizes)), bytes(cipher.nonce_size), bytes(16384)
    best = float("inf")
    for _ in range(2):
        start = time.perf_counter()
        cipher.open(key, nonce, cipher.seal(key, nonce, sample))
        best = min(best, time.perf_counter() - start)
    return best
