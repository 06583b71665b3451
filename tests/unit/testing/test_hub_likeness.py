"""An embedded hub that is like a real one does what the rows of tests/interop found that one to do."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from hivemind_core_client.config import identity as identity_module
from tests.interop import rows_binary, rows_client, rows_intercom, rows_mesh, rows_noise, rows_query
from tests.interop.hubs import RealHub
from tests.interop.rows_binary import BINARY
from tests.interop.rows_client import CONNECTING, MESSAGES, REFUSALS
from tests.interop.rows_intercom import INTERCOM
from tests.interop.rows_mesh import MESH
from tests.interop.rows_noise import NOISE
from tests.interop.rows_query import ASKING
from tests.interop.specs import HUBS, HubSpec
from tests.interop.table import ROWS, Behaviour, Cell
from tests.unit.embedded_rows import LikeReal, neighbour_of, rsa_keys

#: The areas whose rows are run. The others are about the command, files that a plugin of the hub sends back, HTTP, and
#: a fleet whose way back takes minutes.
AREAS = (CONNECTING, REFUSALS, MESSAGES, MESH, ASKING, INTERCOM, NOISE)
_OVOS = "several have to answer on the hub's own OVOS bus, and the embedded hub has none"
_PLUGIN = "a plugin of the hub has to send them back"
_NO_HUB = "no hub takes part in it"
#: Rows of these areas that are not run, and why.
LEFT_OUT = {
    "a collect-call of OVOS brings the responses of all who answer": _OVOS,
    "10000 messages each way from 8 threads: none lost, none twice, in one session": _OVOS,
    "10000 BINARY messages each way from 8 threads: complete, and each thread's in order": _PLUGIN,
    "to the hub: it verifies, opens and acts": "the embedded hub does not open INTERCOM for itself",
    "with the reference client, both ways": "it needs an environment of its own",
    "a plugin that pip has built and installed does so": "likewise; tests/packages has it with the embedded hub",
    "wrong port: HubUnreachable": _NO_HUB,
    "a port that accepts and stays silent: HubTimeout within its deadline": _NO_HUB,
    "a port that upgrades and stays silent: HubTimeout within its deadline": _NO_HUB,
}
#: Python 3.9 speaks no version 3.
SPECS = [spec for spec in HUBS if sys.version_info >= (3, 10) or 3 not in spec.versions]
TAKEN = [row for row in ROWS if row.area in AREAS]


def _cells() -> list[Any]:
    cells = [Cell(row, spec, "sync") for row in TAKEN if row.text not in LEFT_OUT for spec in SPECS]
    return [
        pytest.param(cell, id=f"{cell.hub.version}-{cell.row.text}") for cell in cells if not cell.missing
    ]


@pytest.fixture(autouse=True)
def _quick_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """RSA keys are made once for all tests, another for each satellite of a test."""
    owners = itertools.count(1)
    monkeypatch.setattr(identity_module, "generate_rsa_key", lambda: rsa_keys(next(owners)))


@pytest.fixture
def like_real(cell: Cell) -> Iterator[LikeReal]:
    hub = _started(cell.hub, cell.row)
    yield hub
    hub.stop()


def _started(spec: HubSpec, row: Behaviour) -> LikeReal:
    options = row.options.known_to(spec)
    upper = LikeReal(spec, options.upper).start() if options.upper is not None else None
    return LikeReal(spec, options, upper).start()


@pytest.mark.parametrize("cell", _cells())
def test_the_hub_is_like_the_real_one(
    cell: Cell, like_real: LikeReal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    satellite = neighbour_of(like_real, tmp_path, cell.client)
    for name, value in satellite.env.items():
        if name.startswith("XDG_"):
            monkeypatch.setenv(name, value)
    try:
        cell.row.check(cast(RealHub, like_real), satellite)
    finally:
        satellite.close()


def test_what_is_left_out_is_there() -> None:
    assert set(LEFT_OUT) <= {row.text for row in TAKEN}
    assert {row.area for row in ROWS if row.check.__module__ in _MODULES} - set(AREAS) == {BINARY}


_MODULES = {
    module.__name__ for module in (rows_binary, rows_client, rows_intercom, rows_mesh, rows_noise, rows_query)
}
