"""Each public name of the reference client is here, or it is said why not (tools/reference-names)."""

from __future__ import annotations

import inspect
import sys
from pathlib import Path
from typing import Any, Callable

import pytest

from tools.reference import comparison
from tools.reference.page import page

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference-names.md"

pytestmark = pytest.mark.skipif(
    sys.version_info < (3, 10), reason="the names for asyncio are compared, which need Python 3.10"
)


@pytest.fixture(scope="module")
def rows() -> list[comparison.Row]:
    return comparison.rows()


def test_the_names_of_both_versions_are_known() -> None:
    for version in comparison.VERSIONS:
        facts = comparison.reference(version)
        assert facts["version"] == version
        assert "client:HiveMessageBusClient.wait_for_handshake" in facts
        assert len(facts) > 450


def test_every_name_is_here_or_it_is_said_why_not(rows: list[comparison.Row]) -> None:
    assert comparison.untold(rows) == []


def test_what_packages_import_is_here() -> None:
    assert len(comparison.imports()) > 40
    assert comparison.not_imported() == []


def test_every_command_and_option_is_taken() -> None:
    assert {"set-identity", "terminal", "forget-server"} <= comparison.commands().keys()
    assert comparison.missing_options() == []


def test_no_reason_is_left_over(rows: list[comparison.Row]) -> None:
    assert comparison.stale(rows) == []


def test_the_page_is_what_the_tool_writes(rows: list[comparison.Row]) -> None:
    assert PAGE.read_text(encoding="utf-8") == page(rows), "run tools/reference-names"


def test_what_packages_import_is_never_left_out(rows: list[comparison.Row]) -> None:
    imported = {path for facts in comparison.imports().values() for path in facts["names"]}
    assert [row.path for row in rows if row.missing and row.path in imported] == []


# --- that the comparison finds what differs


def _like(a: Any, b: int = 1, *, c: Any = None) -> None: ...


def _any(*args: Any, **kwargs: Any) -> None: ...


@pytest.mark.parametrize(
    ("theirs", "ours", "found"),
    [
        ("a, b=1, *, c=None", _like, []),
        ("a, b=1", _like, []),
        ("a, b=...", _like, []),
        ("x, y=2, *args, z", _any, []),
        ("a, *args, **kwargs", _like, []),
        ("b=1, a=None", _like, ["`b` at another place", "`a` at another place", "needs `a`"]),
        ("a, c=None", _like, ["`c` by keyword only"]),
        ("a, b=2", _like, ["`b=1`, there `2`"]),
        ("a, b=1, d=None", _like, ["no `d`"]),
        ("b=1", _like, ["`b` at another place", "needs `a`"]),
        ("a, _private=None", _like, []),
    ],
)
def test_parameters(theirs: str, ours: Callable[..., Any], found: list[str]) -> None:
    assert (
        comparison.parameter_differences(theirs, list(inspect.signature(ours).parameters.values())) == found
    )


class _Ours:
    kept = 1

    @property
    def fixed(self) -> int:
        return 1

    def verb(self, a: Any) -> None: ...

    async def awaited(self, a: Any) -> None: ...


@pytest.mark.parametrize(
    ("theirs", "name", "found"),
    [
        ({"kind": "attribute"}, "kept", []),
        ({"kind": "attribute"}, "fixed", ["cannot be set"]),
        ({"kind": "attribute", "read only": True}, "fixed", []),
        ({"kind": "attribute"}, "verb", ["a method here"]),
        ({"kind": "function", "parameters": "a"}, "verb", []),
        ({"kind": "function", "parameters": "a", "static": True}, "verb", ["called on an object here"]),
        ({"kind": "coroutine", "parameters": "a"}, "verb", ["not awaited here"]),
        ({"kind": "function", "parameters": "a"}, "awaited", ["awaited here"]),
        ({"kind": "function", "parameters": ""}, "fixed", ["cannot be called here"]),
        ({"kind": "value", "value": "2"}, "kept", ["`1`, there `2`"]),
    ],
)
def test_members(theirs: comparison.Facts, name: str, found: list[str]) -> None:
    raw = inspect.getattr_static(_Ours, name)
    assert comparison.member_differences(theirs, _Ours, name, raw) == found


def test_classes() -> None:
    theirs = {
        "kind": "class",
        "bases": ["HiveMindException", "Exception", "BaseException"],
        "parameters": None,
    }
    assert comparison.differences(theirs, RuntimeError) == ["no subclass of `HiveMindException`"]
    assert comparison.differences(theirs, print) == ["no class here"]
