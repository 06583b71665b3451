"""A row about a plugin that blocks, beside a real hub."""

from __future__ import annotations

import threading
import time
from typing import Any

from hivemind_core_client import Deadlines, HiveMessage
from hivemind_core_client.plugins.contract import Context, MessageHandler
from hivemind_core_client.plugins.hookspecs import hookimpl
from hivemind_core_client.plugins.manager import PluginInfo

from .hubs import RealHub
from .processes import wait_until
from .rows_client import ANSWER_SECONDS, MESSAGES, Heard, utterance
from .satellite import Satellite
from .table import behaviour

#: So long the handler would block, if it was not let go; and what is to be quick takes less than this.
_BLOCKS_S, _QUICK_S = 30.0, 1.0


class Blocks:
    """Wraps what the hub says, and keeps it until it is let go."""

    def __init__(self) -> None:
        self.entered, self.leave = threading.Event(), threading.Event()

    @hookimpl
    def hivemind_message_handlers(self) -> list[MessageHandler]:
        return [MessageHandler("bus", "blocks", self.receive, wraps=True)]

    def receive(self, context: Context, message: HiveMessage, next: Any) -> Any:
        if message.raw_payload["type"] == "speak":
            self.entered.set()
            self.leave.wait(_BLOCKS_S)
        return next(message)


@behaviour("a plugin's handler that blocks for 30 s keeps nobody from sending or closing", MESSAGES)
def blocked_handler(hub: RealHub, satellite: Satellite) -> None:
    plugin, deadlines = Blocks(), Deadlines()
    client = satellite.connected(plugins=[plugin], deadlines=deadlines)
    heard = Heard(client)
    client.emit(utterance("first"))
    assert plugin.entered.wait(ANSWER_SECONDS)
    began = time.monotonic()
    client.emit(utterance("second"))
    assert time.monotonic() - began < _QUICK_S
    assert heard.texts == []
    assert wait_until(lambda: _of(client.plugin_report()).slow == 1, ANSWER_SECONDS)
    plugin.leave.set()
    assert heard.wait_for("you said: second")
    assert heard.texts == ["you said: first", "you said: second"]
    assert _of(client.plugin_report()).failures == 0
    plugin.entered.clear()
    plugin.leave.clear()
    client.emit(utterance("third"))
    assert plugin.entered.wait(ANSWER_SECONDS)
    began = time.monotonic()
    client.close()
    assert time.monotonic() - began < 3 * deadlines.close + _QUICK_S
    plugin.leave.set()


def _of(report: list[PluginInfo]) -> PluginInfo:
    return next(info for info in report if info.name == "Blocks")
