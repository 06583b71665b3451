"""The table: programs (rows) by the client that they get (columns), and its Markdown form."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from tests.interop.hubs import DEFAULTS, HubOptions, RealHub
from tests.interop.specs import HUBS, HubSpec

from .environments import OURS, REFERENCE, SIDES, EnvironmentSpec
from .running import Run

#: What a row does: it fails by raising.
Check = Callable[[RealHub, Run], None]

NEWEST = "5.3.10a1"
#: For rows that are quick.
TWO_HUBS = ("4.15.0a1", NEWEST)

_HEAD = """\
# Programs of others on this client

Every row is a program that was made for the reference client `hivemind_bus_client`. It runs unchanged, as a process
of its own, against the real `hivemind-core`: once with `compat/` of this repository in the place of the reference
client, and once, as the control, with the reference client 1.2.12a1 itself. What stands outside the hive, such as a
chat server, a microphone or a loudspeaker, is played by a part of the test. `make ecosystem` runs all rows and writes
this page. hivemind-ma-player is not among them: it wants Python 3.12 and Music Assistant.
Your program is not here? Look up the names that it uses in [reference-names.md](reference-names.md), and
[how things differ](migration.md#what-behaves-differently). Then try it: [the way back](migration.md#going-back) is
short.

✓ works · ✗ fails (the note says why)
"""


@dataclass(frozen=True)
class Program:
    """One row: a program, what it is seen to do, where it is installed, and the check that proves it.

    `version` is that of the package index. `hubs` are versions in tests/interop/specs.py. `options` are what the hub
    is started with. `fails` maps a side to the reason why the program does not work there: its check must fail then.
    `smoke` rows are those of `make smoke`, at the newest hub.
    """

    name: str
    version: str
    text: str
    environment: EnvironmentSpec
    check: Check
    hubs: tuple[str, ...] = (NEWEST,)
    options: HubOptions = DEFAULTS
    fails: Mapping[str, str] = field(default_factory=dict)
    smoke: bool = False


@dataclass(frozen=True)
class Trial:
    """One program on one hub with one client."""

    program: Program
    hub: HubSpec
    side: str

    @property
    def name(self) -> str:
        """How a test run names it."""
        program = self.program
        return f"{program.name}-{program.version}-{self.hub.version}-{self.side}: {program.text}"


class Named(Protocol):
    """What has an outcome: a trial, or a cell of the table of tests/interop."""

    @property
    def name(self) -> str:
        """How a test run names it."""


@dataclass
class Results:
    """The outcome of each trial and cell that was run."""

    passed: dict[str, bool] = field(default_factory=dict)

    def add(self, run: Named, passed: bool) -> None:
        """Note an outcome; what failed once stays failed."""
        self.passed[run.name] = passed and self.passed.get(run.name, True)

    def is_complete(self, runs: Sequence[Named]) -> bool:
        """True when all of these were run."""
        return all(run.name in self.passed for run in runs)


PROGRAMS: list[Program] = []


def program(
    name: str,
    version: str,
    text: str,
    environment: EnvironmentSpec,
    *,
    hubs: tuple[str, ...] = (NEWEST,),
    options: HubOptions = DEFAULTS,
    fails: Mapping[str, str] | None = None,
    smoke: bool = False,
) -> Callable[[Check], Check]:
    """Register a check as a row; see Program."""

    def register(check: Check) -> Check:
        row = Program(name, version, text, environment, check, hubs, options, fails or {}, smoke)
        PROGRAMS.append(row)
        return check

    return register


def trials(programs: Sequence[Program]) -> list[Trial]:
    """Every trial, those of one hub and one environment one after the other."""
    known = {hub.version: hub for hub in HUBS}
    found = [Trial(row, known[hub], side) for row in programs for hub in row.hubs for side in SIDES]
    return sorted(found, key=lambda trial: (trial.hub.version, repr(trial.program.options)))


def to_markdown(results: Results, programs: Sequence[Program]) -> str:
    """The page; equal results give equal text."""
    notes: list[str] = []
    lines = [
        "| program | version | what is seen | hub | on this client | on the reference client |",
        "|---|---|---|---|:-:|:-:|",
    ]
    for ours, reference in _pairs(programs):
        row = ours.program
        marks = [_mark(trial, results, notes) for trial in (ours, reference)]
        lines.append("| " + " | ".join([row.name, row.version, row.text, ours.hub.version, *marks]) + " |")
    if notes:
        lines += ["", *(f"{number}. {note}" for number, note in enumerate(notes, 1))]
    return "\n".join([_HEAD, *lines]) + "\n"


def _pairs(programs: Sequence[Program]) -> list[tuple[Trial, Trial]]:
    known = {hub.version: hub for hub in HUBS}
    return [
        (Trial(row, known[hub], OURS), Trial(row, known[hub], REFERENCE))
        for row in programs
        for hub in row.hubs
    ]


def _mark(trial: Trial, results: Results, notes: list[str]) -> str:
    reason = trial.program.fails.get(trial.side)
    if reason is None:
        return "✓" if results.passed.get(trial.name) else "✗"
    if reason not in notes:
        notes.append(reason)
    return f"✗ ({notes.index(reason) + 1})"
