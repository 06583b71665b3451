"""Handlers of several packages on one message type: wrappers, a replacement, and two that want the same."""

from __future__ import annotations

import json
import re

import pytest

from tests.packages.building import SHELLS, Environment


@pytest.mark.parametrize("shell", SHELLS)
def test_wrappers_stand_around_a_replacement_in_the_documented_order(
    environment: Environment, shell: str
) -> None:
    """The one with `tryfirst` is the outermost, and then names decide: for what arrives and for what is sent."""
    met = environment.program("meeting", shell, "wrap_beta", "own_bus", "wrap_zeta", "wrap_alpha")
    order = ["zeta", "alpha", "beta"]
    (asked,) = met["asked"]
    assert asked == {"utterances": ["good morning"], "seen": order}
    ((kind, answer),) = (heard for heard in met["heard"] if "utterance" in heard[1])
    assert (kind, answer["seen"], answer["utterance"]) == ("replaced", order, "you said: good morning")
    assert {met["states"][name][0] for name in ("wrap_alpha", "wrap_beta", "wrap_zeta", "own_bus")} == {
        "loaded"
    }
    assert met["logged"] == []


def test_the_command_shows_the_chain_in_that_order(environment: Environment) -> None:
    chosen = {"HIVEMIND_CLIENT_PLUGINS": "own_bus,wrap_alpha,wrap_beta,wrap_zeta"}
    shown = environment.command("plugins", "--chain", "bus", **chosen)
    assert re.findall("wrap_[a-z]+|own_bus", shown) == ["wrap_zeta", "wrap_alpha", "wrap_beta", "own_bus"]


@pytest.mark.parametrize("shell", SHELLS)
def test_two_door_bells_are_said_to_collide(environment: Environment, shell: str) -> None:
    met = environment.program("meeting", shell, "bell_a", "bell_b")
    assert ["door.bell", {"by": "bell_a"}] in met["heard"] and "bell_b" not in json.dumps(met["heard"])
    (used, used_why), (unused, unused_why) = (met["states"][name] for name in ("bell_a", "bell_b"))
    assert used == unused == "conflict"
    assert "bell_b" in used_why and "bell_a" in unused_why
    warnings = [line for line in met["logged"] if "3rdparty" in line]
    assert len(warnings) == 1 and warnings[0].startswith("WARNING")
    assert "bell_a" in warnings[0] and "bell_b" in warnings[0]


def test_the_command_shows_both_door_bells(environment: Environment) -> None:
    listed = json.loads(environment.command("plugins", "--json", HIVEMIND_CLIENT_PLUGINS="bell_a,bell_b"))
    states = {row["name"]: row["state"] for row in listed["plugins"]}
    assert states["bell_a"] == states["bell_b"] == "conflict"


def test_a_plugin_that_needs_a_newer_contract_is_left_out(environment: Environment) -> None:
    met = environment.program("meeting", "threads", "newer", "own_bus")
    state, reason = met["states"]["newer"]
    assert state == "incompatible" and "of the plugin contract" in reason
    assert met["states"]["own_bus"][0] == "loaded" and met["heard"][0][0] == "replaced"
