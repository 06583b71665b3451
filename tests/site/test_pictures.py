"""Chromium takes pictures of the site, for people to look at: they are kept in .cache/pictures.

It is not installed for this: where a machine has none, these tests are skipped and say so.
"""

from __future__ import annotations

import re
import struct
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.docs.documents import page

from .browser import PROGRAM, Browser, browser
from .built import ROOT, SITE

PICTURES = ROOT / ".cache" / "pictures"
#: Pages by the names of their pictures.
PAGES = {
    "start": "",
    "tutorial": "tutorial-first-satellite/",
    "api": "api-client/#hivemind_core_client.client.HiveMessageBusClient",
    "errors": "errors/#local-misuse-nothing-was-sent",
    "troubleshooting": "troubleshooting/",
    "architecture": "architecture/",
}
#: Width and height in pixels.
SIZES = {"desktop": (1280, 900), "phone": (390, 844)}

pytestmark = pytest.mark.skipif(
    PROGRAM is None, reason="there is no Chromium on this machine to take pictures with"
)


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Write nothing: the browser tells what it did not get."""


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(SITE))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def window(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("chromium")) as running:
        yield running


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_whole_and_fits_its_window(name: str, size: str, address: str, window: Browser) -> None:
    width, height = SIZES[size]
    window.open(address + PAGES[name], width, height)
    picture = window.picture()
    PICTURES.mkdir(parents=True, exist_ok=True)
    (PICTURES / f"{name}-{size}.png").write_bytes(picture)
    assert struct.unpack(">II", picture[16:24]) == (width, height)
    assert window.complaints == []
    assert window.evaluate("document.documentElement.scrollWidth") == width, "it is wider than the window"
    assert window.evaluate("document.querySelector('h1').getBoundingClientRect().height") > 0
    hosts = window.evaluate(
        "[...new Set(performance.getEntriesByType('resource').map(one => new URL(one.name).host))]"
    )
    assert hosts == [address.split("/")[2]], "something is loaded from elsewhere"


def test_there_is_a_dark_scheme(address: str, tmp_path: Path) -> None:
    with browser(tmp_path) as window:  # the theme notes what it has shown: this one has seen nothing yet
        window.open(address + PAGES["tutorial"], *SIZES["desktop"], scheme="dark")
        (PICTURES / "tutorial-dark.png").write_bytes(window.picture())
        ground = window.evaluate("getComputedStyle(document.body).backgroundColor")
    assert all(int(part) < 60 for part in re.findall(r"\d+", ground)[:3]), ground


def test_a_word_is_found_on_the_site(address: str, window: Browser) -> None:
    window.open(f"{address}?q=allow-msg", *SIZES["desktop"])
    found = window.evaluate("""new Promise(done => {
      const results = document.querySelector(".md-search-result__list")
      const look = () => results.querySelector("a") ? done(results.innerText) : 0
      new MutationObserver(look).observe(results, {childList: true, subtree: true})
      look()
    })""")
    assert "allow-msg" in found


def test_a_long_table_shows_the_rows_with_what_is_typed(address: str, window: Browser) -> None:
    window.open(f"{address}troubleshooting/", *SIZES["phone"])
    shown = window.evaluate("""(() => {
      const box = document.querySelector("input.rows-with")
      box.value = "ACCESS key"
      box.dispatchEvent(new Event("input"))
      return [...document.querySelectorAll("tbody tr")].filter(row => row.offsetHeight).map(row => row.innerText)
    })()""")
    rows = page("docs/troubleshooting.md").count("\n| `")
    assert 0 < len(shown) < rows
    assert all("access" in row.lower() and "key" in row.lower() for row in shown)
    assert any("refused the access key" in row for row in shown)


def test_a_command_is_copied_without_prompt_and_output(address: str, window: Browser) -> None:
    window.open(f"{address}tutorial-first-satellite/", *SIZES["desktop"])
    copied = window.evaluate("""[...document.querySelectorAll("code")].map(code => {
      code.setAttribute("data-md-copying", "")  // as the theme's button does
      return code.innerText.trim()
    })""")
    assert "hivemind-client test-identity" in copied
