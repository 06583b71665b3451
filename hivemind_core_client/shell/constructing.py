"""Options that a client does not have, refused by the names that its user knows."""

from __future__ import annotations

from collections.abc import Iterable
from inspect import Parameter, signature

_PACKAGE = __name__.partition(".")[0]
_NAMED = (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)


def check_options(kind: type, given: Iterable[str]) -> None:
    """Raises TypeError for an option that a client of this kind does not have, with the one that it may be meant to be.

    A class of somebody else may take options of its own: it is not looked at.
    """
    if not str(getattr(kind.__init__, "__module__", "")).startswith(_PACKAGE):  # type: ignore[misc]  # it is read
        return
    known = _options_of(kind)
    unknown = next((name for name in given if name not in known), None)
    if unknown is not None:
        raise TypeError(
            f"{kind.__name__}.__init__() got an unexpected keyword argument {unknown!r}{_nearest(unknown, known)}"
        )


def keep_signature(kind: type) -> None:
    """Let `inspect.signature` of a class show its constructor, which `__new__` would hide."""
    own = vars(kind)
    if "__signature__" not in own and ("__init__" in own or not hasattr(kind, "__signature__")):
        shown = signature(kind.__init__)  # type: ignore[misc]  # it is read
        kind.__signature__ = shown.replace(parameters=list(shown.parameters.values())[1:])  # type: ignore[attr-defined]


def _options_of(kind: type) -> list[str]:
    """The names of all that its constructor takes, and those to which that hands on what it does not know."""
    names: list[str] = []
    for each in kind.__mro__:
        if "__init__" in vars(each):
            parameters = list(signature(vars(each)["__init__"]).parameters.values())[1:]
            names += [parameter.name for parameter in parameters if parameter.kind in _NAMED]
            if not any(parameter.kind is Parameter.VAR_KEYWORD for parameter in parameters):
                break
    return names


def _nearest(name: str, known: list[str]) -> str:
    from difflib import get_close_matches

    near = get_close_matches(name.lower(), known, 1)
    return f": did you mean {near[0]!r}?" if near else ""
