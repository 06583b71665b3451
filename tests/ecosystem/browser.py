"""A browser for pages that are made with remi: it fills in fields and presses buttons by the page's WebSocket."""

from __future__ import annotations

import time
from html.parser import HTMLParser
from urllib.parse import quote, unquote
from urllib.request import urlopen

from websocket import WebSocketTimeoutException, create_connection

from tests.interop.processes import HarnessError

_SECONDS = 10.0


class Page(HTMLParser):
    """The identifiers of its text fields, in their order, and of its buttons by what is written on them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.fields: list[str] = []
        self.buttons: dict[str, str] = {}
        self._button: str | None = None
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        identifier = dict(attrs).get("id") or ""
        if tag == "textarea":
            self.fields.append(identifier)
        if tag == "button":
            self._button = identifier

    def handle_data(self, data: str) -> None:
        if self._button is not None and data.strip():
            self.buttons[data.strip()] = self._button
            self._button = None


class Browser:
    """A visit of one page at a port of loopback."""

    def __init__(self, port: int) -> None:
        with urlopen(f"http://127.0.0.1:{port}/", timeout=_SECONDS) as response:
            cookie = response.headers["Set-Cookie"].split(";")[0]
            self.page = Page(response.read().decode())
        self._events = create_connection(f"ws://127.0.0.1:{port}/", timeout=_SECONDS, cookie=cookie)

    def fill_in(self, number: int, text: str) -> None:
        """Write into a field."""
        parameter = f"new_value={text}"
        self._send(self.page.fields[number], "onchange", f"{len(parameter)}|{parameter}")

    def press(self, button: str) -> None:
        """Press a button."""
        self._send(self.page.buttons[button], "onclick", "")

    def wait_for(self, text: str, seconds: float) -> None:
        """Wait until the page shows `text`. Raises HarnessError if it does not in time."""
        ends = time.monotonic() + seconds
        while (left := ends - time.monotonic()) > 0:
            self._events.settimeout(left)
            try:
                update = self._events.recv()
            except WebSocketTimeoutException:
                break
            if text in unquote(str(update)):
                return
        raise HarnessError(f"the page does not show {text!r}")

    def close(self) -> None:
        """Leave the page."""
        self._events.close()

    def _send(self, identifier: str, event: str, parameters: str) -> None:
        self._events.send(quote(f"callback/{identifier}/{event}/{parameters}"))
