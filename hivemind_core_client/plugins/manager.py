"""Finding, loading, blocking and reporting plugins.

One broken plugin never hides another: each entry point is loaded in its own try, its hooks are guarded when it is
registered (isolation.py), and what failed is kept for `hivemind-client plugins`.
"""

from __future__ import annotations

import functools
import logging
import os
from collections.abc import Iterable, Iterator
from operator import itemgetter
from typing import Any, Callable, TypeVar, cast

from attrs import define, field

from hivemind_core_client.plugins import handshake_table
from hivemind_core_client.plugins.accounts import Accounts
from hivemind_core_client.plugins.builtin_plugins import DISTRIBUTION
from hivemind_core_client.plugins.chains import (
    Chains,
    Handler,
    contests,
    handler_fault,
    key_of,
    kind_of,
    make_chains,
    name_of,
    places,
    remarks,
)
from hivemind_core_client.plugins.choosing import Chosen, listed_names
from hivemind_core_client.plugins.compatibility import (
    import_fault,
    judge_hooks,
    leave_out,
    version_fault,
)
from hivemind_core_client.plugins.contract import (
    BinaryHandler,
    BinaryType,
    Cipher,
    Encoding,
    MessageHandler,
    MessageType,
    Serializer,
    Transport,
)
from hivemind_core_client.plugins.declared_types import NO_TYPES, DeclaredTypes, declared_types
from hivemind_core_client.plugins.finding import Candidate, candidates, installed_plugins
from hivemind_core_client.plugins.finding import PluginInfo as PluginInfo
from hivemind_core_client.plugins.handshake_contract import HandshakeKind
from hivemind_core_client.plugins.isolation import TRACE_VARIABLE, HookRefused, IsolatingManager
from hivemind_core_client.plugins.lanes import lanes_of
from hivemind_core_client.plugins.loading_lock import LOADING
from hivemind_core_client.plugins.names import normalised
from hivemind_core_client.plugins.proving import cipher_fault, encoding_fault, serializer_fault
from hivemind_core_client.plugins.ranking import Ranking, cipher_seconds, encoding_seconds
from hivemind_core_client.plugins.registry import (
    Conflict,
    Offered,
    Registry,
    build_table,
    wire_name,
)
from hivemind_core_client.plugins.settings import see_settings, settings_fault
from hivemind_core_client.plugins.single_files import named_folder
from hivemind_core_client.plugins.warned import warn_once
from hivemind_core_client.wire.errors import Mend, PluginError, Setting
from hivemind_core_client.wire.mends import SHOW_PLUGINS
from hivemind_core_client.wire.message import HiveMessageType
from hivemind_core_client.wire.message_types import unsettle
from hivemind_core_client.wire.text import described

log = logging.getLogger(__name__)

T = TypeVar("T")

#: Names of the plugins to use beside the built-ins: unset means all.
SELECT_VARIABLE = "HIVEMIND_CLIENT_PLUGINS"
#: Names of plugins to leave out, built-ins included.
BLOCK_VARIABLE = "HIVEMIND_CLIENT_PLUGINS_BLOCK"

#: What no client can do without: (kind, name).
_NEEDED = (
    ("serializers", "text"),
    ("serializers", "binary"),
    ("handlers", HiveMessageType.HELLO),
    ("handlers", HiveMessageType.HANDSHAKE),
)


