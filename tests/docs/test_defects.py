"""The page of faults names tests that are there, and no rule is without one."""

from __future__ import annotations

import re

import pytest

from .documents import ROOT, page

ROWS = re.findall(
    r"^\| (?!Fault|---)([^|]+) \| ([^|]+) \| ([^|]+) \|$", page("docs/defects.md"), re.MULTILINE
)
TESTS = {
    name
    for folder in ("tests/unit", "tests/packages", "tests/docs", "tests/hostile", "tests/soak", "plugins")
    for path in (ROOT / folder).rglob("test_*.py")
    for name in re.findall(r"^\s*(?:async )?def (test_\w+)\(", path.read_text(encoding="utf-8"), re.MULTILINE)
}


def test_the_page_has_rows() -> None:
    assert len(ROWS) > 30


@pytest.mark.parametrize(("fault", "rule", "tests"), ROWS, ids=[row[0][:40] for row in ROWS])
def test_a_fault_has_a_rule_and_tests_that_exist(fault: str, rule: str, tests: str) -> None:
    named = re.findall(r"`(\w+)`", tests)
    assert named and rule
    assert [name for name in named if name not in TESTS] == []
