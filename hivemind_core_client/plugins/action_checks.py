"""The error of an action that is made of what it does not take: authors read it, so it says what to give."""

from __future__ import annotations

from typing import Any, Callable


class WrongAction(TypeError):
    """An action was made of what it does not take; the text says what it takes."""


def takes(kind: type, what: str) -> Callable[[Any, Any, Any], None]:
    """An attrs validator: the value is of this kind, which `what` says in words. Raises WrongAction."""

    def check(action: Any, attribute: Any, value: Any) -> None:
        if not isinstance(value, kind):
            raise WrongAction(f"{type(action).__name__} takes {what}, and this is a {type(value).__name__}")

    return check
