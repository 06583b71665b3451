"""The last soak as a section of docs/interop.md, which other writers of that page keep."""

from __future__ import annotations

from pathlib import Path

from .books import Figures
from .running import Outcome

PAGE = Path(__file__).resolve().parents[2] / "docs" / "interop.md"
_HEADING = "## Soak\n"
_HEAD = """\
## Soak

`make soak` lets clients of every kind talk with every hub while the hubs are killed and stopped, and the network before
them is cut off, held up and slowed. It counts what the clients were told and what arrived, and writes this section.
"""
_GROWTH = """\
- The process of the clients grew by {:+.1f} MiB, {:+.1f} threads and {:+.1f} descriptors, by a straight line through \
{} samples."""
_WITH_HUB = """\
- Down with the hub is what a hub had read when it was killed, or lost its own OVOS bus, and had not passed on."""
_COLUMNS = ("sent", "delivered", "raised", "in doubt", "down with the hub", "lost", "twice")


def section(outcome: Outcome) -> str:
    """The section; equal outcomes give equal text."""
    minutes = outcome.seconds / 60
    lines = [
        _HEAD,
        f"The last one ran for {minutes:.0f} minutes.\n",
        "| hub | client | " + " | ".join(_COLUMNS) + " |",
        "|---|---|" + "--:|" * len(_COLUMNS),
    ]
    for hub, kinds in outcome.figures.items():
        lines += [f"| {hub} | {kind} | {_cells(figures)} |" for kind, figures in kinds.items()]
    lines += ["", *(_troubles(hub, counts) for hub, counts in outcome.troubles.items())]
    grown = (outcome.memory_growth, outcome.thread_growth, outcome.descriptor_growth)
    lines += [_GROWTH.format(*grown, len(outcome.samples)), _WITH_HUB]
    if not outcome.told:
        lines.append("- In doubt is what left within 30 s before the end of its connection.")
    return "\n".join(lines) + "\n"


def _cells(figures: Figures) -> str:
    told = (figures.sent, figures.delivered, figures.raised, figures.in_doubt, figures.with_hub)
    return " | ".join(f"{value:,}" for value in (*told, figures.lost, figures.twice))


def _troubles(hub: str, counts: dict[str, int]) -> str:
    listed = ", ".join(f"{name} {count} times" for name, count in sorted(counts.items()))
    return f"- {hub} was {listed}." if listed else f"- {hub} had no trouble."


def soak_of(page: str) -> str:
    """The section of a page, or the empty text."""
    _, heading, after = page.partition(_HEADING)
    return f"{heading}{after}" if heading else ""


def with_soak(page: str, text: str) -> str:
    """The page with this section at its end, instead of the one that it has."""
    kept = page.partition(_HEADING)[0].rstrip("\n")
    return f"{kept}\n\n{text}" if text else f"{kept}\n"
