"""docs/architecture.md says what the code does."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import attrs
import pytest

from hivemind_core_client.course import ClientState
from hivemind_core_client.kernel.policy import Backoff, Deadlines, Limits
from hivemind_core_client.kernel.states import PHASES, TRANSITIONS, Signal, State

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


def _modules() -> list[str]:
    return sorted(str(path.relative_to(PACKAGE)) for path in PACKAGE.rglob("*.py"))


def _table_of_floors() -> list[set[str]]:
    """The module paths of each row of the table of floors, the highest floor first."""
    table = ARCHITECTURE.partition("## The floors")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| \d+ \|.*$", table, re.MULTILINE)
    return [set(re.findall(r"`([\w/]+\.py)`", row)) for row in rows]


def test_the_table_of_states_is_that_of_the_code() -> None:
    assert _state_table() in ARCHITECTURE


def test_every_signal_is_explained() -> None:
    for signal in Signal:
        assert f"- {signal.name}: {signal.value}" in ARCHITECTURE


def test_every_module_stands_on_one_floor() -> None:
    named = [module for floor in _table_of_floors() for module in floor]
    assert sorted(named) == [module for module in _modules() if (PACKAGE / module).stat().st_size > 0]


def _runs_later(node: ast.AST) -> bool:
    """True for what importing the module does not run: functions, and what only type checkers read."""
    if isinstance(node, ast.If):
        return ast.unparse(node.test) == "TYPE_CHECKING"
    return isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))


def _imports(path: Path) -> set[str]:
    """What a file imports as soon as it is imported."""
    found: set[str] = set()
    nodes: list[ast.AST] = [ast.parse(path.read_text(encoding="utf-8"))]
    while nodes:
        node = nodes.pop()
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("hivemind_core_client"):
            found |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module or ""}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif not _runs_later(node):
            nodes.extend(ast.iter_child_nodes(node))
    return found


def _module_file(name: str) -> str | None:
    package, *parts = name.split(".")
    relative = Path(*parts) if package == PACKAGE.name else Path()
    for candidate in (relative.with_suffix(".py") if relative.name else relative, relative / "__init__.py"):
        if candidate.name and (PACKAGE / candidate).is_file():
            return str(candidate)
    return None


@pytest.mark.parametrize("module", _modules())
def test_imports_go_down_only(module: str) -> None:
    floors = {name: number for number, floor in enumerate(_table_of_floors()) for name in floor}
    for name in _imports(PACKAGE / module):
        imported = _module_file(name)
        if imported is not None and imported != "__init__.py":
            assert floors[imported] >= floors[module], f"{module} imports {imported}, which is above it"


@pytest.mark.parametrize("module", [name for name in _modules() if name.startswith("kernel/")])
def test_the_kernel_knows_no_built_in_plugin(module: str) -> None:
    assert not any("builtins" in name for name in _imports(PACKAGE / module))


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
