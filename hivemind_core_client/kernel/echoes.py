"""Asking the hub whether it reads, on a transport that has no pings, sans IO.

A hub of protocol version 2 or later answers each RENDEZVOUS once, in turn, and to the asker alone. One that asks for
nothing changes nothing there. A PING of the hive would go to every satellite, and be answered by each.
"""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from typing import Callable, Optional

from hivemind_core_client.wire.message import HiveMessage, HiveMessageType

#: Whom to tell of an answer.
Answered = Callable[[], None]

ECHO_TYPE = HiveMessageType.RENDEZVOUS
#: What is sent: it holds no command.
ECHO = HiveMessage(ECHO_TYPE, {})
#: Older hubs may not know the type.
ECHO_VERSION = 2
#: So many may wait for their answer.
_MOST = 1_000


class Echoes:
    """The RENDEZVOUS messages of one connection that wait for their answer, in the order in which they were written."""

    def __init__(self) -> None:
        #: Whom to tell; None for a message of somebody else, whose answer is for the handlers.
        self.waiting: deque[Optional[Answered]] = deque()
        self._is_lost = False

    def asked(self, answered: Optional[Answered]) -> None:
        """One is about to be written. A hub that leaves too many without an answer is asked in vain from then on."""
        if len(self.waiting) >= _MOST:
            self._is_lost = True
            self.waiting.clear()
        if not self._is_lost:
            self.waiting.append(answered)

    def answer(self) -> Optional[Answered]:
        """An answer has come, and something waits: whom to tell, or None where the handlers are to have it."""
        with suppress(IndexError):  # another thread has just given up
            return self.waiting.popleft()
        return None
