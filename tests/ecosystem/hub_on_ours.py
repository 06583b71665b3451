"""hivemind-core itself with this client in the place of the reference client, for its handshakes and its upstream."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path

from tests.interop import table as interop
from tests.interop.specs import HUBS, Environment

from .environments import OURS, EnvironmentSpec, environment
from .table import NEWEST, Results

_REFERENCE = next(spec for spec in HUBS if spec.version == NEWEST)
_INSTALLED = EnvironmentSpec(
    f"hivemind-core-{NEWEST}",
    tuple(each for each in _REFERENCE.requirements if not each.startswith("hivemind_bus_client")),
)


def _environment() -> Environment:
    return environment(_INSTALLED, OURS)


#: The newest hub on our code. The hub above it is on the reference client.
ON_OURS = replace(
    _REFERENCE, version=f"{NEWEST} on this client", installed=_environment, reference=_REFERENCE
)


_HEAD = f"""
## hivemind-core on this client

hivemind-core {NEWEST} runs with `compat/` in the place of the reference client too: it shakes hands with its
satellites by our Noise, and the hub above it, which is on the reference client, has it as a satellite. Every row of
[interop.md](interop.md) for {NEWEST} is run against such a hub. Satellites on either client run a script there that
speaks, sends long messages, QUERY and PROPAGATE, comes again, and tries a wrong password.
"""


def section(results: Results, cells: Sequence[interop.Cell]) -> str:
    """What the page says of it."""
    failed = [cell for cell in cells if not results.passed.get(cell.name)]
    if not failed:
        return f"{_HEAD}\nAll {len(cells)} of its rows hold.\n"
    lines = "\n".join(f"- {cell.row.text} ({cell.client})" for cell in failed)
    return f"{_HEAD}\n{len(cells) - len(failed)} of its {len(cells)} rows hold. These fail:\n\n{lines}\n"


def cells_on_ours() -> list[interop.Cell]:
    """Every cell that this hub can do, those of equal options one after the other."""
    for path in sorted(Path(interop.__file__).parent.glob("rows_*.py")):
        import_module(f"tests.interop.{path.stem}")  # which fills the table
    found = [cell for row in interop.ROWS for cell in interop.cells(row, [ON_OURS]) if not cell.missing]
    return sorted(found, key=lambda cell: repr(cell.row.options))
