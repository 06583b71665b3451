"""Each public name of the reference client, compared with ours by inspect."""

from __future__ import annotations

import ast
import fnmatch
import importlib
import inspect
import json
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

from .signatures import UNTOLD, parameter_differences, parameters, plain

FACTS = Path(__file__).resolve().parent
#: The newest first: its parameters are those that the page shows.
VERSIONS = ("1.2.12a1", "0.9.2a1")
COMPAT = "hivemind_bus_client"
OURS = "hivemind_core_client"
#: Classes of the standard library that say nothing of how an object is used.
UNTOLD_BASES = {"ReprEnum", "Generic", "Protocol"}
NOTHING = object()

Facts = dict[str, Any]


@dataclass
class Row:
    """One name of the reference, as `module:name` or `module:class.member`, and what became of it."""

    path: str
    #: What it is, by version.
    facts: dict[str, Facts]
    differences: list[str] = field(default_factory=list)
    missing: bool = False
    #: The name or the pattern in reasons.toml that fits, where it is missing or different.
    reason_path: str | None = None

    @property
    def module(self) -> str:
        return self.path.partition(":")[0]

    @property
    def name(self) -> str:
        return self.path.partition(":")[2]

    @property
    def newest(self) -> Facts:
        return self.facts[next(version for version in VERSIONS if version in self.facts)]

    @property
    def same(self) -> bool:
        return not self.missing and not self.differences

    @property
    def reason(self) -> str | None:
        """Why it is missing or different."""
        return None if self.reason_path is None else reasons()[_table(self)][self.reason_path]

    @property
    def told(self) -> bool:
        """Whether all is well, or it is said why not."""
        return self.same or self.reason_path is not None


# --- the rows


def rows() -> list[Row]:
    """A row for each name of the reference, in the order of the page, compared with ours."""
    facts = {version: reference(version) for version in VERSIONS}
    paths = sorted({path for each in facts.values() for path in each if ":" in path})
    found = [Row(path, {v: facts[v][path] for v in VERSIONS if path in facts[v]}) for path in paths]
    # A class that is left out takes its members along.
    gone: set[str] = set()
    for row in found:
        owner = row.path.rpartition(".")[0] if "." in row.name else ""
        compare(row)
        if row.missing and not owner:
            gone.add(row.path)
        row.reason_path = reason_for(row)
    return [row for row in found if row.path.rpartition(".")[0] not in gone]


def reference(version: str) -> dict[str, Facts]:
    """What a version of the reference has."""
    facts: dict[str, Facts] = json.loads((FACTS / f"{version}.json").read_text(encoding="utf-8"))
    return facts


def imports() -> dict[str, dict[str, Any]]:
    """What packages of the index import, by package: its version, and the names as `module:name`."""
    found: dict[str, dict[str, Any]] = json.loads((FACTS / "imports.json").read_text(encoding="utf-8"))
    return found


@cache
def reasons() -> dict[str, dict[str, str]]:
    return tomllib.loads((FACTS / "reasons.toml").read_text(encoding="utf-8"))


def reason_for(row: Row) -> str | None:
    """The name or the narrowest pattern that has a reason for a row, where it needs one."""
    if row.same:
        return None
    fitting = [each for each in reasons()[_table(row)] if fnmatch.fnmatchcase(row.path, each)]
    return max(fitting, key=len, default=None)


def _table(row: Row) -> str:
    return "left out" if row.missing else "different"


def compare(row: Row) -> None:
    """Find out whether we have it, and how ours differs."""
    name, _, member = row.name.partition(".")
    ours = find(COMPAT, row.module, name)
    if ours is NOTHING:
        row.missing = True
    elif not member:
        _add(row, (differences(each, ours) for each in row.facts.values()))
    else:
        raw = inspect.getattr_static(ours, member, NOTHING)
        row.missing = raw is NOTHING and member not in assigned(ours) and not _has(sample(ours), member)
        if not row.missing:
            _add(row, (member_differences(each, ours, member, raw) for each in row.facts.values()))


def _add(row: Row, found: Iterator[list[str]]) -> None:
    """Note the differences from each version, the newest first: of the others no defaults, which have changed since."""
    for number, texts in enumerate(found):
        fresh = (text for text in texts if text not in row.differences)
        row.differences += [text for text in fresh if not number or ", there " not in text]


def find(package: str, module: str, name: str) -> Any:
    """A name of a module, or NOTHING; `""` is the package itself."""
    try:
        return getattr(importlib.import_module(f"{package}.{module}".rstrip(".")), name, NOTHING)
    except ModuleNotFoundError as error:
        if not str(error.name).startswith(package):
            raise
        return NOTHING


def _has(thing: Any, name: str) -> bool:
    try:
        return hasattr(thing, name)
    except Exception:
        return True  # it is there, and has no value yet


@cache
def assigned(kind: type) -> frozenset[str]:
    """The attributes that the methods of a class of ours give to its objects, where an object cannot be made."""
    found: set[str] = set()
    for base in kind.__mro__:
        if base.__module__.partition(".")[0] in (COMPAT, OURS):
            tree = ast.parse(textwrap.dedent(inspect.getsource(base)))
            attributes = (node for node in ast.walk(tree) if isinstance(node, ast.Attribute))
            own = (
                each for each in attributes if isinstance(each.value, ast.Name) and each.value.id == "self"
            )
            found |= {each.attr for each in own if isinstance(each.ctx, ast.Store)}
    return frozenset(found)


#: What objects are made with to see which attributes they have, by the name of the parameter.
SAMPLES: dict[str, Any] = {
    "emit_callback": print,
    "message_type": "bus",
    "msg_type": "ping",
    "on_timeout": print,
    "payload_type": "speak",
    "peer": "peer::1",
    "select_callback": print,
    "timeout": 1.0,
}


