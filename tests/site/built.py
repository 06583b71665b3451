"""The docs site as `make docs` has built it."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from html.parser import HTMLParser
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SITE = ROOT / "site"


@dataclass
class Page:
    """What a page of the site names: its anchors, where its links lead, and what a browser loads for it."""

    path: Path
    ids: set[str] = field(default_factory=set)
    links: list[str] = field(default_factory=list)
    loaded: list[str] = field(default_factory=list)
    title: str = ""


_LOADED = {"script": "src", "img": "src", "iframe": "src", "source": "src", "video": "src", "object": "data"}


class _Reader(HTMLParser):
    def __init__(self, page: Page) -> None:
        super().__init__()
        self.page = page
        self._in_title = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self._in_title = tag == "h1"
        if "id" in values:
            self.page.ids.add(values["id"])
        if tag == "a" and "href" in values:
            self.page.links.append(values["href"])
        if tag == "link" and values.get("rel") != "canonical":
            self.page.loaded.append(values["href"])
        if values.get(_LOADED.get(tag, "")):
            self.page.loaded.append(values[_LOADED[tag]])

    def handle_data(self, data: str) -> None:
        if self._in_title:
            self.page.title += data
            self._in_title = False


@lru_cache(maxsize=1)
def pages() -> dict[str, Page]:
    """Every page of the site, by its path in it."""
    assert (SITE / "index.html").is_file(), "there is no site/: run `make docs`"
    found = {}
    for path in sorted(SITE.rglob("*.html")):
        page = Page(path)
        _Reader(page).feed(path.read_text(encoding="utf-8"))
        found[path.relative_to(SITE).as_posix()] = page
    return found
