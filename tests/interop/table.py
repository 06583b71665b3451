"""The table: behaviours (rows) by hubs and kinds of client (columns), and its Markdown form."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from .hubs import DEFAULTS, HubOptions, RealHub
from .satellite import Satellite
from .specs import COLUMNS, HubSpec

#: Kinds of client that have a column.
CLIENTS = ("sync", "async")

#: What a row does: it fails by raising.
Check = Callable[[RealHub, Satellite], None]

_HEAD = """\
# What works with which hub

Every row is a test that runs against the real `hivemind-core` from the package index. `make interop` runs
them all and writes this page.

✓ works · ✗ fails · — the hub has no such feature (the note says why)

In the columns with MQTT a broker is between client and hub: Debian's mosquitto. The hub has `hivemind-mqtt-protocol`.
"""


@dataclass(frozen=True)
class Behaviour:
    """One row: what the reader is promised, where it belongs, and the check that proves it.

    `options` are what the hub is started with. `needs` names features that a hub may lack, with commas between
    them. A row with
    `uses_client` False brings its own kind of client and is run once per hub.
    """

    text: str
    area: str
    check: Check
    options: HubOptions = DEFAULTS
    needs: str = ""
    uses_client: bool = True


@dataclass(frozen=True)
class Cell:
    """One behaviour on one hub with one kind of client."""

    row: Behaviour
    hub: HubSpec
    client: str

    @property
    def name(self) -> str:
        """How a test run names it."""
        return f"{self.hub.version}-{self.client}-{self.row.text}"

    @property
    def missing(self) -> str:
        """Why the hub cannot do this, or the empty text where it can."""
        needs = self.row.needs.split(", ")
        return next((self.hub.lacks[need] for need in needs if need in self.hub.lacks), "")


@dataclass
class Results:
    """The outcome of each cell that was run, and the figures of those that measured some."""

    passed: dict[str, bool] = field(default_factory=dict)
    figures: dict[str, list[str]] = field(default_factory=dict)

    def add(self, cell: str, passed: bool, figures: Sequence[str] = ()) -> None:
        """Note an outcome under the name of its cell; one that failed once stays failed."""
        self.passed[cell] = passed and self.passed.get(cell, True)
        if figures:
            self.figures[cell] = list(figures)

    def is_complete(self, cells: Sequence[Cell]) -> bool:
        """True when each of the cells was run."""
        return all(cell.name in self.passed for cell in cells)


ROWS: list[Behaviour] = []
COMMAND_LINE = "command line"
FLEET = "many clients in one process"
OUTBOX = "while the hub is away"
README = "as programs of the reference client call it"
README_COMMANDS = "programs and command lines of the reference client"
HTTP = "over HTTP"
ASYNC_HTTP = "over HTTP, with asyncio"
MQTT = "over MQTT"
#: Areas whose rows bring their own kind of client.
PER_HUB = frozenset({COMMAND_LINE, FLEET, OUTBOX, README_COMMANDS})
#: Areas whose rows say themselves how a client reaches its hub.
_BY_THEMSELVES = frozenset({FLEET, OUTBOX, README, README_COMMANDS, HTTP, ASYNC_HTTP})


def behaviour(
    text: str, area: str, options: HubOptions = DEFAULTS, needs: str = ""
) -> Callable[[Check], Check]:
    """Register a check as a row. Rows of the areas in `PER_HUB` have one column per hub."""

    def register(check: Check) -> Check:
        ROWS.append(Behaviour(text, area, check, options, needs, uses_client=area not in PER_HUB))
        return check

    return register


def cells(row: Behaviour, hubs: Sequence[HubSpec] = COLUMNS) -> Iterator[Cell]:
    """The cells of a row, by hub and then by client. A row that says how to reach a hub has none for another way."""
    for hub in hubs:
        if (row.area in _BY_THEMSELVES) if hub.scheme == "mqtt" else (row.area == MQTT):
            continue
        for client in CLIENTS if row.uses_client else CLIENTS[:1]:
            yield Cell(row, hub, client)


def runnable_cells() -> list[Cell]:
    """Every cell whose hub has what the row needs, hubs of equal options one after the other."""
    found = [cell for row in ROWS for cell in cells(row) if not cell.missing]
    return sorted(found, key=lambda cell: (cell.hub.version, repr(cell.row.options)))


def to_markdown(results: Results, rows: Sequence[Behaviour] = ROWS, hubs: Sequence[HubSpec] = COLUMNS) -> str:
    """The page; equal results give equal text."""
    notes: list[str] = []
    parts = [_HEAD]
    for area in dict.fromkeys(row.area for row in rows):
        parts.append(_area(area, [row for row in rows if row.area == area], hubs, results, notes))
    if notes:
        parts.append("\n".join(f"{number}. {note}" for number, note in enumerate(notes, 1)) + "\n")
    return "\n".join(parts)


def _area(
    area: str, rows: Sequence[Behaviour], hubs: Sequence[HubSpec], results: Results, notes: list[str]
) -> str:
    columns = [_heading(cell) for cell in cells(rows[0], hubs)]
    lines = [
        f"## {area[0].upper()}{area[1:]}\n",
        "| " + " | ".join(["behaviour", *columns]) + " |",
        "|---|" + ":-:|" * len(columns),
    ]
    for row in rows:
        marks = [_mark(cell, results, notes) for cell in cells(row, hubs)]
        lines.append("| " + " | ".join([row.text, *marks]) + " |")
    return "\n".join(lines) + "\n"


def _heading(cell: Cell) -> str:
    return f"{cell.hub.version} {cell.client}" if cell.row.uses_client else cell.hub.version


def _mark(cell: Cell, results: Results, notes: list[str]) -> str:
    if cell.missing:
        note = f"{cell.hub.name}: {cell.missing}"
        if note not in notes:
            notes.append(note)
        return f"— ({notes.index(note) + 1})"
    return "✓" if results.passed.get(cell.name) else "✗"
