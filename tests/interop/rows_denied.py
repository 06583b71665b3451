"""Rows about a hub that does not take a message."""

from __future__ import annotations

import logging
import queue
import time

import pytest
from ovos_bus_client.message import Message

from hivemind_core_client.errors import MessageDenied

from .hubs import RealHub
from .processes import wait_until
from .rows_client import ANSWER_SECONDS, check_answer
from .satellite import Satellite
from .table import behaviour

DENIAL = "being denied"
_TYPE = "nobody.allows.this"
_COMMAND = f"hivemind-core allow-msg {_TYPE} NODE_ID"


class Lines(logging.Handler):
    """What is logged, as texts."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the text."""
        self.texts.append(record.getMessage())


@behaviour(
    "a message that is not allowed: the wait for its answer ends at once, with the command that allows it",
    DENIAL,
    needs="denials",
)
def wait_ends(hub: RealHub, satellite: Satellite) -> None:
    client = satellite.connected()
    told: queue.Queue[MessageDenied] = queue.Queue()
    client.on("denied", told.put)
    began = time.monotonic()
    with pytest.raises(MessageDenied, match=_COMMAND) as caught:
        client.wait_for_response(Message(_TYPE), timeout=60)
    assert time.monotonic() - began < ANSWER_SECONDS
    assert caught.value.code == "acl_disallowed_type"
    assert caught.value.allowed == ("recognizer_loop:utterance",)
    assert told.get(timeout=ANSWER_SECONDS).msg_type == _TYPE
    check_answer(client, "still there")


@behaviour(
    "one that nobody waits for: a WARNING names the command, and with that it arrives",
    DENIAL,
    needs="denials",
)
def warning(hub: RealHub, satellite: Satellite) -> None:
    client, lines = satellite.connected(), Lines()
    logger = logging.getLogger("hivemind_core_client")
    logger.addHandler(lines)
    try:
        client.emit(Message(_TYPE))
        assert wait_until(lambda: any(_COMMAND in text for text in lines.texts), ANSWER_SECONDS)
    finally:
        logger.removeHandler(lines)
    client.close()
    hub.allow_msg(_TYPE, satellite.node_id)
    sent = Message(_TYPE, {"from": satellite.name})
    satellite.connected().emit(sent)
    assert wait_until(lambda: sent.data in [each["data"] for each in hub.seen(_TYPE)], ANSWER_SECONDS)
