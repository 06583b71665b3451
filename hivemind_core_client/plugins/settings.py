"""The settings of plugins: an attrs class for each, made of the tables that a user gave, or of their defaults."""

from __future__ import annotations

import difflib
import logging
import types
from collections.abc import Collection, Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar, Union, get_args, get_origin, get_type_hints

import attrs

from hivemind_core_client.plugins.functions import functions
from hivemind_core_client.plugins.names import normalised
from hivemind_core_client.wire.errors import InvalidOption, Mend
from hivemind_core_client.wire.mends import SHOW_PLUGINS

if TYPE_CHECKING:
    from hivemind_core_client.plugins.contract import Context
    from hivemind_core_client.plugins.registry import Offered

Handler = TypeVar("Handler")
log = logging.getLogger(__name__)

#: Settings by the plugin's name, as PEP 503 writes it: classes that declare them, or objects of those.
Declared = Mapping[str, type]
_NONE = type(None)
_PLAIN: tuple[type, ...] = (bool, int, float, str, list, dict, _NONE)
#: What `Optional[int]` is made of, and `int | None` from Python 3.10 on.
_UNIONS = (Union, getattr(types, "UnionType", Union))


def settings_fault(declared: Any, is_second: bool = False) -> str:
    """Why a class cannot declare settings, be it that another one does so for the plugin; empty where it can."""
    if not (isinstance(declared, type) and attrs.has(declared)):
        return f"its settings are a {type(declared).__name__}, not an attrs class"
    if is_second:
        return (
            f"its settings {declared.__name__} are not used: another class declares settings under its name"
        )
    _, raised = _tried(declared, {})
    return f"each of its settings must have a default that it takes ({raised})" if raised else ""


def defaults(declared: Declared) -> dict[str, Any]:
    """The settings of each plugin where nobody gives any. Raises InvalidOption for those that are refused now."""
    found: dict[str, Any] = {}
    for plugin, kind in declared.items():
        found[plugin], raised = _tried(kind, {})
        if raised:
            raise InvalidOption(
                f"the plugin {plugin} refuses its own defaults ({raised})",
                Mend(f"give it settings, or leave it out: HIVEMIND_CLIENT_PLUGINS_BLOCK={plugin}"),
            )
    return found


def made(
    declared: Declared, tables: Mapping[str, Any], source: str, plugins: Collection[str], strict: bool
) -> dict[str, Any]:
    """The settings that tables of one `source` give, by plugin.

    A table that no plugin in use reads is an error where `strict`, else a warning, unless it is one of `plugins`' own.
    Raises InvalidOption, which names source, table, key and what was expected, and never a value.
    """
    found: dict[str, Any] = {}
    for name, table in tables.items():
        plugin = normalised(str(name))
        if plugin in found:
            reason = f"[{name}] of {source} is another table for the plugin {plugin}"
            raise InvalidOption(reason, Mend("leave one of them", joint=": "))
        if plugin in declared:
            found[plugin] = _object(declared[plugin], table, f"[{name}] of {source}")
        elif strict or plugin not in plugins:
            reason = f"no plugin in use reads the settings [{name}] of {source}{_nearest(plugin, declared)}"
            if strict:
                raise InvalidOption(reason, Mend("see ", SHOW_PLUGINS))
            log.warning("%s", reason)
    return found


def _object(declared: type, table: Any, where: str) -> Any:
    if not isinstance(table, Mapping):
        raise InvalidOption(f"{where} is a {type(table).__name__}; it must be a table of settings")
    fields = {field.alias or field.name: field for field in attrs.fields(declared) if field.init}
    hints = _hints(declared)
    for key, value in table.items():
        if key not in fields:
            raise InvalidOption(f"{where} has no setting {key!r}{_nearest(str(key), fields)}")
        field = fields[key]
        expected = _expected(hints.get(field.name)) if field.converter is None else ()
        if expected and not _fits(value, expected):
            wanted = " or ".join(kind.__name__ for kind in expected if kind is not _NONE)
            raise InvalidOption(f"{key!r} in {where} is a {type(value).__name__}; it must be {wanted}")
    settings, raised = _tried(declared, table)
    if raised:
        raise InvalidOption(
            _refused(declared, table, where) or f"the plugin refuses {where} as a whole ({raised})"
        )
    return settings


def _refused(declared: type, table: Mapping[str, Any], where: str) -> str:
    """Which setting of a table is refused, where it is one by itself and not what several come to."""
    for key, value in table.items():
        _, raised = _tried(declared, {key: value})
        if raised:
            return f"{key!r} in {where} has a value that the plugin refuses ({raised})"
    return ""


def _tried(declared: type, values: Mapping[str, Any]) -> tuple[Any, str]:
    """An object of anyone's class, or the name of what that raised: the text of the error may show a value."""
    try:
        return declared(**values), ""
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a plugin may even exit
        return None, type(error).__name__


def _hints(declared: type) -> dict[str, Any]:
    try:
        return get_type_hints(declared)
    except Exception:  # names that are there for type checkers, or Python 3.9 does not find the module
        return {each.name: each.type for each in attrs.fields(declared)}


def _expected(hint: Any) -> tuple[type, ...]:
    """The plain types that a value may have; none where only the plugin knows."""
    kinds = get_args(hint) if get_origin(hint) in _UNIONS else (hint,)
    bases = tuple(get_origin(kind) or kind for kind in kinds)
    return bases if all(base in _PLAIN for base in bases) else ()


def _fits(value: Any, expected: tuple[type, ...]) -> bool:
    if isinstance(value, bool):
        return bool in expected
    return isinstance(value, expected) or (isinstance(value, int) and float in expected)


def _nearest(name: str, known: Iterable[str]) -> str:
    for meant in difflib.get_close_matches(name, list(known), 1):
        return f"; did you mean {meant!r}?"
    return ""


def see_settings(offered: Offered[Handler], declared: Declared) -> Offered[Handler]:
    """A handler whose functions see the settings of its plugin in their context, where that plugin declares some."""
    plugin = normalised(offered.plugin)
    if plugin not in declared:
        return offered
    item: Any = offered.item
    changed = {name: partial(_call, plugin, getattr(item, name)) for name in functions(item)}
    return attrs.evolve(offered, item=attrs.evolve(item, **changed))


def _call(plugin: str, function: Any, context: Context, *arguments: Any) -> Any:
    return function(context.of_plugin(plugin), *arguments)
