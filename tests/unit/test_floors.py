"""The house has floors: imports go down only, and the kernel touches neither sockets nor clocks.

Read from the source of every module, imports inside functions included. Left out is what stands under `if
TYPE_CHECKING:`, since it never runs, and the edge from a module to the `__init__` of the packages it lies in:
Python runs that too, but the root one is the public face, which reaches the upper floors only inside
functions and only when a name is asked for.
"""

from __future__ import annotations

import ast
import functools
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import hivemind_core_client
from tests.unit.floors import FLOORS, LONGEST_CHAIN

ROOT = Path(hivemind_core_client.__file__).parent
PACKAGE = "hivemind_core_client"

#: What no module of the kernel may reach.
OUTSIDE = {
    "socket",
    "ssl",
    "threading",
    "asyncio",
    "time",
    "select",
    "selectors",
    "subprocess",
    "websocket",
    "websockets",
    "aiohappyeyeballs",
    "ovos_bus_client",
}


def name_of(path: Path) -> str:
    """`kernel.link` for a file of that module, an empty text for the root package."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(path): path for path in sorted(ROOT.rglob("*.py"))}


def running(tree: ast.AST) -> Iterator[ast.AST]:
    """Every node that can run: not what is for the type checker alone."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            for other in node.orelse:
                yield other
                yield from running(other)
            continue
        yield node
        yield from running(node)


def imports_of(source: str, package: str) -> set[str]:
    """Full names of what this source imports: modules, and where a module is imported from a package, that module."""
    found: set[str] = set()
    for node in running(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            parts = package.split(".")
            base = ".".join(parts[: len(parts) - node.level + 1]) if node.level else ""
            start = ".".join(part for part in (base, node.module) if part)
            found |= {submodule(f"{start}.{alias.name}") or start for alias in node.names}
    return found


def submodule(full: str) -> str:
    """`full` if it is a module of ours, else nothing."""
    head, _, rest = full.partition(".")
    return full if head == PACKAGE and rest in MODULES else ""


@functools.lru_cache(maxsize=1)
def graph() -> dict[str, tuple[set[str], set[str]]]:
    """For each module of ours: which of ours it imports, and which others (by their first name)."""
    edges = {}
    for name, path in MODULES.items():
        package = ".".join([PACKAGE, *path.relative_to(ROOT).parent.parts])
        found = imports_of(path.read_text(encoding="utf-8"), package)
        ours = {full[len(PACKAGE) + 1 :] for full in found if full.split(".")[0] == PACKAGE}
        edges[name] = (ours - {name}, {full.split(".")[0] for full in found} - {PACKAGE})
    return edges


KERNEL = [name for name in MODULES if name.split(".")[0] == "kernel"]


def folder_of(name: str) -> str:
    """The folder of a module; an empty text for the modules of the root."""
    return name.split(".")[0] if (ROOT / name.split(".")[0]).is_dir() else ""


def floor_of(name: str) -> int:
    """The number of the floor that a module stands on, 0 on the ground."""
    return next(number for number, floor in enumerate(FLOORS) if folder_of(name) in floor)


def longest_chain(name: str, known: dict[str, list[str]]) -> list[str]:
    """The longest way of imports down from a module."""
    if name not in known:
        known[name] = []  # a module that reaches itself ends the way; another test finds it
        known[name] = [
            name,
            *max((longest_chain(below, known) for below in graph()[name][0]), key=len, default=[]),
        ]
    return known[name]


def reach(name: str) -> dict[str, tuple[str, ...]]:
    """Every module of ours that `name` reaches, with the way there."""
    ways: dict[str, tuple[str, ...]] = {name: (name,)}
    waiting = [name]
    while waiting:
        here = waiting.pop()
        for further in graph()[here][0] - set(ways):
            ways[further] = (*ways[here], further)
            waiting.append(further)
    return ways


def test_the_graph_is_the_one_of_the_source() -> None:
    assert "kernel.handshake.password" in graph()["kernel.handshake.kinds"][0]
    assert "poorman_handshake" in graph()["kernel.handshake.rsa"][1]  # within a function
    assert "plugins.hookspecs" in graph()["plugins.finding"][0]  # a module out of its package
    assert (
        "client" not in graph()[""][0] and "ovos_bus_client" in graph()["wire.ovos"][1]
    )  # for type checkers only, and within a function
    assert len(KERNEL) > 8


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import a.b, c", {"a.b", "c"}),
        ("from a.b import c", {"a.b"}),
        ("def f():\n    import a", {"a"}),
        ("try:\n    import a\nexcept ImportError:\n    import b", {"a", "b"}),
        ("if TYPE_CHECKING:\n    import a\nelse:\n    import b", {"b"}),
        ("if typing.TYPE_CHECKING:\n    import a", set()),
        ("from . import link", {f"{PACKAGE}.kernel.link"}),
        ("from .link import Link", {f"{PACKAGE}.kernel.link"}),
        ("from .. import client", {f"{PACKAGE}.client"}),
        (f"from {PACKAGE} import client, HiveMessage", {f"{PACKAGE}.client", PACKAGE}),
    ],
)
def test_imports_are_found(source: str, found: set[str]) -> None:
    assert imports_of(source, f"{PACKAGE}.kernel") == found


