"""Parameters and values: those of the reference stand as text, ours are looked at by inspect."""

from __future__ import annotations

import ast
import enum
import inspect
from typing import Any

PLAIN = (type(None), bool, int, float, str, bytes)
UNTOLD = "..."


def parameters(value: Any) -> list[inspect.Parameter] | None:
    """The parameters of ours; None where Python does not know them."""
    try:
        return list(inspect.signature(value).parameters.values())
    except (TypeError, ValueError):
        return None


def parameter_differences(theirs: str | None, ours: list[inspect.Parameter] | None) -> list[str]:
    """What of a call that fits the reference does not fit ours, or means something else there."""
    if theirs is None or ours is None:
        return []
    arguments, defaults = parsed(theirs)
    named = {one.name: one for one in ours if one.kind not in (one.VAR_KEYWORD, one.VAR_POSITIONAL)}
    places = [one.name for one in named.values() if one.kind is not one.KEYWORD_ONLY]
    any_keyword = any(one.kind is one.VAR_KEYWORD for one in ours)
    any_place = any(one.kind is one.VAR_POSITIONAL for one in ours)
    found = []
    by_place = [each.arg for each in (*arguments.posonlyargs, *arguments.args)]
    for place, name in enumerate([*by_place, *(each.arg for each in arguments.kwonlyargs)]):
        if name.startswith("_"):
            continue
        if name not in named:
            found += [] if any_keyword else [f"no `{name}`"]
            continue
        if name in by_place and places[place : place + 1] != [name] and not any_place:
            found.append(f"`{name}` at another place" if name in places else f"`{name}` by keyword only")
        found += _default_differences(named[name], defaults.get(name))
    variable = arguments.vararg is not None or arguments.kwarg is not None
    known = {*by_place, *(each.arg for each in arguments.kwonlyargs)}
    required = [name for name, one in named.items() if one.default is one.empty and name not in known]
    return found + ([] if variable else [f"needs `{name}`" for name in required])


def parsed(text: str) -> tuple[ast.arguments, dict[str, str]]:
    """Parameters that stand as text: what they are, and the default of each that has one."""
    (function,) = ast.parse(f"def f({text}): 0").body
    assert isinstance(function, ast.FunctionDef)
    arguments = function.args
    by_place = [each.arg for each in (*arguments.posonlyargs, *arguments.args)]
    defaults = dict(zip(reversed(by_place), map(ast.unparse, reversed(arguments.defaults))))
    by_name = zip(arguments.kwonlyargs, arguments.kw_defaults)
    defaults.update({each.arg: ast.unparse(default) for each, default in by_name if default is not None})
    return arguments, defaults


def _default_differences(ours: inspect.Parameter, there: str | None) -> list[str]:
    if ours.default is ours.empty or there is None:
        return [f"needs `{ours.name}`"] if there is not None else []
    here = plain(ours.default)
    same = UNTOLD in (here, there) or _same(here, there)
    return [] if same else [f"`{ours.name}={here}`, there `{there}`"]


def _same(one: str, other: str) -> bool:
    """Whether two plain values that are written differently are equal, such as 5 and 5.0."""
    try:
        return bool(one == other or ast.literal_eval(one) == ast.literal_eval(other))
    except ValueError:
        return False  # a member of an enumeration


def plain(value: Any) -> str:
    """A value as Python writes it, `...` for one that is not plain."""
    if isinstance(value, enum.Enum):
        return f"{type(value).__name__}.{value.name}"
    return repr(value) if isinstance(value, PLAIN) else UNTOLD