@cache
def sample(kind: type) -> Any:
    """An object of a class; None where making one takes more than we know."""
    try:
        needed = [p for p in inspect.signature(kind).parameters.values() if p.default is p.empty]
        given = {p.name: _given(p.name) for p in needed if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)}
        if kind.__name__.endswith("Client"):
            given.update(
                key="key", password="a long password of nobody", host="127.0.0.1", identity=_identity()
            )
        return kind(**given)
    except Exception:
        return None


def _given(name: str) -> Any:
    if name in ("bus", "hm", "hm_bus"):
        return find(OURS, "fakebus", "FakeHiveMessageBus")()
    return SAMPLES[name]


def _identity() -> Any:
    return find(OURS, "identity", "NodeIdentity")({})


# --- comparing


def differences(theirs: Facts, ours: Any) -> list[str]:
    """How a name of a module differs; nothing for one that is only passed on."""
    kind = theirs["kind"]
    if kind in ("class", "enum"):
        if not inspect.isclass(ours):
            return ["no class here"]
        found = [f"no subclass of `{base}`" for base in theirs["bases"] if not _is_a(ours, base)]
        return found + parameter_differences(theirs.get("parameters"), parameters(ours))
    if kind in ("function", "coroutine"):
        return _call_differences(theirs, ours, parameters(ours))
    return _value_differences(theirs, ours) if kind == "value" else []


def member_differences(theirs: Facts, kind: type, name: str, raw: Any) -> list[str]:
    """How a member of a class differs; `raw` is what the class itself has, or NOTHING."""
    if theirs["kind"] == "value":
        member = getattr(kind, name)
        return _value_differences(theirs, getattr(member, "value", member))
    if theirs["kind"] == "attribute":
        if inspect.isroutine(raw):
            return ["a method here"]
        fixed = isinstance(raw, property) and raw.fset is None
        return ["cannot be set"] if fixed and not theirs.get("read only") else []
    if raw is NOTHING:
        return []
    static = isinstance(raw, staticmethod)
    if theirs.get("static") and not static and not isinstance(raw, classmethod):
        return ["called on an object here"]
    found = parameters(getattr(kind, name))
    if found and not static and not isinstance(raw, classmethod):
        found = found[1:]
    return _call_differences(theirs, getattr(kind, name), found)


def _call_differences(theirs: Facts, ours: Any, found: list[inspect.Parameter] | None) -> list[str]:
    if not callable(ours):
        return ["cannot be called here"]
    awaited = inspect.iscoroutinefunction(ours)
    if awaited is not (theirs["kind"] == "coroutine"):
        return ["awaited here" if awaited else "not awaited here"]
    return parameter_differences(theirs["parameters"], found)


def _value_differences(theirs: Facts, ours: Any) -> list[str]:
    there, here = theirs["value"], plain(ours)
    return [f"`{here}`, there `{there}`"] if UNTOLD not in (there, here) and there != here else []


def _is_a(ours: type, base: str) -> bool:
    if base in UNTOLD_BASES:
        return True
    for module in ("exceptions", "decorators", "client", "async_client"):
        found = find(COMPAT, module, base)
        if inspect.isclass(found):
            return issubclass(ours, found)
    return base in {each.__name__ for each in ours.__mro__}


# --- all of it


def untold(found: list[Row]) -> list[str]:
    """A line for each name that is left out or different, and nothing says why."""
    return [f"{row.path}: {difference_of(row)}" for row in found if not row.told]


def difference_of(row: Row) -> str:
    return "missing" if row.missing else "; ".join(row.differences)


def not_imported() -> list[str]:
    """A line for each name that a package imports, and that is not here."""
    excused = reasons()["imported, and not of the reference"]
    lines = []
    for package, facts in imports().items():
        for path in facts["names"]:
            module, _, name = path.partition(":")
            if path not in excused and not is_there(module, name):
                lines.append(f"{path}: imported by {package} {facts['version']}")
    return lines


def commands() -> dict[str, tuple[list[str], list[str]]]:
    """For each command of the reference its options in any version, and those of them that ours does not take."""
    options: dict[str, set[str]] = {}
    for version in VERSIONS:
        for name, found in reference(version)["commands"].items():
            options.setdefault(name, set()).update(found)
    ours = importlib.import_module("hivemind_client_cli.main").build_cli().commands
    taken = {name: {o for p in command.params for o in p.opts} for name, command in ours.items()}
    return {
        name: (sorted(wanted), sorted(wanted - taken[name] if name in taken else {name, *wanted}))
        for name, wanted in sorted(options.items())
    }


def is_there(module: str, name: str) -> bool:
    """Whether `from module import name` works; without a name, whether the module is there."""
    if find(COMPAT, module, name or "__name__") is not NOTHING:
        return True
    return find(COMPAT, f"{module}.{name}".lstrip("."), "__name__") is not NOTHING


def missing_options() -> list[str]:
    """A line for each command or option of the reference that ours does not take, and nothing says why."""
    excused = reasons()["commands"]
    told = {
        name: [each for each in missing if f"{name} {each}" not in excused]
        for name, (_, missing) in commands().items()
    }
    return [f"hivemind-client {name}: no {', '.join(missing)}" for name, missing in told.items() if missing]


def stale(found: list[Row]) -> list[str]:
    """Reasons that no name needs."""
    used = {row.reason_path for row in found}
    given = [path for table in ("left out", "different") for path in reasons()[table]]
    return [path for path in given if path not in used]