def test_every_folder_has_one_floor() -> None:
    folders = [folder for floor in FLOORS for folder in floor]
    assert sorted(folders) == sorted({folder_of(name) for name in MODULES})


@pytest.mark.parametrize("name", MODULES)
def test_imports_go_down_only(name: str) -> None:
    for imported in graph()[name][0]:
        same = folder_of(imported) == folder_of(name)
        assert same or floor_of(imported) < floor_of(name), (
            f"{name} imports {imported}, which is no floor below"
        )


def test_chains_of_imports_are_short() -> None:
    known: dict[str, list[str]] = {}
    longest = max((longest_chain(name, known) for name in MODULES), key=len)
    assert len(longest) <= LONGEST_CHAIN, " → ".join(longest)


def test_few_modules_stand_in_the_root() -> None:
    assert len([name for name in MODULES if folder_of(name) == ""]) <= 16


def test_no_module_reaches_itself() -> None:
    circles = [name for name in MODULES for imported in graph()[name][0] if name in reach(imported)]
    assert circles == []


@pytest.mark.parametrize("name", KERNEL)
def test_the_kernel_touches_neither_sockets_nor_threads_nor_clocks(name: str) -> None:
    for reached, way in reach(name).items():
        if reached == "wire.ovos":  # loads OVOS when a Message is asked for, and not before
            continue
        forbidden = graph()[reached][1] & OUTSIDE
        assert not forbidden, f"{' → '.join(way)} imports {', '.join(sorted(forbidden))}"


@pytest.mark.parametrize("name", KERNEL)
def test_the_kernel_does_not_know_the_builtins(name: str) -> None:
    assert not {reached for reached in reach(name) if folder_of(reached) == "builtins"}


@pytest.mark.parametrize("name", [name for name in MODULES if name.startswith("builtins.")])
def test_builtins_stand_on_the_contract_alone_like_any_plugin(name: str) -> None:
    allowed = {"wire.errors", "wire.frame_errors", "wire.json_text", "wire.text", "wire.message"}
    allowed |= {
        "plugins.contract",
        "plugins.hookspecs",
        "plugins.answers",
        "plugins.asking",
        "plugins.wrapping",
    }
    assert graph()[name][0] <= allowed


HEAVY = [
    "ovos_bus_client",
    "Crypto",
    "Cryptodome",
    "cryptography",
    "websocket",
    "websockets",
    "aiohappyeyeballs",
    "urllib3",
    "poorman_handshake",
]


@pytest.mark.parametrize(
    "statement",
    [
        "import hivemind_core_client",
        "import hivemind_core_client.message, hivemind_core_client.errors, hivemind_core_client.identity",
        "from hivemind_core_client import HiveMessage, HiveMessageType, Deadlines, NodeIdentity, HiveMindError",
    ],
)
def test_importing_the_package_is_cheap(statement: str) -> None:
    code = f"import sys; {statement}; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_public_names_come_when_they_are_asked_for() -> None:
    optional = {"AsyncHiveMessageBusClient", "AsyncFakeHiveMessageBus", "HiveMindHTTPClient", "Polling"}
    assert set(dir(hivemind_core_client)) == {*hivemind_core_client.__all__, *optional}
    absent = (
        set() if sys.version_info >= (3, 10) else {"AsyncHiveMessageBusClient", "AsyncFakeHiveMessageBus"}
    )
    for name in set(dir(hivemind_core_client)) - absent:
        assert getattr(hivemind_core_client, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = hivemind_core_client.nonsense


def test_all_names_can_be_imported_without_any_extra() -> None:
    code = "import sys; sys.modules.update(websockets=None, urllib3=None); from hivemind_core_client import *"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=50)