@define
class Plugins:
    """The plugins of one selection, and the tables made of them (built when first asked for)."""

    pm: IsolatingManager
    _registry: Registry | None = None
    _conflicts: list[Conflict] = field(factory=list)
    _chains: dict[Any, tuple[Offered[Any], ...]] = field(factory=dict)
    _left_out: dict[tuple[str, str], str] = field(factory=dict)
    _settings: dict[str, type] = field(factory=dict)

    @property
    def accounts(self) -> Accounts:
        """What the calls of each plugin come to, in all clients that use this selection."""
        return self.pm.accounts

    @property
    def _builtin(self) -> frozenset[str]:
        return frozenset(info.name for info in self.infos if info.builtin)

    @classmethod
    def of(cls, **plugins: Any) -> Plugins:
        """These plugins alone, by their names, without the built-ins: for tests. Raises HookRefused as pluggy does."""
        made = cls(IsolatingManager())
        for name, plugin in plugins.items():
            made.infos.append(PluginInfo(name))
            made.pm.register(plugin, name=name)
        return made

    @property
    def hook(self) -> Any:
        """Pluggy's hook relay: a plugin that raises in a call is counted and logged, and stops nobody."""
        return self.pm.hook

    @property
    def infos(self) -> list[PluginInfo]:
        """The reports of the plugins, as far as they are known before any hook was called."""
        return self.pm.states.infos

    @property
    def report(self) -> list[PluginInfo]:
        """Every plugin that was found, what it provides, what went wrong, and what its calls came to until now."""
        self.registry()
        for info in self.infos:
            account = self.accounts.of(info.name)
            info.failures, info.slow = account.failures, account.slow
            info.slowest_s, info.last_error = account.slowest_s, account.last_error
        return self.infos

    def conflicts(self) -> list[Conflict]:
        """Names that more than one plugin claimed."""
        self.registry()
        return self._conflicts

    def chains(self) -> dict[Any, tuple[Offered[Any], ...]]:
        """Who handles each message type and each bin type: wrappers, the outermost first, then the plain handler."""
        self.registry()
        return self._chains

    def registry(self) -> Registry:
        """The tables, built by calling each hook once."""
        if self._registry is None:
            with LOADING.at(id(self)):
                if self._registry is None:
                    self._registry = self._build()
        return self._registry

    def require(self) -> Registry:
        """The tables, or PluginError when something is missing that no client can do without."""
        registry = self.registry()
        missing = [wire_name(name) for table, name in _NEEDED if name not in getattr(registry, table)]
        missing += [table for table in ("ciphers", "encodings", "handshakes") if not getattr(registry, table)]
        if missing:
            raise PluginError(
                f"no plugin provides: {', '.join(missing)}",
                Mend(
                    "unblock the built-ins (",
                    Setting(BLOCK_VARIABLE),
                    f"), reinstall {DISTRIBUTION}, and see ",
                    SHOW_PLUGINS,
                ),
            )
        return registry

    def observe(self, hook: str, **facts: Any) -> None:
        """Call a notifying hook; a plugin that raises is logged by name and stops nobody."""
        getattr(self.pm.hook, hook)(**facts)

    def observes(self, hook: str) -> bool:
        """Whether any plugin implements this notifying hook."""
        return bool(getattr(self.pm.hook, hook).get_hookimpls())

    def _build(self) -> Registry:
        ciphers = self._table("cipher", "hivemind_ciphers", Cipher, _name, cipher_fault, cipher_seconds)
        encodings = self._table(
            "encoding", "hivemind_encodings", Encoding, _name, encoding_fault, encoding_seconds
        )
        types = declared_types(self._offers("hivemind_message_types", MessageType, BinaryType))
        for provided in types.provided:
            self.pm.states.provides(*provided)
        for remark in types.remarks:
            self.pm.states.remark(*remark)
        for each in self._offers("hivemind_settings", object):
            reason = settings_fault(each.item, normalised(each.plugin) in self._settings)
            if reason:
                self.pm.states.fail(each.plugin, reason)
            else:
                self._settings[normalised(each.plugin)] = cast("type", each.item)
        handlers = self._resolve("handler", "hivemind_message_handlers", MessageHandler, types)
        binary = self._resolve("binary handler", "hivemind_binary_handlers", BinaryHandler)
        return Registry(
            ciphers=ciphers,
            encodings=encodings,
            serializers=self._table(
                "serializer", "hivemind_serializers", Serializer, _name, serializer_fault
            ),
            handshakes=self._handshakes(),
            handlers=handlers.running,
            binary_handlers=binary.running,
            wrapped=handlers.plain,
            lanes=lanes_of(self._chains, self._builtin),
            transports=self._transports(),
            left_out=self._left_out,
            settings=self._settings,
            message_types=types.messages,
            binary_types=types.binaries,
        )

    def _transports(self) -> dict[str, Transport]:
        """The transports by scheme; a third party's replaces the built-in one."""
        offers = [
            Offered(offered.plugin, (scheme, offered.item))
            for offered in self._offers("hivemind_transports", Transport)
            for scheme in offered.item.schemes
        ]
        for each in offers:
            self.pm.states.provides(each.plugin, f"transport {each.item[0]}")
        table = build_table("transport", offers, itemgetter(0))
        self._note_conflicts("transport", table.conflicts)
        for remark in contests(table.conflicts, self._builtin):
            self.pm.states.remark(*remark)
        return dict(table.items.values())

    def _resolve(
        self, kind: str, hook: str, expected: type[Handler], types: DeclaredTypes = NO_TYPES
    ) -> Chains[Handler]:
        """The handlers of a kind, wrappers around them."""
        offers = list(self._sound(kind, list(self._offers(hook, expected)), id, handler_fault))
        offers = [see_settings(each, self._settings) for each in offers]
        offers += [Offered(*each) for each in types.unhandled(offers)]
        table = build_table(kind, (each for each in offers if not each.item.wraps), key_of)
        places_of = places(getattr(self.pm.hook, hook).get_hookimpls())
        made = make_chains(offers, table, places_of, self.accounts, self._builtin)
        for each in offers:
            self.pm.states.provides(each.plugin, f"{kind_of(each.item)} {name_of(each.item)}")
        self._note_conflicts(kind, table.conflicts)
        for remark in remarks(made, table.conflicts, self._builtin):
            self.pm.states.remark(*remark)
        self._chains.update(made.members)
        return made

    def _handshakes(self) -> tuple[Offered[HandshakeKind], ...]:
        offers = list(self._offers("hivemind_handshakes", HandshakeKind))
        table = build_table("handshake", offers, _name)
        self._note_conflicts("handshake", table.conflicts)
        handshake_table.note(offers, table.conflicts, self.pm.states, self._builtin)
        return handshake_table.ranked(table.winners.values())

    def _table(
        self,
        kind: str,
        hook: str,
        expected: type[T],
        key: Callable[[T], Any],
        fault: Callable[[T], str],
        seconds: Callable[[T], float] | None = None,
    ) -> dict[Any, T]:
        """Items by wire name; with `seconds`, the fastest first, but one alone is not measured."""
        offers = list(self._offers(hook, expected))
        alone = len({key(offered.item) for offered in offers}) < 2
        ranking = Ranking(seconds or (lambda item: 0.0), seconds is not None and not alone)
        sound = list(self._sound(kind, offers, key, lambda item: fault(item) or ranking.fault(item)))
        for offered in sound:
            self.pm.states.provides(offered.plugin, f"{kind} {wire_name(key(offered.item))}")
        table = build_table(kind, sound, key)
        self._note_conflicts(kind, table.conflicts)
        return ranking.ranked(table.items)

    def _note_conflicts(self, kind: str, conflicts: Iterable[Conflict]) -> None:
        for conflict in conflicts:
            log.debug("%s %s: %s wins over %s", kind, conflict.name, conflict.winner, conflict.losers)
            self._conflicts.append(conflict)

    def _sound(
        self, kind: str, offers: list[Offered[T]], key: Callable[[T], Any], fault: Callable[[T], str]
    ) -> Iterator[Offered[T]]:
        """Leave out what fails its self-test. What loses anyway is not tried, which would cost its import."""
        won = set()
        for offered in offers:
            reason = "" if key(offered.item) in won else fault(offered.item)
            if reason:
                self.pm.states.fail(offered.plugin, reason)
                self._left_out[kind, key(offered.item)] = (
                    f"that of plugin {offered.plugin} is not used: {reason}"
                )
            else:
                won.add(key(offered.item))
                yield offered

    def _offers(self, hook: str, *expected: type[T]) -> Iterator[Offered[T]]:
        for items in getattr(self.pm.hook, hook)():
            for item in items:
                if isinstance(item, expected):
                    yield Offered(items.plugin, item)
                else:
                    wanted = " or a ".join(each.__name__ for each in expected)
                    reason = f"{hook} returned a {type(item).__name__}, not a {wanted}"
                    self.pm.states.fail(items.plugin, reason)


