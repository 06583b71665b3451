"""Rows of the report, and how they are printed and written."""

from __future__ import annotations

import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

Json = dict[str, Any]

SECONDS = "s"
BYTES = "B"
KIBIBYTES = "KiB"
#: Units of which more is better.
RATE = "/s"
COUNT = "clients"
CALLS = "calls"

_HEADER = ("case", "reference", "ours", "ratio")
_NAMES_HEADER = ("case", "reference", "own names", "its names", "its / own")
_PATH_HEADER = ("case", "reference", "by hand", "ours", "ours / by hand", "aim")


@dataclass
class Sample:
    """What one side measured, in the unit of its row: one value for each repeat. `facts` are its other findings."""

    values: list[float] = field(default_factory=list)
    error: str = ""
    facts: Json = field(default_factory=dict)

    @property
    def median(self) -> float | None:
        """The median, or None where nothing was measured."""
        return statistics.median(self.values) if self.values else None

    def as_json(self) -> Json:
        """The form in latest.json."""
        content = asdict(self)
        if self.values:
            content.update(median=self.median, min=min(self.values))
        return content


@dataclass
class Row:
    """One line of the report. `reference` is None if that side was not run.

    `by_hand` is for rows that have a loop by hand beside them, `by_names` for those that measure ours by the names of
    the reference too. `aim` is the most that ours shall need, in
    times of that loop; of a row that counts calls, as such.
    """

    group: str
    name: str
    unit: str
    ours: Sample
    reference: Sample | None = None
    by_hand: Sample | None = None
    aim: float | None = None
    by_names: Sample | None = None

    @property
    def to_own(self) -> float | None:
        """How much of what ours needs by its own names it needs by those of the reference: of medians."""
        ours = self.ours.median
        by_names = self.by_names.median if self.by_names else None
        return by_names / ours if ours and by_names else None

    @property
    def to_hand(self) -> float | None:
        """How much of the loop by hand ours needs: of medians."""
        ours = self.ours.median
        by_hand = self.by_hand.median if self.by_hand else None
        return ours / by_hand if ours and by_hand else None

    @property
    def ratio(self) -> float | None:
        """How many times less ours needs, or how many times more it does: of medians."""
        ours = self.ours.median
        reference = self.reference.median if self.reference else None
        if not ours or not reference:
            return None
        return ours / reference if self.unit in (RATE, COUNT) else reference / ours

    @property
    def failed(self) -> bool:
        """True if a side that was run has no value."""
        return any(sample.error for sample in self.samples().values())

    def samples(self) -> dict[str, Sample]:
        """What was run, by the name of who did it."""
        sides = {
            "ours": self.ours,
            "reference": self.reference,
            "by hand": self.by_hand,
            "by its names": self.by_names,
        }
        return {name: sample for name, sample in sides.items() if sample}

    def as_json(self) -> Json:
        """The form in latest.json."""
        return {
            "group": self.group,
            "name": self.name,
            "unit": self.unit,
            "ours": self.ours.as_json(),
            "reference": self.reference.as_json() if self.reference else None,
            "ratio": self.ratio,
            "by_hand": self.by_hand.as_json() if self.by_hand else None,
            "to_hand": self.to_hand,
            "aim": self.aim,
            "by_names": self.by_names.as_json() if self.by_names else None,
            "to_own": self.to_own,
        }


def machine_facts() -> Json:
    """What the numbers depend on."""
    return {
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
        "platform": platform.platform(),
        "cpu_count": os.cpu_count(),
        "cpu": _cpu_model(),
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


def write_json(path: Path, content: Json) -> None:
    """Write the results, and nothing if that fails half-way."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".tmp")
    fresh.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    fresh.replace(path)


def table(rows: Sequence[Row]) -> str:
    """The rows as aligned Markdown tables, `path` and `names` apart, with the reasons of what failed below them."""
    paths = [row for row in rows if row.group == "path"]
    names = [row for row in rows if row.group == "names"]
    others = [row for row in rows if row.group not in ("path", "names")]
    tables = []
    if others:
        tables.append(_aligned([_HEADER, *(_cells(row) for row in others)]))
    if paths:
        tables.append(_aligned([_PATH_HEADER, *(_path_cells(row) for row in paths)]))
    if names:
        tables.append(_aligned([_NAMES_HEADER, *(_names_cells(row) for row in names)]))
    return "\n\n".join(tables) + "\n".join(_reasons(rows))


def _aligned(cells: Sequence[Sequence[str]]) -> str:
    widths = [max(len(line[column]) for line in cells) for column in range(len(cells[0]))]
    lines = [_line(line, widths) for line in cells]
    rule = [":" + "-" * (width - 1) if not at else "-" * (width - 1) + ":" for at, width in enumerate(widths)]
    lines.insert(1, _line(rule, widths))
    return "\n".join(lines)


def _cells(row: Row) -> tuple[str, ...]:
    ratio = "" if row.ratio is None else f"{row.ratio:.{0 if row.ratio >= 100 else 1}f} x"
    return row.name, _shown(row.reference, row.unit), _shown(row.ours, row.unit), ratio


def _path_cells(row: Row) -> tuple[str, ...]:
    to_hand = "" if row.to_hand is None else f"{row.to_hand:.2f}"
    unit = "" if row.unit == CALLS else ".1f"
    aim = "" if row.aim is None else f"≤ {row.aim:{unit}}"
    samples = (row.reference, row.by_hand, row.ours)
    return row.name, *(_shown(sample, row.unit) for sample in samples), to_hand, aim


def _names_cells(row: Row) -> tuple[str, ...]:
    to_own = "" if row.to_own is None else f"{row.to_own:.2f}"
    return row.name, *(_shown(sample, row.unit) for sample in (row.reference, row.ours, row.by_names)), to_own


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    first = cells[0].ljust(widths[0])
    rest = [cell.rjust(width) for cell, width in zip(cells[1:], widths[1:])]
    return "| " + " | ".join([first, *rest]) + " |"


def _shown(sample: Sample | None, unit: str) -> str:
    if sample is None or not (sample.error or sample.values):
        return "-"
    if sample.median is None:
        return "failed"
    return _SHOWN[unit](sample.median)


def _seconds(value: float) -> str:
    for factor, unit in ((1.0, "s"), (1e3, "ms")):
        if value * factor >= 1:
            return f"{value * factor:.3g} {unit}"
    return f"{value * 1e6:.3g} µs"


def _bytes(value: float) -> str:
    return f"{value / 2**20:.1f} MiB"


_SHOWN: dict[str, Callable[[float], str]] = {
    SECONDS: _seconds,
    BYTES: _bytes,
    KIBIBYTES: lambda value: f"{value / 2**10:.1f} KiB",
    RATE: lambda value: f"{value:.3g} /s" if value < 1000 else f"{value:.0f} /s",
    COUNT: lambda value: f"{value:.0f}",
    CALLS: lambda value: f"{value:.0f}",
}


def _reasons(rows: Sequence[Row]) -> list[str]:
    seen = {}
    for row in rows:
        for side, sample in row.samples().items():
            if sample.error:
                seen[f"{row.name} ({side}): {sample.error}"] = True
    return ["", "", "Failed:", *(f"- {reason}" for reason in seen)] if seen else []


def _cpu_model() -> str:
    if sys.platform.startswith("linux"):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor()
