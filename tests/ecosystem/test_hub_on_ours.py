"""Each row of docs/interop.md for the newest hub, at that hub with this client in the place of the reference client."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.interop.hubs import HubPool, RealHub
from tests.interop.rows_binary import FILES
from tests.interop.running import run
from tests.interop.satellite import Satellite, known_satellite
from tests.interop.table import CLIENTS, Cell

from .environments import OURS, REFERENCE, environment
from .hub_on_ours import ON_OURS, cells_on_ours
from .rows_text import TERMINAL, hivemind_cli
from .running import UTTERANCE, Run, wait_for_text

#: With the installation of the hub.
_SECONDS = 1000
#: Rows of `make smoke`, with the client for threads.
_SMOKE = (
    "utterance answered by speak",
    "QUERY that only the hub above can answer",
    "with the reference client, both ways",
)


def _parameters() -> list[Any]:
    return [pytest.param(cell, marks=_marks(cell)) for cell in cells_on_ours()]


def _marks(cell: Cell) -> list[pytest.MarkDecorator]:
    marks = [pytest.mark.timeout(_SECONDS)]
    is_smoke = cell.row.text in _SMOKE and cell.client == CLIENTS[0]
    return [*marks, pytest.mark.smoke] if is_smoke else marks


@pytest.fixture
def hub(cell: Cell, hubs: HubPool) -> RealHub:
    """The hub of the cell, on our code."""
    return hubs.get(cell.hub, cell.row.options)


@pytest.fixture
def satellite(
    cell: Cell, hub: RealHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Satellite]:
    """A satellite that nobody else uses, known to the hub."""
    with known_satellite(hub, tmp_path, cell.client, monkeypatch) as node:
        yield node


@pytest.mark.parametrize("cell", _parameters(), ids=lambda cell: cell.name)
def test_behaviour(cell: Cell, hub: RealHub, satellite: Satellite) -> None:
    """The hub and the client do together what the row says."""
    run(cell, hub, satellite)


@pytest.mark.timeout(_SECONDS)
@pytest.mark.parametrize("side", [pytest.param(REFERENCE, marks=pytest.mark.smoke), OURS])
def test_it_serves_satellites_with_either_client(side: str, hubs: HubPool, tmp_path: Path) -> None:
    """One script, by the reference client's names: speech, long messages, questions, floods, coming again, refusal."""
    hub = hubs.get(ON_OURS, FILES)
    satellite = Run(hub, tmp_path, environment(TERMINAL, side), side, f"served-{side}")
    try:
        for msg_type in (UTTERANCE, "speak:synth"):
            hub.allow_msg(msg_type, satellite.node_id)
        script = satellite.client_script("served")
        wait_for_text(script, "all done")
        assert script.log().count("came again") == 2 and "refused" in script.log()
    finally:
        satellite.stop()


@pytest.mark.timeout(_SECONDS)
@pytest.mark.parametrize("side", [REFERENCE, OURS])
def test_it_serves_a_program_with_either_client(side: str, hubs: HubPool, tmp_path: Path) -> None:
    """hivemind-cli is answered there too, as in its own row."""
    hub = hubs.get(ON_OURS, FILES)
    satellite = Run(hub, tmp_path, environment(TERMINAL, side), side, f"terminal-{side}")
    try:
        hub.allow_msg(UTTERANCE, satellite.node_id)
        hivemind_cli(hub, satellite)
    finally:
        satellite.stop()
