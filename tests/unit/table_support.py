"""The table of behaviours: the tests of the client for threads, to run with another client in its place."""

from __future__ import annotations

from types import ModuleType
from typing import Any


def table(otherwise: dict[str, set[str]], *modules: ModuleType) -> dict[str, Any]:
    """The tests of these modules, and classes of tests, but for those that are named under a reason."""
    left_out = set().union(*otherwise.values())
    found = {
        name: test
        for module in modules
        for name, test in vars(module).items()
        if name.startswith(("test_", "Test"))
    }
    known = set(found).union(*(vars(test) for test in found.values() if isinstance(test, type)))
    assert left_out <= known, f"no such tests: {left_out - known}"
    return {name: _without(test, left_out) for name, test in found.items() if name not in left_out}


def _without(test: Any, left_out: set[str]) -> Any:
    """A class of tests without some; anything else as it is."""
    if not isinstance(test, type):
        return test
    kept = {name: value for name, value in vars(test).items() if name not in left_out | {"__dict__"}}
    return type(test.__name__, (), kept)
