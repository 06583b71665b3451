"""In every distribution under plugins/ imports go down only, and not far."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[4]
PACKAGES = sorted(path.parent for path in ROOT.glob("plugins/*/src/*/__init__.py"))
LONGEST_CHAIN = 10


def load_house() -> ModuleType:
    loader = importlib.machinery.SourceFileLoader("house_of_plugins", str(ROOT / "tools" / "house"))
    spec = importlib.util.spec_from_loader(loader.name, loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[loader.name] = module  # dataclasses look their module up
    loader.exec_module(module)
    return module


house = load_house()


@pytest.mark.parametrize("package", PACKAGES, ids=lambda path: path.name)
def test_imports_go_down_only(package: Path) -> None:
    edges = house.import_graph(package, package.name)
    assert len(edges) > 3
    assert house.cycles(edges) == []
    chain = house.longest_chain(edges)
    assert len(chain) <= LONGEST_CHAIN, " → ".join(chain)


def test_what_commands_share_knows_none_of_them() -> None:
    folder = ROOT / "plugins" / "cli" / "src" / "hivemind_client_cli"
    edges = house.import_graph(folder, folder.name)
    assert "commands.trust" in edges["commands.intercom"]
    below = {name: names for name, names in edges.items() if not name.startswith("commands.")}
    assert not [name for name, names in below.items() if any(each.startswith("commands.") for each in names)]
