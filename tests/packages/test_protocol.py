"""What a package adds to the protocol. Both ends have it."""

from __future__ import annotations

import pytest

from tests.packages.building import SHELLS, Environment


@pytest.mark.parametrize("shell", SHELLS)
def test_a_message_type_goes_from_one_client_to_another(environment: Environment, shell: str) -> None:
    facts = environment.program("forecast", shell)
    assert sorted(facts["told"]) == [["hive", {"sky": "clear"}], ["ovos", {"sky": "clear"}]]
    assert facts["hub"] == [{"sky": "grey"}]
