"""What a package adds to the protocol: a message type, and a kind of handshake. Both ends have the package."""

from __future__ import annotations

import pytest

from tests.packages.building import SHELLS, Environment


@pytest.mark.parametrize("shell", SHELLS)
def test_a_message_type_goes_from_one_client_to_another(environment: Environment, shell: str) -> None:
    facts = environment.program("forecast", shell)
    assert sorted(facts["told"]) == [["hive", {"sky": "clear"}], ["ovos", {"sky": "clear"}]]
    assert facts["hub"] == [{"sky": "grey"}]


@pytest.mark.parametrize("shell", SHELLS)
def test_a_handshake_of_a_package_makes_a_session(environment: Environment, shell: str) -> None:
    met = environment.program("meeting", shell, "token_handshake")
    assert (met["kind"], met["version"], met["cipher"]) == ("token", 1, "AES-GCM")
    assert met["heard"][0][0] == "speak"
    assert met["states"]["token_handshake"] == ["loaded", ""]
