"""The built site has what it should, and loads nothing from elsewhere. `make docs` runs this."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

import hivemind_core_client
from tests.docs.documents import ROOT, page

from .built import SITE, Page, pages

#: The pages by which readers of the reference client's documentation look for something.
EXPECTED = {
    "Installation",
    "API Reference",
    "Client API",
    "Async Client",
    "Message Types",
    "Identity & Credentials",
    "Binary Handlers",
    "Serialization",
    "CLI Reference",
    "Examples",
}
API_PAGES = sorted((ROOT / "docs").glob("api-*.md"))
#: But for the root: most of its names are shown with the modules.
MODULES = [
    name
    for path in API_PAGES
    for name in re.findall(r"^::: (\S+)$", path.read_text(), re.MULTILINE)
    if name != "hivemind_core_client"
]


def _public(module: str) -> list[str]:
    loaded = importlib.import_module(module)
    listed = getattr(loaded, "__all__", None) or [
        name
        for name, value in vars(loaded).items()
        if not name.startswith("_") and getattr(value, "__module__", None) == module
    ]
    return [name for name in listed if name != "BinaryDataCallbacks" or module.endswith(".client")]


def test_the_pages_that_people_look_for_are_there_by_their_names() -> None:
    assert {built.title for built in pages().values()} >= EXPECTED
    navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    assert [name for name in EXPECTED if f"- {name}:" not in navigation] == []


@pytest.mark.parametrize("module", MODULES)
def test_every_public_name_has_its_place(module: str) -> None:
    ids = set().union(*(built.ids for built in pages().values()))
    names = _public(module)
    assert names
    assert [name for name in names if f"{module}.{name}" not in ids] == []


@pytest.mark.parametrize("name", sorted({*dir(hivemind_core_client)} - {"__version__"}))
def test_every_name_of_the_root_has_its_place(name: str) -> None:
    ids = set().union(*(built.ids for built in pages().values()))
    assert any(re.fullmatch(rf"hivemind_core_client\.(\w+\.)?{name}", one) for one in ids)


def test_every_public_module_is_shown() -> None:
    shown = {*MODULES, "hivemind_core_client.protocol"}
    package = ROOT / "hivemind_core_client"
    roots = {f"hivemind_core_client.{path.stem}" for path in package.glob("*.py") if path.stem != "__init__"}
    assert roots - shown == set()
    listed = page("docs/api-reference.md")
    assert [module for module in shown if not re.search(rf"`[\w.]*\.?{module.split('.')[-1]}`", listed)] == []


@pytest.mark.parametrize(
    "built", pages().values() if SITE.is_dir() else [], ids=lambda built: built.path.name
)
def test_nothing_is_loaded_from_elsewhere(built: Page) -> None:
    assert [url for url in built.loaded if urlsplit(url).netloc] == []


@pytest.mark.parametrize("path", sorted(SITE.rglob("*.css")), ids=lambda path: path.name)
def test_no_style_loads_from_elsewhere(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert re.findall(r"(?:url\(|@import)\s*['\"]?(?:https?:)?//[^)]*", text) == []


def test_no_page_has_what_the_theme_would_fetch_a_script_for() -> None:
    """The theme loads mermaid from elsewhere where a page has a drawing in it: ours are drawn before."""
    assert [name for name, built in pages().items() if 'class="mermaid"' in built.path.read_text()] == []


@pytest.mark.parametrize("name", pages() if SITE.is_dir() else [])
def test_every_link_of_a_page_leads_somewhere(name: str) -> None:
    built = pages()[name]
    for link in [*built.links, *built.loaded]:
        parts = urlsplit(link)
        if parts.scheme or name == "404.html":
            continue
        target = (built.path.parent / unquote(parts.path)).resolve() if parts.path else built.path
        if target.is_dir():
            target /= "index.html"
        assert target.is_file(), link
        anchor = unquote(parts.fragment)
        if anchor and target.suffix == ".html":
            assert anchor in pages()[target.relative_to(SITE).as_posix()].ids, link
