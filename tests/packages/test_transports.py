"""Transports other than sockets: that of tests, and one that a package brings. Each serves every client."""

from __future__ import annotations

import json
import sys

import pytest

from tests.packages.building import SHELLS, Environment

VERSIONS = [1, 3] if sys.version_info >= (3, 10) else [1]


@pytest.mark.parametrize("shell", SHELLS)
def test_a_hub_in_memory_is_met(environment: Environment, shell: str) -> None:
    met = environment.program("meeting", shell, "own_bus", HUB='{"memory": "kitchen"}')
    assert met["address"] == "memory:kitchen"
    assert met["heard"][0][0] == "replaced"


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("shell", SHELLS)
def test_a_transport_of_a_package_carries_a_session(
    environment: Environment, shell: str, version: int
) -> None:
    """It has a blocking form alone: the asyncio client has it on a thread."""
    versions = json.dumps({"versions": [0 if version == 1 else version, version]})
    met = environment.program("meeting", shell, "hall_transport", HUB=versions)
    assert (met["address"], met["version"]) == ("hall:proof", version)
    assert met["heard"][0][0] == "speak"
    assert met["states"]["hall_transport"] == ["loaded", ""]
    assert len(met["frames"]) >= 3