def load_plugins(plugins: Iterable[Any] | None = None, blocked: Iterable[str] | None = None) -> Plugins:
    """The plugins to use: built-ins, and those that `plugins` names or is made of.

    `plugins` lists names (PEP 503: `Door_Bell` is `door-bell`), modules and objects; one name may stand alone, and `*`
    is all that are installed. None reads HIVEMIND_CLIENT_PLUGINS (unset: all; a comma list; empty: the built-ins
    only). `blocked` None reads HIVEMIND_CLIENT_PLUGINS_BLOCK (a comma list, built-ins included).
    HIVEMIND_CLIENT_PLUGINS_DIR is a folder whose files count as installed. One selection is loaded once for each
    process. Raises InvalidOption for what is neither a name nor a plugin, PluginError for a folder that is not safe.
    """
    chosen = Chosen.of(listed_names(os.environ.get(SELECT_VARIABLE)) if plugins is None else plugins)
    left_out = Chosen.of(
        listed_names(os.environ.get(BLOCK_VARIABLE)) if blocked is None else blocked, "blocked_plugins"
    )
    trace = os.environ.get(TRACE_VARIABLE, "") not in ("", "0")
    selection = (chosen, left_out.names or frozenset(), named_folder(), trace)
    with LOADING.at(selection):
        return _load(*selection)


