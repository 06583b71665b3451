"""docs/architecture.md says what the code does."""

from __future__ import annotations

import re

import attrs
import pytest

from hivemind_core_client.kernel.lifecycle import CLIENT_TRANSITIONS, ClientState, LifecycleSignal, Step
from hivemind_core_client.kernel.policy import Backoff, Deadlines, Limits
from hivemind_core_client.kernel.states import PHASES, TRANSITIONS, Signal, State
from tests.unit.floors import FLOORS

from .documents import ROOT, page

PACKAGE = ROOT / "hivemind_core_client"
ARCHITECTURE = page("docs/architecture.md")


def _state_table() -> str:
    lines = ["| in the state | " + " | ".join(signal.name for signal in Signal) + " | waits for |"]
    lines.append("|---|" + "---|" * (len(Signal) + 1))
    for state in State:
        nexts = [TRANSITIONS.get((state, signal)) for signal in Signal]
        cells = [next_state.name if next_state else "·" for next_state in nexts]
        lines.append("| " + " | ".join([state.name, *cells, PHASES.get(state, "")]).rstrip() + " |")
    return "\n".join(lines)


def _table_of_floors() -> list[set[str]]:
    """The folders of each row of the table of floors, the ground floor first; the root is an empty text."""
    table = ARCHITECTURE.partition("## The floors")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| \d+ \|([^|]*)\|.*$", table, re.MULTILINE)
    return [set(re.findall(r"`(\w*)/`", row)) or {""} for row in reversed(rows)]


def test_the_table_of_states_is_that_of_the_code() -> None:
    assert _state_table() in ARCHITECTURE


def test_every_signal_is_explained() -> None:
    for signal in Signal:
        assert f"- {signal.name}: {signal.value}" in ARCHITECTURE


def test_the_table_of_floors_is_that_of_the_test() -> None:
    assert _table_of_floors() == [set(floor) for floor in FLOORS]


@pytest.mark.parametrize("kind", [Deadlines, Limits, Backoff])
def test_every_number_is_given_with_its_default(kind: type) -> None:
    for field in attrs.fields(kind):
        if isinstance(field.default, (int, float)):
            value = f"{field.default / 2**20:g} MiB" if kind is Limits else f"{field.default:g} s"
            assert f"| `{kind.__name__}.{field.name}` | {value} |" in ARCHITECTURE


@pytest.mark.parametrize("state", list(ClientState))
def test_every_state_of_the_client_is_explained(state: ClientState) -> None:
    assert f"| `{state.name}` |" in ARCHITECTURE


def test_every_rule_of_the_package_folders_is_told() -> None:
    folders = {path.parent.name for path in PACKAGE.rglob("*.py") if path.parent != PACKAGE}
    for folder in folders:
        assert f"{folder}/" in ARCHITECTURE


def _client_table() -> str:
    lines = ["| in the state | " + " | ".join(signal.name for signal in LifecycleSignal) + " |"]
    lines.append("|---|" + "---|" * len(LifecycleSignal))
    for state in ClientState:
        nexts = [CLIENT_TRANSITIONS.get((state, signal)) for signal in LifecycleSignal]
        lines.append("| " + " | ".join([state.name, *[one.name if one else "·" for one in nexts]]) + " |")
    return "\n".join(lines)


def test_the_table_of_the_lifecycle_is_that_of_the_code() -> None:
    assert _client_table() in ARCHITECTURE


@pytest.mark.parametrize("said", [*LifecycleSignal, *Step])
def test_every_signal_and_step_of_the_lifecycle_is_explained(said: LifecycleSignal | Step) -> None:
    assert f"{said.name}: {said.value}" in ARCHITECTURE


@pytest.mark.parametrize("name", ["docs/architecture.md", "docs/where-does-my-line-go.md"])
def test_every_file_that_is_named_is_there(name: str) -> None:
    """Paths such as `kernel/link.py`, from the package or from the repository."""
    named = set(re.findall(r"`([\w/.-]+/[\w.-]*)`", page(name)))
    assert (
        named and [path for path in named if not any((top / path).exists() for top in (PACKAGE, ROOT))] == []
    )
