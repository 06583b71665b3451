"""tools/house counts what it says it counts, and the figures of this house hold."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]


def _loaded() -> Any:
    loader = importlib.machinery.SourceFileLoader("house", str(ROOT / "tools" / "house"))
    spec = importlib.util.spec_from_loader("house", loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["house"] = module  # dataclasses look their module up
    loader.exec_module(module)
    return module


house = _loaded()
PACKAGE = house.PACKAGE


def tree(folder: Path, files: dict[str, str]) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    return folder


def test_the_figures_of_this_house_hold() -> None:
    fallen = [figure for figure in house.figures(ROOT) if not figure.holds]
    assert not fallen, "\n".join(map(str, fallen))


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import pkg.a.b, os", {"a.b"}),
        ("from pkg.a import b", {"a.b"}),
        ("from pkg.a.b import something", {"a.b"}),
        ("from pkg import a, something", {"a", ""}),
        ("from . import b", {"a.b"}),
        ("from .b import something", {"a.b"}),
        ("from .. import c", {"c"}),
        ("from ..a.b import something", {"a.b"}),
        ("def f():\n    import pkg.c", {"c"}),
        ("if TYPE_CHECKING:\n    import pkg.c\nelse:\n    import pkg.a.b", {"a.b"}),
        ("if typing.TYPE_CHECKING:\n    import pkg.c", set()),
        ("try:\n    import pkg.c\nexcept ImportError:\n    pass", {"c"}),
        ("import pkgs.c", set()),
        ("from pkg.a import here", set()),
    ],
)
def test_imports_are_read_from_the_source(tmp_path: Path, source: str, found: set[str]) -> None:
    files = {"__init__.py": "", "c.py": "", "a/__init__.py": "", "a/b.py": "", "a/here.py": source}
    assert house.import_graph(tree(tmp_path, files), "pkg")["a.here"] == found


def test_the_longest_chain_is_found() -> None:
    edges = {"top": {"left", "right"}, "left": {"down"}, "down": {"ground"}, "right": set(), "ground": set()}
    assert house.longest_chain(edges) == ["top", "left", "down", "ground"]
    assert house.cycles(edges) == []


def test_a_cycle_is_shown_whole() -> None:
    assert house.cycles({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == [["b", "c", "b"]]


def test_what_does_not_hold_is_marked_and_explained() -> None:
    figure = house.Figure("doors", 3, 2, " %", "front and back", ("one", "two"))
    assert str(figure) == "✗ doors: 3 %, at most 2 (front and back)\n      one\n      two"
    assert not figure.holds
    assert str(house.Figure("windows", 3)) == "  windows: 3"


def test_lines_of_code_leave_out_what_says_nothing(tmp_path: Path) -> None:
    source = '"""Text\nof two lines."""\n\nimport a\nfrom b import (\n    c,\n)\n# why\nx = [\n    c,\n]\n'
    path = tree(tmp_path, {"a.py": source}) / "a.py"
    assert house.code_lines(path) == ["x = [", "    c,"]


def test_repetition_is_found_behind_async_and_await(tmp_path: Path) -> None:
    files = {
        "sync/verbs.py": "class Verbs:\n    def send_message(self):\n        return self.worker.send()\n",
        "testing/fake.py": "something_else = 1\n",
        "aio/verbs.py": "class AsyncVerbs:\n    async def send_message(self):\n"
        "        return await self.worker.send()\n        only_of_this_side = 1\n        x = 1\n",
        "testing/async_fake.py": "something_else = 1\n",
    }
    figure = house.repetition(tree(tmp_path, files))
    assert figure.note == "4 of 5 lines"
    assert figure.value == 80
    assert figure.details == ("aio/verbs.py: 3 of 4", "testing/async_fake.py: 1 of 1")


def test_generated_files_repeat_nothing(tmp_path: Path) -> None:
    files = {
        "sync/verbs.py": f"# {house.GENERATED} from aio/verbs.py\ndef send_message(self): ...\n",
        "aio/verbs.py": "async def send_message(self): ...\n",
    }
    assert house.repetition(tree(tmp_path, files)).note == "0 of 1 lines"
    assert house.size_of(tmp_path, ["sync", "aio"]) == 1


@pytest.mark.parametrize(
    "line",
    [
        "client._worker.close()",
        "client._worker = None",
        "self.client._worker",
        f"from {PACKAGE}.kernel.link import _shown",
        'monkeypatch.setattr(client, "_worker", None)',
        f'monkeypatch.setattr("{PACKAGE}.kernel.link._shown", None)',
        f'mock.patch("{PACKAGE}.kernel.link._shown")',
        'getattr(client, "_worker")',
    ],
)
def test_private_names_are_found(line: str) -> None:
    assert house.private_lines(f"x = 1\n{line}\n") == [2]


@pytest.mark.parametrize(
    "line",
    [
        "self._worker.close()",
        "cls._made = 1",
        "super()._worker()",
        "client.__dict__",
        "point._replace(x=1)",
        "import os; os._exit(1)",
        "from .support import _helper",
        "from ctypes import _Pointer",
        'hasattr(self, "_worker")',
        'print("_worker", "a._worker")',
        'monkeypatch.setattr(client, "worker", "x")',
    ],
)
def test_what_is_public_or_their_own_is_let_be(line: str) -> None:
    assert house.private_lines(line) == []


def test_a_claim_of_the_readme_is_compared(tmp_path: Path) -> None:
    files = {
        "README.md": "`kernel/` has 1,000 lines\n`aio/` and `sync/` have 3 lines\n`other/` has 1 lines\n3 lines\n",
        f"{PACKAGE}/kernel/a.py": "x = 1\n",
        f"{PACKAGE}/aio/a.py": "x = 1\ny = 2\n",
        f"{PACKAGE}/sync/a.py": "x = 1\ny = 2\n",
    }
    kernel, shells = house.readme_claims(tree(tmp_path, files))
    assert (kernel.value, kernel.bound, kernel.holds) == (1, 1000, True)
    assert (shells.value, shells.bound, shells.holds) == (4, 3, False)


@pytest.mark.parametrize(("lines", "holds"), [(200, True), (201, False)])
def test_the_readme_has_its_length(tmp_path: Path, lines: int, holds: bool) -> None:
    figure = house.readme_lines(tree(tmp_path, {"README.md": "A line.\n" * lines}))
    assert (figure.value, figure.holds) == (lines, holds)


def test_classes_are_read_by_a_fresh_interpreter(tmp_path: Path) -> None:
    source = "class A: pass\nclass B(A): pass\n" + "\n".join(f"{name} = B" for name in house.CLIENTS)
    tree(tmp_path, {f"{PACKAGE}/__init__.py": source})
    assert house.longest_mro(tmp_path).value == 3


def test_a_client_that_is_not_there_is_a_fault(tmp_path: Path) -> None:
    tree(tmp_path, {f"{PACKAGE}/__init__.py": ""})
    figure = house.longest_mro(tmp_path)
    assert not figure.holds
    assert "HiveMessageBusClient" in figure.note


def test_the_command_ends_with_1_where_a_figure_does_not_hold(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = "class A: pass\n" + "\n".join(f"{name} = A" for name in house.CLIENTS)
    files = {
        "README.md": "",
        f"{PACKAGE}/__init__.py": source,
        f"{PACKAGE}/long.py": "x = 1\n" * 400,
        "plugins/p/src/plug/__init__.py": "",
        "plugins/p/src/plug/a.py": "from . import b\n",
        "plugins/p/src/plug/b.py": "def f():\n    from . import c\n",
        "plugins/p/src/plug/c.py": "",
        "plugins/p/tests/test_a.py": "x._y\n",
    }
    assert house.main([str(tree(tmp_path, files))]) == 0
    assert capsys.readouterr().out.endswith("all figures hold\n")
    files = {
        f"{PACKAGE}/long.py": "x = 1\n" * 401,
        "plugins/p/src/plug/c.py": "from .a import x\n",
        "tests/test_b.py": "x._y\n" * 20,
    }
    assert house.main([str(tree(tmp_path, files))]) == 1
    assert capsys.readouterr().out.endswith(
        "do not hold: import cycles in plug; lines of the largest module; "
        "lines of tests that touch private names\n"
    )