def forget_plugins() -> None:
    """Look for installed plugins and files anew at the next `load_plugins`."""
    for cached in (_load, installed_plugins, warn_once):
        cached.cache_clear()
    unsettle()


@functools.lru_cache(maxsize=16)
def _load(chosen: Chosen, blocked: frozenset[str], folder: str, trace: bool) -> Plugins:
    pm = IsolatingManager(trace)
    plugins = Plugins(pm)
    for candidate in candidates(chosen.objects, folder):
        info = candidate.info()
        plugins.infos.append(info)
        name = normalised(info.name)
        if name in blocked:
            info.state = "blocked"
        elif not (candidate.builtin or candidate.chosen or chosen.takes(name)):
            info.state = "not selected"
        else:
            _register(pm, info, candidate)
    judge_hooks(pm, plugins.infos)
    _warn_of_unknown(plugins, (chosen.names or frozenset()) | blocked)
    return plugins


def _register(pm: IsolatingManager, info: PluginInfo, candidate: Candidate) -> None:
    if candidate.fault:
        _fail(info, candidate.fault)
        return
    try:
        plugin = candidate.load()
        reason = version_fault(plugin)
        if reason:
            leave_out(info, reason)
            return
        pm.register(plugin, name=info.name)
        if not (candidate.distribution or pm.get_hookcallers(plugin)):
            _fail(
                info, "it implements no hook: mark its functions with @hookimpl, and pass an object, no class"
            )
    except KeyboardInterrupt:
        raise
    except HookRefused as refused:
        _fail(info, str(refused))
    except BaseException as error:  # a module may even exit when it is imported
        reason = import_fault(error)
        if reason:
            leave_out(info, reason)
        else:
            _fail(info, described(error))


def _fail(info: PluginInfo, reason: str) -> None:
    info.state, info.error = "failed", reason
    log.warning("plugin %s of %s failed to load: %s", info.name, info.distribution or info.source, reason)


def _warn_of_unknown(plugins: Plugins, names: frozenset[str]) -> None:
    known = {normalised(info.name) for info in plugins.infos}
    for name in sorted(names - known):
        log.warning("plugin %s is selected or blocked, but not installed", name)


def _name(item: Any) -> str:
    return str(item.name)
