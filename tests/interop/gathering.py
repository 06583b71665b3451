"""How the outcome of a cell gets into the results: with pytest-xdist, tests run in other processes than who writes."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest

from .table import Cell, Results

#: The property of a report that has the outcome of its cell.
_OUTCOME = "cell"


def tell(report: pytest.TestReport, cell: Cell, figures: Sequence[str]) -> None:
    """Let the report have the outcome of its cell, and what was measured."""
    outcome = {"cell": cell.name, "passed": report.passed, "figures": list(figures)}
    report.user_properties.append((_OUTCOME, json.dumps(outcome)))


class Gathering:
    """A pytest plugin that notes what reports tell."""

    def __init__(self, results: Results) -> None:
        self._results = results

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note the outcome of a cell."""
        for name, outcome in report.user_properties:
            if name == _OUTCOME:
                self._results.add(**json.loads(str(outcome)))
