"""In the place of the library `deltachat`: an account without a mail server, for hivemind-deltachat-bridge.

Each line of the input is a message of anna@example.org. Each answer is a line of the output: `sent TEXT`.
"""

from __future__ import annotations

import sys
import threading
from types import SimpleNamespace
from typing import Any


def account_hookimpl(function: Any) -> Any:
    """A mark for plugins of an account; here they are called by name."""
    return function


class _Chat:
    def send_text(self, text: str) -> None:
        print("sent", text, flush=True)


class _Message:
    def __init__(self, text: str) -> None:
        self.text = text
        self.chat = _Chat()

    def is_system_message(self) -> bool:
        return False

    def get_sender_contact(self) -> SimpleNamespace:
        return SimpleNamespace(addr="anna@example.org")

    def create_chat(self) -> _Chat:
        return self.chat


class Account:
    """What the bridge uses of the real one."""

    def __init__(self, db_path: str) -> None:
        self._settings: dict[str, Any] = {}
        self._plugins: list[Any] = []
        self._over = threading.Event()

    def set_config(self, name: str, value: Any) -> None:
        self._settings[name] = value

    def get_config(self, name: str) -> Any:
        return self._settings[name]

    def configure(self) -> SimpleNamespace:
        return SimpleNamespace(wait_finish=lambda: None)

    def add_account_plugin(self, plugin: Any) -> None:
        self._plugins.append(plugin)

    def start_io(self) -> None:
        threading.Thread(target=self._read, daemon=True).start()

    def wait_shutdown(self) -> None:
        self._over.wait()

    def shutdown(self) -> None:
        self._over.set()

    def _read(self) -> None:
        for line in sys.stdin:
            for plugin in self._plugins:
                plugin.ac_incoming_message(_Message(line.strip()))
